"""The page of one call: why it did or did not ring, its timeline, attempts, answers and results, and its buttons."""

import asyncio
import hashlib
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import ENDS, State

from ..calls.call_events import events_of
from ..calls.explain import explain
from ..calls.threads import ARCHIVE
from ..errors import NotCancelable, NotRedialable
from ..store.call_context import CallContext, call_context_async
from ..store.records import CallRecord
from ..web.context import app_context
from . import call_rows, call_view, recordings
from .auth import Forbidden, Signed, audit, caller_of, can, form_of, text_of
from .context import translator_of
from .rendering import PeopleRoute, go, page
from .session import Operator

DONE: Final = ("cancel", "redial", "again", "late")
ACTS: Final = {"cancel": "cancel_calls", "redial": "redial_calls"}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def acts_of(record: CallRecord, operator: Operator) -> list[str]:
    """The acts that the call's state and the operator's key permit."""
    acts = []
    if record.state in (State.SCHEDULED, State.QUEUED):
        acts.append("cancel")
    if record.state is State.UNCONFIRMED or (record.state in ENDS and record.campaign_id is None):
        acts.append("redial")
    return [act for act in acts if can(operator, ACTS[act])]


async def _context_of(request: Request, record: CallRecord) -> CallContext:
    store = app_context(request).queue.store
    return await store.call(call_context_async, record.wire_extid, record.account, record.campaign_id or "")


def _mark(record: CallRecord, context: CallContext) -> str:
    """A digest of all that the timeline depends on: the page is not updated while it is the same."""
    workers = [context.worker(attempt["worker"]) for attempt in record.attempts]
    content = repr((record.timeline, record.attempts, workers))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


async def _timeline(request: Request, operator: Operator, record: CallRecord) -> dict[str, Any]:
    context = await _context_of(request, record)
    t = translator_of(request)
    full = call_rows.in_full(operator)
    moments = call_view.moments_of(record)
    attempts = reversed(record.attempts)
    return {
        "record": record,
        "row": call_rows.row_of(record, full=full),
        "explanation": explain(record, context, t),
        "changes": call_view.changes_of(record, context, t),
        "attempts": [call_view.attempt_view(attempt, record, context, t, full=full) for attempt in attempts],
        "phones": call_view.phone_rows(moments, t, full=full),
        "picture": call_view.timeline_of(record, moments, context, t),
        "mark": _mark(record, context),
        "over": record.state in ENDS,
        "plays": _plays(request, operator, record),
        "mask": call_rows,
        "full": full,
    }


def _plays(request: Request, operator: Operator, record: CallRecord) -> set[int]:
    """The attempts whose recording plays in the page."""
    if not can(operator, recordings.ACT):
        return set()
    own = app_context(request).settings.provider_url
    results = {attempt["attempt"]: attempt["result"] or {} for attempt in record.attempts}
    return {number for number, result in results.items() if recordings.source_of(result.get("record"), own)}


async def _events(request: Request, record: CallRecord) -> tuple[list[dict[str, str]], bool]:
    """The events of the call, and whether archived ones may be missing."""
    queue = app_context(request).queue
    read = await ARCHIVE.run(events_of, queue.thread_store, queue.archive, record)
    names = ("type", "time", "id")
    return [{name: str(event.get(name) or "")[:100] for name in names} for event in read.events], read.incomplete


@router.get("/calls/{name}")
async def show_call(request: Request, operator: Signed, name: str) -> Response:
    record = await app_context(request).queue.get(name)
    timeline, (events, incomplete) = await asyncio.gather(
        _timeline(request, operator, record), _events(request, record)
    )
    done = request.query_params.get("done", "")
    return page(
        request,
        "call.html",
        operator,
        **timeline,
        events=events,
        incomplete=incomplete,
        acts=acts_of(record, operator),
        done=done if done in DONE else "",
        terms=call_view.request_terms(record, translator_of(request), full=call_rows.in_full(operator)),
        base=(app_context(request).settings.public_url or str(request.base_url)).rstrip("/"),
    )


@router.get("/calls/{name}/live")
async def update_call(request: Request, operator: Signed, name: str) -> Response:
    """Updates an open page. The sentence at the top is always sent.

    The timeline is swapped only where it changed, so that opened details stay open; in another state the page is loaded
    again, because its buttons are others.
    """
    record = await app_context(request).queue.get(name)
    timeline = await _timeline(request, operator, record)
    headers = {}
    if request.query_params.get("state") not in (None, record.state.value):
        headers["HX-Redirect"] = f"/calls/{record.id}"
    elif request.query_params.get("was") == timeline["mark"]:
        headers["HX-Reswap"] = "none"
    return page(request, "call_live.html", operator, headers=headers, **timeline)


@router.get("/calls/{name}/{act}")
async def confirm_act(request: Request, operator: Signed, name: str, act: str) -> Response:
    """Asks for a confirmation and names the consequence."""
    record = await app_context(request).queue.get(name)
    if act not in ACTS:
        return go(f"/calls/{record.id}")
    if not can(operator, ACTS[act]):
        raise Forbidden("refused.role")
    if act not in acts_of(record, operator):
        return go(f"/calls/{record.id}?done=late")
    return page(
        request,
        "call_confirm.html",
        operator,
        record=record,
        row=call_rows.row_of(record, full=call_rows.in_full(operator)),
        act=act,
        explanation=explain(record, await _context_of(request, record), translator_of(request)),
        unsure=record.state in (State.UNCONFIRMED, State.TIMED_OUT),
    )


@router.post("/calls/{name}/{act}")
async def do_act(request: Request, operator: Signed, name: str, act: str) -> Response:
    """Cancels or redials. Of several presses of Redial on the same page only the first places a call."""
    form = await form_of(request, operator, ACTS.get(act, "cancel_calls"))
    queue = app_context(request).queue
    record = await queue.get(name)
    if act not in ACTS:
        return go(f"/calls/{record.id}")
    try:
        if act == "cancel":
            await queue.cancel(record.id, reason="canceled_by_operator")
            await audit(request, operator, "cancel_calls", call_id=record.id, extid=record.extid)
            return go(f"/calls/{record.id}?done=cancel")
        text = text_of(form, "attempt")
        attempt = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else record.attempt
        by, attempt = call_rows.author(operator), min(attempt, record.attempt)
        placed = await queue.redial(record.id, actor=by, attempt=attempt, viewer=caller_of(operator))
    except (NotCancelable, NotRedialable):
        return go(f"/calls/{record.id}?done=late")
    await audit(request, operator, "redial_calls", call_id=record.id, placed=placed.id, created=placed.created)
    return go(f"/calls/{placed.id}?done={'redial' if placed.created else 'again'}")
