"""The log lines of all processes, the newest first. The address holds the filter."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..i18n import Translator
from ..store.client import AsyncStore
from ..store.log_stream import LEVELS, LogFilter, LogLine, LogPage, has_news_async, lost_async, page_async
from ..web.context import app_context
from ..web.query_times import read_period
from ..web.routes.logs import names_async
from . import saved_filters
from .auth import Signed
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, page

PAGE_SIZE: Final = 100
FIELDS: Final = ("call", "extid", "campaign", "account", "worker", "level", "event", "since", "until")
MAX_TEXT: Final = 128
MAX_VALUE: Final = 400
CURSOR: Final = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
COLUMNS: Final = frozenset(
    {"event", "level", "timestamp", "worker", "logger", "call_id", "extid", "campaign", "exception", "stack"}
)
"""Fields with a column of their own."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """``fields`` are the typed texts, without empty ones; ``invalid`` names those that mean nothing. Times are Unix ms."""

    fields: Mapping[str, str]
    times: Mapping[str, int | None] = field(default_factory=dict)
    invalid: frozenset[str] = frozenset()

    def address(self, **changes: str) -> str:
        """The address of this filter with some fields changed; "" takes a field out."""
        query = urlencode({name: value for name, value in (dict(self.fields) | changes).items() if value})
        return f"/logs?{query}" if query else "/logs"


def read_query(values: Mapping[str, str], zone: ZoneInfo) -> LogQuery:
    """Reads an address's query; times without a zone are of ``zone``. Unknown fields are ignored."""
    texts = {name: values.get(name, "").replace("\x00", "").strip()[:MAX_TEXT] for name in FIELDS}
    times, invalid = read_period(texts, zone)
    if (texts["level"] or "info") not in LEVELS:
        invalid.add("level")
    return LogQuery({name: text for name, text in texts.items() if text}, times, frozenset(invalid))


async def _filter(store: AsyncStore, query: LogQuery) -> LogFilter:
    texts = {name: query.fields.get(name, "") for name in ("extid", "campaign", "account", "worker", "level", "event")}
    call = await names_async(store, query.fields.get("call", ""))
    return LogFilter(call=call, since=query.times["since"], until=query.times["until"], **texts)


@dataclass(frozen=True, slots=True)
class LogRow:
    """A log line. ``call`` is the address of its call, ``rest`` its fields without a column, ``trace`` its traceback."""

    id: str
    at: str
    clock: str
    level: str
    event: str
    worker: str
    call: str
    call_name: str
    campaign: str
    rest: list[tuple[str, str]]
    trace: str


def _row(line: LogLine, t: Translator) -> LogRow:
    fields = line.fields
    at, extid, call_id = (_text(fields.get(name)) for name in ("timestamp", "extid", "call_id"))
    try:
        clock = t.exact(at)
    except ValueError:
        at = clock = ""
    call = f"/calls/{quote(call_id, safe='')}" if call_id else ""
    return LogRow(
        id=line.id,
        at=at,
        clock=clock,
        level=_text(fields.get("level")),
        event=_text(fields.get("event")),
        worker=_text(fields.get("worker")),
        call=call or (f"/calls?{urlencode({'find': extid})}" if extid else ""),
        call_name=extid or call_id,
        campaign=_text(fields.get("campaign")),
        rest=[(name, _text(value)) for name, value in fields.items() if name not in COLUMNS],
        trace="\n".join(str(fields[name]) for name in ("exception", "stack") if fields.get(name)),
    )


def _text(value: object) -> str:
    """A value on one line, cut at ``MAX_VALUE``."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


@router.get("/logs")
async def list_log_lines(request: Request, operator: Signed) -> Response:
    store = app_context(request).queue.store
    monitor = monitor_context(request)
    params = request.query_params
    query = read_query(params, monitor.zone)
    cursor, newest = (text if CURSOR.fullmatch(text := params.get(name, "")) else "" for name in ("cursor", "seen"))
    lines, lost = LogPage([], None, ""), 0
    if not query.invalid:
        log_filter = await _filter(store, query)
        # An open page updates every two seconds; it costs one small read while there are no new lines.
        if newest and not await store.call(has_news_async, newest, log_filter):
            return Response(status_code=204)
        lines = await store.call(page_async, log_filter, cursor=cursor or None, limit=PAGE_SIZE)
        lost = await store.call(lost_async)
    filters = await saved_filters.filters_of(request, operator, "logs")
    live = params.get("live") != "off"
    t = translator_of(request)
    return page(
        request,
        "logs.html",
        operator,
        status=422 if query.invalid else 200,
        query=query,
        filters=filters,
        keep="" if query.invalid else saved_filters.kept_query("logs", urlencode(query.fields)),
        filters_full=params.get("filters") == "full",
        rows=[_row(line, t) for line in lines.lines],
        cursor=lines.cursor,
        first=not cursor,
        live=live,
        refresh=query.address(seen=lines.newest) if live and not cursor and lines.newest else "",
        lost=lost,
        levels=LEVELS,
        accounts=monitor.settings.account_names,
        kept=monitor.settings.logs_keep,
    )
