"""Reports: how calls end, when people answer, how campaigns compare; each figure leads to its calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import ENDS, mask_phone

from ..archive.report_calls import answered_of, calls_of
from ..archive.report_query import FIGURES, Report, ReportQuery, ReportRow, read_query
from ..calls.threads import ARCHIVE
from ..campaigns.exporting.results import Cell, csv_blocks_of, write_table
from ..campaigns.exporting.texts import delimiter_of
from ..campaigns.formula_guard import safe_cell
from ..i18n import Translator
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.query_times import TimeRange
from ..web.xlsx_download import xlsx_download
from . import call_rows
from .auth import Signed, audit
from .campaign_name import by_campaign_id
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, go, page

GROUPS: Final = {
    "outcome": ("outcomes", "outcome"),
    "day": ("outcomes", "day"),
    "weekday": ("outcomes", "weekday"),
    "month": ("outcomes", "month"),
    "hour": ("hours", "hour"),
    "operator": ("outcomes", "operator"),
    "line": ("outcomes", "line"),
    "campaign": ("campaigns", "campaign"),
    "initiator": ("outcomes", "initiator"),
}
"""What the tables of the screen group by, and the report that each is."""

SPANS: Final = (7, 30, 90, 365)
"""Days to choose from."""

LEVELS: Final = 5
"""Shades of the answer rate in the table of hours."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A row of the table: its name, the addresses of its calls and of the answered ones or "", and the lengths of its two
    bars in thousandths."""

    name: str
    address: str
    answered: str
    row: ReportRow
    part: int
    rate: int


@dataclass(frozen=True, slots=True)
class HourCell:
    """An hour of a weekday: its answer rate and attempts, the shade from 0 to ``LEVELS``, the address of its calls."""

    rate: float | None
    attempts: int
    level: int
    address: str


@dataclass(frozen=True, slots=True)
class _Choice:
    by: str
    query: ReportQuery
    invalid: frozenset[str]

    def address(self, path: str = "/reports", **changes: str) -> str:
        values = {"by": self.by, "since": self.query.since.isoformat(), "until": self.query.until.isoformat()}
        fields = values | {"campaign": self.query.campaign} | changes
        return f"{path}?{urlencode({name: value for name, value in fields.items() if value})}"


def _read(request: Request, zone: ZoneInfo) -> _Choice:
    """The report that an address asks for; ``until`` is the last day, included."""
    values = request.query_params
    by = values.get("by", "")
    by = by if by in GROUPS else "outcome"
    times = TimeRange(values.get("since", "")[:40], values.get("until", "")[:40], zone)
    until = None if times.until is None else times.until + 86_400_000
    report, group = GROUPS[by]
    campaign = values.get("campaign", "").strip()[:128]
    query, problems = read_query(report, (group,), times.since, until, zone, now=datetime.now(UTC), campaign=campaign)
    return _Choice(by, query, frozenset(problem.field for problem in [*times.problems, *problems]))


def name_of(row: ReportRow, by: str, t: Translator, *, full: bool) -> str:
    """What a row is called in the reader's language."""
    value = row.of[by]
    match by:
        case "outcome":
            state, _, disposition = value.rpartition(":")
            if state:
                return f"{t.known('call', state)}: {t.known('disposition', disposition)}"
            return t.known("call" if value in ENDS else "disposition", value)
        case "weekday":
            return t(f"reports.weekday.{value}")
        case "hour":
            return f"{value:02}:00"
        case "campaign":
            return str(row.of["campaign_name"] or value or t("reports.no_campaign"))
        case "initiator":
            return (value if full or not value else mask_phone(value)) or t("reports.unknown")
        case _:
            return str(value) or t("reports.unknown")


def _address(fields: dict[str, str] | None) -> str:
    """The address of the list of calls with this filter; "" where there is none."""
    return f"/calls?{urlencode(fields)}" if fields else ""


def lines_of(report: Report, chosen: _Choice, t: Translator, zone: ZoneInfo, *, full: bool) -> list[ReportLine]:
    """The table of a report."""
    hours = report.query.report == "hours"
    sizes = [row.attempts if hours else row.calls for row in report.rows]
    largest = max(sizes, default=0) or 1
    return [
        ReportLine(
            name_of(row, chosen.by, t, full=full),
            _address(calls_of(report.query, _groups(row), zone)) if row.calls else "",
            _address(answered_of(report.query, _groups(row), zone)) if row.answered else "",
            row,
            round(1000 * size / largest),
            round(1000 * (row.answer_rate or 0)),
        )
        for row, size in zip(report.rows, sizes, strict=True)
    ]


