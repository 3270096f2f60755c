"""What people wrote on the command line, looked at before Redis sees it."""

import re
from datetime import UTC, datetime, timedelta

import typer

_POSITION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")
_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def is_position(text: str) -> bool:
    """Is it an id in one of Redis' streams, such as ``1795413409008-0``?"""
    return _POSITION.fullmatch(text) is not None


def check_position(option: str, text: str | None, remedy: str) -> None:
    """Raises BadParameter that names the option."""
    if text is not None and not is_position(text):
        raise typer.BadParameter(f"{option} {text!r}: {remedy}")


def is_text(argument: str) -> bool:
    """False for bytes that were no UTF-8: nothing of ours can store or send them."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


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
