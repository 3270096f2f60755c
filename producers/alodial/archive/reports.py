"""Reads reports from the counts."""

from typing import Any, Final

from sqlalchemy import Table, func, select

from .count_tables import COUNTS_DAY, COUNTS_HOUR, COUNTS_INITIATOR
from .read_connection import ReadConnections
from .report_query import MEASURES, Report, ReportQuery, make_report
from .schema import CAMPAIGNS

MAX_COUNTED: Final = 400_000
"""Groups that are read for one report; a day is one of them where it is grouped by weekday or month."""

MAX_NAMES: Final = 5000

_COLUMNS: Final = {
    "outcome": "outcome",
    "day": "day",
    "weekday": "day",
    "month": "day",
    "hour": "hour",
    "line": "line",
    "operator": "operator_code",
    "campaign": "campaign_id",
    "initiator": "initiator",
}


class ReportReader:
    """Makes reports. Its methods block for some seconds at most, and raise ArchiveUnavailable."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def make(self, query: ReportQuery) -> Report:
        """The report."""
        table = _table(query)
        columns = [table.c[_COLUMNS[name]] for name in query.by]
        sums = [func.sum(table.c[name]) for name in MEASURES]
        counts = select(*columns, *sums).where(table.c.day.between(query.since, query.until))
        if query.owner:
            counts = counts.where(table.c.owner == query.owner)
        if query.campaign:
            counts = counts.where(table.c.campaign_id == query.campaign)
        elif query.report == "campaigns":
            counts = counts.where(table.c.campaign_id != "")
        # Each column once: a report by weekday and month groups by the day.
        grouped = counts.group_by(*{column.name: column for column in columns}.values()).limit(MAX_COUNTED)
        names: dict[str, Any] = {}
        with self._connections.open() as connection:
            rows = [tuple(row) for row in connection.execute(grouped)]
            if "campaign" in query.by:
                place = query.by.index("campaign")
                ids = list({row[place] for row in rows if row[place]})[:MAX_NAMES]
                for start in range(0, len(ids), 500):
                    wanted = CAMPAIGNS.c.campaign_id.in_(ids[start : start + 500])
                    found = connection.execute(select(CAMPAIGNS.c.campaign_id, CAMPAIGNS.c.name).where(wanted))
                    names |= {row.campaign_id: row.name for row in found}
        return make_report(query, rows, names)


def _table(query: ReportQuery) -> Table:
    if query.report == "hours":
        return COUNTS_HOUR
    return COUNTS_INITIATOR if "initiator" in query.by else COUNTS_DAY
