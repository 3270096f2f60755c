"""Times for people: in the zone of the settings, which is written beside each."""

from datetime import datetime


def local_time(text: str | None, *, precise: bool = False, seconds: bool = True) -> str:
    """Returns an ISO 8601 moment such as ``2026-11-23 19:00:05 +05`` in ALODIAL_TIMEZONE; "" for none.

    ``precise`` adds milliseconds, without ``seconds`` it ends with the minute.
    """
    from zoneinfo import ZoneInfo

    from ..settings import load_settings

    if not text:
        return ""
    at = datetime.fromisoformat(text).astimezone(ZoneInfo(load_settings().timezone))
    clock = f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"
    fraction = f".{at.microsecond // 1000:03d}" if precise else ""
    return f"{at:%Y-%m-%d} {clock}{fraction} {at:%Z}"