def _groups(row: ReportRow) -> dict[str, Any]:
    return {name: value for name, value in row.of.items() if name != "campaign_name"}


def grid_of(report: Report, zone: ZoneInfo) -> tuple[list[int], list[tuple[int, list[HourCell]]]]:
    """The hours that have attempts, and for each weekday its cells, shaded between the lowest and the highest rate."""
    cells = {(row.of["weekday"], row.of["hour"]): row for row in report.rows if row.attempts}
    hours = sorted({hour for _, hour in cells})
    rates = [row.answer_rate or 0 for row in cells.values()]
    low, wide = min(rates, default=0), (max(rates, default=0) - min(rates, default=0)) or 1

    def cell(row: ReportRow | None) -> HourCell:
        if row is None:
            return HourCell(None, 0, 0, "")
        level = 1 + min(LEVELS - 1, int(LEVELS * ((row.answer_rate or 0) - low) / wide))
        address = _address(calls_of(report.query, row.of, zone)) if row.calls else ""
        return HourCell(row.answer_rate, row.attempts, level, address)

    return hours, [(day, [cell(cells.get((day, hour))) for hour in hours]) for day in range(1, 8)]


async def _make(request: Request, query: ReportQuery) -> Report:
    archive = app_context(request).queue.archive
    assert archive is not None  # noqa: S101  # the routes look
    return await ARCHIVE.run(archive.reports.make, query)


@router.get("/reports")
async def show_reports(request: Request, operator: Signed) -> Response:
    if (answer := await by_campaign_id(request)) is not None:
        return answer
    zone, t = monitor_context(request).zone, translator_of(request)
    chosen = _read(request, zone)
    full = call_rows.in_full(operator)
    context: dict[str, Any] = {
        "chosen": chosen,
        "groups": GROUPS,
        "spans": SPANS,
        "today": datetime.now(zone).date(),
        "span": (chosen.query.until - chosen.query.since).days + 1,
        "days_before": lambda days: chosen.address(
            since=str(datetime.now(zone).date() - timedelta(days=days - 1)), until=""
        ),
    }
    if app_context(request).queue.archive is None or chosen.invalid:
        status = 422 if chosen.invalid else 200
        return page(request, "reports.html", operator, status=status, report=None, lines=[], grid=None, **context)
    report = await _make(request, chosen.query)
    grid = None
    if chosen.by == "hour":
        week = ReportQuery(
            "hours", ("weekday", "hour"), chosen.query.since, chosen.query.until, campaign=chosen.query.campaign
        )
        grid = grid_of(await _make(request, week), zone)
    lines = lines_of(report, chosen, t, zone, full=full)
    context["calls"] = _address(calls_of(report.query, {}, zone))
    context["answered"] = _address(answered_of(report.query, {}, zone))
    return page(request, "reports.html", operator, report=report, lines=lines, grid=grid, **context)


@router.get("/reports.{kind}")
async def download(request: Request, operator: Signed, kind: str) -> Response:
    """The table as CSV or a workbook."""
    zone, t = monitor_context(request).zone, translator_of(request)
    chosen = _read(request, zone)
    if kind not in ("csv", "xlsx") or chosen.invalid or app_context(request).queue.archive is None:
        return go(chosen.address())
    report = await _make(request, chosen.query)
    await audit(request, operator, "reports.export", filter=request.url.query, kind=kind)
    full = call_rows.in_full(operator)
    header = [t(f"reports.by.{chosen.by}"), *(t(f"reports.{name}") for name in FIGURES)]
    title = f"{t('nav.reports')} {chosen.query.since} {chosen.query.until}"

    names = [name_of(row, chosen.by, t, full=full) for row in report.rows]
    if kind == "csv":
        lines = ([safe_cell(name), *_texts(row)] for name, row in zip(names, report.rows, strict=True))
        return await csv_download(csv_blocks_of(header, lines, delimiter_of(t)), title)
    rows: Iterator[list[Cell]] = ([name, *_cells(row)] for name, row in zip(names, report.rows, strict=True))
    return await xlsx_download(request, title, write_table, header, rows, title=t("nav.reports"))


def _texts(row: ReportRow) -> list[str]:
    values = [getattr(row, name) for name in FIGURES]
    return ["" if value is None else str(value) for value in values]


def _cells(row: ReportRow) -> Iterator[Cell]:
    for name in FIGURES:
        value = getattr(row, name)
        if isinstance(value, float):
            yield value, "0.0" if name == "average_talk_seconds" else "0.0%"
        else:
            yield "" if value is None else int(value)
