"""Parses the query parameters ``since`` and ``until``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from alodial_schemas import FieldProblem

EARLIEST, LATEST = (round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (1900, 9999))
"""Unix ms between which every zone has a local time."""


def read_time(text: str, zone: ZoneInfo | None = None) -> int | None:
    """Returns Unix ms of an ISO 8601 time, None for "". Without a zone in the text, ``zone`` applies.

    Raises ValueError for another text, for a time outside of EARLIEST and LATEST, and for one without a zone when there is no
    ``zone`` either.
    """
    if not text:
        return None
    # A "+" that was not written as %2B arrives as a space.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    if at.tzinfo is None and zone is None:
        raise ValueError("no zone")
    try:
        ms = int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except OverflowError as exc:
        raise ValueError(str(exc)) from None
    if not EARLIEST <= ms < LATEST:
        raise ValueError("too far away")
    return ms


class TimeRange:
    """``since`` and ``until`` in Unix ms, each None without a text, and the ``problems`` of those that do not parse."""

    def __init__(self, since: str, until: str, zone: ZoneInfo | None = None) -> None:
        self.problems: list[FieldProblem] = []
        self.since = self._read("since", since, zone)
        self.until = self._read("until", until, zone)

    def _read(self, name: str, text: str, zone: ZoneInfo | None) -> int | None:
        try:
            return read_time(text, zone)
        except ValueError:
            problem = "is no ISO 8601 time" if zone else "is no ISO 8601 time with a zone"
            self.problems.append(FieldProblem(name, "bad_time", problem, "write 2026-11-23T14:00:00Z"))
            return None


def read_period(texts: Mapping[str, str], zone: ZoneInfo) -> tuple[dict[str, int | None], set[str]]:
    """Returns the times ``since`` and ``until`` in Unix ms, and the names of those that are wrong, which are left out."""
    times: dict[str, int | None] = {}
    wrong = set()
    for name in ("since", "until"):
        try:
            times[name] = read_time(texts[name], zone)
        except ValueError:
            wrong.add(name)
    return times, wrong
