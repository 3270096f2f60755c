"""One call: why it did not ring, its course as a picture, every change, attempt, answer and result, and what may be done."""

import asyncio
import hashlib
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import ENDS, State

from ..errors import NotCancelable, NotRedialable
from ..store.call_context import CallContext, call_context_async
from ..store.events import call_events_async
from ..store.records import CallRecord
from ..web.context import app_context
from . import call_rows, call_view
from .auth import Forbidden, Signed, audit, can, form_of, text_of
from .call_timeline import TimelineMoment, failed_first, unix
from .context import monitor_context, translator_of
from .explain import explain
from .rendering import PeopleRoute, go, page
from .sandbox_told import ask_sandbox
from .session import Operator
from .time_format import TimeFormatter

SAID: Final = ("cancel", "redial", "again", "late")
ACTS: Final = {"cancel": "cancel_calls", "redial": "redial_calls"}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def acts_of(record: CallRecord, operator: Operator) -> list[str]:
    """What its state and the operator's key permit."""
    found = []
    if record.state in (State.SCHEDULED, State.QUEUED):
        found.append("cancel")
    if record.state is State.UNCONFIRMED or (record.state in ENDS and record.campaign_id is None):
        found.append("redial")
    return [act for act in found if can(operator, ACTS[act])]


async def _around(request: Request, record: CallRecord) -> tuple[CallContext, dict[str, list[TimelineMoment]]]:
    parts = app_context(request)
    extids = [one["extid"] for one in record.attempts if one["submitted_at"]][-call_view.ASKED :]
    return await asyncio.gather(
        parts.queue.store.call(call_context_async, record.extid, record.account, record.campaign_id or ""),
        ask_sandbox(parts.settings, extids),
    )


def _mark(record: CallRecord, moments: list[TimelineMoment], around: CallContext) -> str:
    """What the course shown depends on: while it is the same nothing is put into the page anew."""
    workers = [around.worker(one["worker"]) for one in record.attempts]
    content = repr((record.timeline, len(record.attempts), moments, workers, [a["answer"] for a in record.attempts]))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


async def _course(request: Request, operator: Operator, record: CallRecord) -> dict[str, Any]:
    around, told_by_sandbox = await _around(request, record)
    clocks = TimeFormatter(translator_of(request), monitor_context(request).zone)
    full = call_rows.in_full(operator)
    moments = call_view.moments_of(record, told_by_sandbox)
    last_result = record.attempts[-1]["result"]
    first_failed = failed_first(told_by_sandbox.get(record.attempts[-1]["extid"]) or [], last_result, record.request)
    return {
        "record": record,
        "row": call_rows.row_of(record, full=full),
        "why": explain(record, around, clocks.words, first_failed=first_failed),
        "changes": call_view.changes_of(record, around, clocks),
        "attempts": call_view.attempts_of(record, around, clocks, full=full),
        "phones": call_view.phones_of(moments, clocks, full=full),
        "picture": call_view.picture_of(record, moments, around, clocks),
        "by_sandbox": bool(told_by_sandbox),
        "mark": _mark(record, moments, around),
        "over": record.state in ENDS,
        "clocks": clocks,
        "shown": call_rows,
        "full": full,
    }


async def _events(request: Request, record: CallRecord) -> list[dict[str, str]]:
    moments = [int((unix(change["at"]) or 0) * 1000) for change in record.timeline]
    found = await app_context(request).queue.store.call(call_events_async, record.id, moments)
    return [{name: str(event.get(name) or "")[:100] for name in ("type", "time", "id")} for event in found]


@router.get("/calls/{name}")
async def one(request: Request, operator: Signed, name: str) -> Response:
    record = await app_context(request).queue.get(name)
    course, events = await asyncio.gather(_course(request, operator, record), _events(request, record))
    said = request.query_params.get("said", "")
    return page(
        request,
        "call.html",
        operator,
        **course,
        events=events,
        acts=acts_of(record, operator),
        said=said if said in SAID else "",
        asked_of_it=call_view.asked_of(record, translator_of(request), full=call_rows.in_full(operator)),
    )


@router.get("/calls/{name}/live")
async def live(request: Request, operator: Signed, name: str) -> Response:
    """The sentence at the top always; the course only where it is another one, so that what was opened stays open. Where the
    state is another one the buttons are too: the page is asked for anew."""
    record = await app_context(request).queue.get(name)
    course = await _course(request, operator, record)
    headers = {}
    if request.query_params.get("state") not in (None, record.state.value):
        headers["HX-Redirect"] = f"/calls/{record.id}"
    elif request.query_params.get("was") == course["mark"]:
        headers["HX-Reswap"] = "none"
    return page(request, "call_live.html", operator, headers=headers, **course)


async def _ask(request: Request, operator: Operator, record: CallRecord, act: str) -> Response:
    words = translator_of(request)
    around = await app_context(request).queue.store.call(
        call_context_async, record.extid, record.account, record.campaign_id or ""
    )
    return page(
        request,
        "call_ask.html",
        operator,
        record=record,
        row=call_rows.row_of(record, full=call_rows.in_full(operator)),
        act=act,
        why=explain(record, around, words),
        unsure=record.state in (State.UNCONFIRMED, State.TIMED_OUT),
    )


@router.get("/calls/{name}/{act}")
async def ask(request: Request, operator: Signed, name: str, act: str) -> Response:
    """Asks back and tells the consequence."""
    record = await app_context(request).queue.get(name)
    if act not in ACTS:
        return go(f"/calls/{record.id}")
    if not can(operator, ACTS[act]):
        raise Forbidden("refused.role")
    if act not in acts_of(record, operator):
        return go(f"/calls/{record.id}?said=late")
    return await _ask(request, operator, record, act)


@router.post("/calls/{name}/{act}")
async def do(request: Request, operator: Signed, name: str, act: str) -> Response:
    form = await form_of(request, operator, ACTS.get(act, "cancel_calls"))
    queue = app_context(request).queue
    record = await queue.get(name)
    if act not in ACTS:
        return go(f"/calls/{record.id}")
    try:
        if act == "cancel":
            await queue.cancel(record.id)
            audit(operator, "cancel_calls", call_id=record.id, extid=record.extid)
            return go(f"/calls/{record.id}?said=cancel")
        seen = text_of(form, "attempt")
        attempt = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 4 else record.attempt
        placed = await queue.redial(record.id, actor=call_rows.author(operator), attempt=min(attempt, record.attempt))
    except (NotCancelable, NotRedialable):
        return go(f"/calls/{record.id}?said=late")
    audit(operator, "redial_calls", call_id=record.id, placed=placed.id, created=placed.created)
    return go(f"/calls/{placed.id}?said={'redial' if placed.created else 'again'}")
