"""Which list of calls a row of a report counts. No I/O, and no database."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alodial_schemas import ENDS, Disposition, State

from ..store.call_facts import NO_VALUE
from ..store.call_filter import CALLED
from .report_query import ReportQuery

ANSWERED: Final = {"state": State.COMPLETED.value, "disposition": Disposition.ANSWERED.value}

_NAMES: Final = ("line", "operator", "campaign", "initiator")
_OF_ATTEMPTS: Final = frozenset({"operator", "outcome"})
"""What the report on hours knows of each attempt, so that no list of calls has the same rows."""


def calls_of(query: ReportQuery, of: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str] | None:
    """The filter of the ``calls`` of a row, as parameters of ``GET /v1/calls``; {} for ``of`` is that of the total.

    None where no filter names the same calls.
    """
    hours = query.report == "hours"
    if (hours and _OF_ATTEMPTS & set(of)) or (query.report == "campaigns" and not (query.campaign or "campaign" in of)):
        return None
    first, last = query.since, query.until
    if "day" in of:
        first = last = date.fromisoformat(of["day"])
    if "month" in of:
        begin = date.fromisoformat(f"{of['month']}-01")
        first, last = max(first, begin), min(last, _month_end(begin))
    fields = {"campaign": query.campaign} | {name: str(of[name]) or NO_VALUE for name in _NAMES if name in of}
    fields |= {name: str(of[name]) for name in ("hour", "weekday") if name in of}
    if "initiator" in of:
        fields["campaign"] = NO_VALUE
    if "outcome" in of:
        state, _, disposition = of["outcome"].rpartition(":")
        fields |= {"state": of["outcome"]} if of["outcome"] in ENDS else {"state": state or State.COMPLETED.value}
        fields |= {} if of["outcome"] in ENDS else {"disposition": disposition}
    else:
        fields["ended"] = "1"
    fields |= {"since": _midnight(first, zone), "until": _midnight(last + timedelta(days=1), zone)}
    return {name: value for name, value in (fields | ({"times": CALLED} if hours else {})).items() if value}


def answered_of(query: ReportQuery, of: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str] | None:
    """As :func:`calls_of`, of the ``answered`` of a row: None in the report on hours, where they are attempts."""
    fields = None if query.report == "hours" else calls_of(query, of, zone)
    return None if fields is None else {name: value for name, value in fields.items() if name != "ended"} | ANSWERED


def _month_end(begin: date) -> date:
    return (begin + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _midnight(day: date, zone: ZoneInfo) -> str:
    return datetime.combine(day, time(), zone).isoformat(timespec="minutes")
