"""Log lines of all processes: the filters are the address, the newest lines stand first."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store.client import AsyncStore
from ..store.log_stream import LEVELS, LogFilter, LogLine, LogPage, has_news_async, lost_async, page_async
from ..web.context import app_context
from ..web.routes.logs import moment, names_async
from .auth import Signed
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, page
from .time_format import TimeFormatter

LISTED: Final = 100
FIELDS: Final = ("call", "extid", "campaign", "account", "worker", "level", "event", "since", "until")
LONGEST: Final = 128
MAX_SHOWN: Final = 400
PLACE: Final = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
APART: Final = frozenset(
    {"event", "level", "timestamp", "worker", "logger", "call_id", "extid", "campaign", "exception", "stack"}
)
"""Fields that have a place of their own in a row."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """``given`` is what was typed, by field and without empty ones; ``wrong`` names fields that mean nothing."""

    given: Mapping[str, str]
    times: Mapping[str, int | None] = field(default_factory=dict)
    wrong: frozenset[str] = frozenset()

    def address(self, **changes: str) -> str:
        query = urlencode({name: value for name, value in (dict(self.given) | changes).items() if value})
        return f"/logs?{query}" if query else "/logs"


def read_query(given: Mapping[str, str], zone: ZoneInfo) -> LogQuery:
    """From an address's query; other fields are not looked at."""
    kept = {}
    for name in FIELDS:
        text = given.get(name, "").replace("\x00", "").strip()[:LONGEST]
        if text:
            kept[name] = text
    wrong = set()
    times: dict[str, int | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = moment(kept.get(name, ""), zone)
        except ValueError:
            wrong.add(name)
    if kept.get("level", "info") not in LEVELS:
        wrong.add("level")
    return LogQuery(kept, times, frozenset(wrong))


async def _wanted(store: AsyncStore, asked: LogQuery) -> LogFilter:
    texts = {name: asked.given.get(name, "") for name in ("extid", "campaign", "account", "worker", "level", "event")}
    call = await names_async(store, asked.given.get("call", ""))
    return LogFilter(call=call, since=asked.times["since"], until=asked.times["until"], **texts)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line. ``call`` is the address of its call, ``rest`` its other fields as ``name=value``, ``trace`` a traceback."""

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


def _row(line: LogLine, clocks: TimeFormatter) -> LogRow:
    fields = line.fields
    at, extid, call_id = (_text(fields.get(name)) for name in ("timestamp", "extid", "call_id"))
    try:
        clock = clocks.exact(at)
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
        rest=[(name, _text(value)) for name, value in fields.items() if name not in APART],
        trace="\n".join(str(fields[name]) for name in ("exception", "stack") if fields.get(name)),
    )


def _text(value: object) -> str:
    """As it can be read on a page, on one line and not endless."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


@router.get("/logs")
async def listed(request: Request, operator: Signed) -> Response:
    store = app_context(request).queue.store
    desk = monitor_context(request)
    query = request.query_params
    asked = read_query(query, desk.zone)
    cursor = query.get("cursor", "") if PLACE.fullmatch(query.get("cursor", "")) else ""
    seen = query.get("seen", "") if PLACE.fullmatch(query.get("seen", "")) else ""
    found, lost = LogPage([], None, ""), 0
    if not asked.wrong:
        wanted = await _wanted(store, asked)
        # What is renewed every two seconds costs one small read as long as nothing came.
        if seen and not await store.call(has_news_async, seen, wanted):
            return Response(status_code=204)
        found = await store.call(page_async, wanted, cursor=cursor or None, limit=LISTED)
        lost = await store.call(lost_async)
    live = query.get("live") != "off"
    clocks = TimeFormatter(translator_of(request), desk.zone)
    context: dict[str, Any] = {
        "asked": asked,
        "rows": [_row(line, clocks) for line in found.lines],
        "cursor": found.cursor,
        "first": not cursor,
        "live": live,
        "renewed": asked.address(seen=found.newest) if live and not cursor and found.newest else "",
        "lost": lost,
        "levels": LEVELS,
        "accounts": desk.settings.account_names,
        "kept": desk.settings.logs_keep,
    }
    return page(request, "logs.html", operator, status=422 if asked.wrong else 200, **context)
