"""The filters of ``alodial logs`` as they were typed, made into what the store looks for."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..queue import CallQueue
    from ..store.log_filter import LogFilter

_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(option: str, text: str | None, now: datetime | None = None) -> int | None:
    """Unix ms of ``10m`` (so long ago) or of an ISO 8601 time, without a zone in this machine's. Raises BadParameter."""
    if text is None:
        return None
    now = now or datetime.now(UTC)
    if ago := _AGO.fullmatch(text):
        at = now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    else:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(
                f"{option} {text!r}: write how long ago, such as 10m, 2h or 1d, or a time such as 2026-11-23T14:00"
            ) from None
    try:
        return max(0, int(at.timestamp() * 1000))
    except (OverflowError, ValueError):
        raise typer.BadParameter(f"{option} {text!r}: is no time of our days") from None


def level_of(text: str | None) -> str:
    """Raises BadParameter."""
    from ..store.log_filter import LEVELS  # noqa: PLC0415  # --help need not load it

    word = (text or "").lower()
    if word and word not in LEVELS:
        raise typer.BadParameter(f"--level {text!r}: use one of {', '.join(LEVELS)}")
    return word


def names_of(queue: "CallQueue", call: str | None) -> frozenset[str]:
    """Every name that a call's lines may give it; its own if no such call is kept any more. Raises StoreUnavailable."""
    from ..store.log_filter import names_of_call  # noqa: PLC0415  # as above
    from ..store.reads import find  # noqa: PLC0415  # as above

    return frozenset() if call is None else names_of_call(call, queue.store.call(lambda client: find(client, call)))


def filter_of(
    names: frozenset[str],
    *,
    extid: str | None,
    campaign: str | None,
    account: str | None,
    worker: str | None,
    level: str | None,
    event: str | None,
    since: int | None,
    until: int | None,
) -> "LogFilter":
    from ..store.log_filter import LogFilter  # noqa: PLC0415  # as above

    return LogFilter(
        call=names,
        extid=extid or "",
        campaign=campaign or "",
        account=account or "",
        worker=worker or "",
        level=level or "",
        event=event or "",
        since=since,
        until=until,
    )
