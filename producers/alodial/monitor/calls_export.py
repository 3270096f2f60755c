"""The calls of a filter as a file: CSV or a workbook, in the reader's language."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.call_timeline import initiator_of, targets_of
from ..calls.merged_list import Archive, list_page
from ..campaigns.exporting.results import Cell, csv_blocks_of, write_table
from ..campaigns.exporting.texts import delimiter_of, local_moment
from ..campaigns.formula_guard import safe_cell
from ..errors import ArchiveUnavailable
from ..i18n import Translator
from ..store.call_filter import CallFilter
from ..store.client import Store
from ..store.records import CallRecord
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.xlsx_download import xlsx_download
from . import call_rows
from .auth import Signed, audit
from .call_filter_form import CallQuery
from .calls import query_of
from .context import translator_of
from .rendering import PeopleRoute, go

MAX_EXPORT: Final = 100_000
"""Calls of one file; the newest come first."""

MAX_PAGES: Final = 1000
"""Pages that are read for one file, so that a filter that matches few calls of many comes to an end."""

PAGE: Final = 500

COLUMNS: Final = (
    *("reference", "extid", "id", "first_phone", "phones", "state", "disposition", "dialstatus", "reason", "attempts"),
    *("created_at", "changed_at", "answered_at", "talk_seconds", "campaign", "account"),
)
TIMES: Final = frozenset({"created_at", "changed_at", "answered_at"})
COUNTS: Final = frozenset({"attempts", "talk_seconds"})

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def records(store: Store, archive: Archive | None, wanted: CallFilter) -> Iterator[CallRecord]:
    """The calls of a filter, page by page, at most ``MAX_EXPORT`` of them. Blocks."""
    cursor: str | None = None
    left = MAX_EXPORT
    for _ in range(MAX_PAGES):
        page = list_page(store, archive, wanted, cursor, min(PAGE, left))
        if page.incomplete:
            raise ArchiveUnavailable("the archive does not answer, so that older calls are missing")
        yield from page.calls
        left -= len(page.calls)
        cursor = page.cursor
        if cursor is None or left <= 0:
            return


def values_of(record: CallRecord, t: Translator, *, full: bool) -> list[str]:
    """A call in the order of ``COLUMNS``, its times as ISO 8601; numbers are masked unless ``full``."""
    result: dict[str, Any] = next((a["result"] for a in reversed(record.attempts) if a["result"]), {})
    reason = record.timeline[-1].get("note") or ""
    values = {
        "reference": call_rows.text(record.reference or "", full=full),
        "extid": record.extid,
        "id": record.id,
        "first_phone": call_rows.number(initiator_of(record.request), full=full),
        "phones": " / ".join(call_rows.number(target, full=full) for _, target in targets_of(record.request)),
        "state": t.known("call", record.state.value),
        "disposition": t.known("disposition", record.disposition) if record.disposition else "",
        "dialstatus": result.get("dialstatus"),
        "reason": t.known("cause", reason.split(" ")[0]) if reason else "",
        "attempts": record.attempt,
        "created_at": record.created_at,
        "changed_at": record.updated_at,
        "answered_at": result.get("answer_time"),
        "talk_seconds": result.get("duration"),
        "campaign": record.campaign_id,
        "account": record.account,
    }
    return ["" if values[name] is None else str(values[name]) for name in COLUMNS]


def _headings(t: Translator) -> list[str]:
    return [t(f"export.{name}") for name in COLUMNS]


async def _begin(request: Request, operator: Signed, kind: str) -> CallQuery | None:
    """The filter of the address; None for one that means nothing, which exports nothing. Leaves a line in the audit."""
    query = query_of(request)
    if query.invalid:
        return None
    await audit(request, operator, "calls.export", filter=query.query_string(), kind=kind)
    return query


@router.get("/calls.csv")
async def calls_csv(request: Request, operator: Signed) -> Response:
    query = await _begin(request, operator, "csv")
    if query is None:
        return go(f"/calls?{request.url.query}")
    t, full, queue = translator_of(request), call_rows.in_full(operator), app_context(request).queue
    store, archive = queue.thread_store, queue.archive
    plain = [name in COUNTS or name in ("extid", "id") for name in COLUMNS]

    def lines() -> Iterator[list[str]]:
        for record in records(store, archive, query.filter):
            values = values_of(record, t, full=full)
            yield [
                local_moment(t, value) if name in TIMES and value else value if bare else safe_cell(value)
                for name, value, bare in zip(COLUMNS, values, plain, strict=True)
            ]

    return await csv_download(csv_blocks_of(_headings(t), lines(), delimiter_of(t)), t("calls.file"))


@router.get("/calls.xlsx")
async def calls_xlsx(request: Request, operator: Signed) -> Response:
    query = await _begin(request, operator, "xlsx")
    if query is None:
        return go(f"/calls?{request.url.query}")
    t, full, queue = translator_of(request), call_rows.in_full(operator), app_context(request).queue
    store, archive = queue.thread_store, queue.archive

    def rows() -> Iterator[list[Cell]]:
        for record in records(store, archive, query.filter):
            values = values_of(record, t, full=full)
            yield [_cell(name, value, t) for name, value in zip(COLUMNS, values, strict=True)]

    name = t("calls.file")
    return await xlsx_download(request, name, write_table, _headings(t), rows(), title=name)


def _cell(name: str, value: str, t: Translator) -> Cell:
    if name in COUNTS and value.isdigit():
        return int(value)
    if name in TIMES and value:
        return datetime.fromisoformat(value).astimezone(t.zone).replace(tzinfo=None)
    return value
