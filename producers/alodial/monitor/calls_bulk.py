"""Cancels or rings again all that is filtered: asks with the count and the consequence, acts in chunks, tells what was done."""

import asyncio
from dataclasses import replace
from typing import Final, Literal, cast
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import mask_numbers

from ..calls.bulk_actions import BulkResult, cancel_all, redial_all
from ..calls.queue import CallQueue
from ..store.call_listing import MAX_CALLS
from ..web.context import app_context
from . import call_rows
from .auth import Forbidden, Signed, audit, can, form_of, text_of
from .call_filter_form import FIELDS, CallQuery, cancelable, redialable
from .calls import asked_of, count_of
from .context import monitor_context
from .rendering import PeopleRoute, go, page
from .session import Operator

Act = Literal["cancel", "redial"]

ACTS: Final[dict[Act, str]] = {"cancel": "cancel_calls", "redial": "redial_calls"}
LEFT_OUT: Final = ("late", "already", "over", "campaign", "under_way", "unknown")

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _possible(asked: CallQuery, act: Act) -> bool:
    return bool(cancelable(asked)) if act == "cancel" else redialable(asked)


async def _ask(request: Request, operator: Operator, act: Act) -> Response:
    if not can(operator, ACTS[act]):
        raise Forbidden("refused.role")
    asked = asked_of(request)
    if not _possible(asked, act):
        return go(asked.address())
    count = await count_of(app_context(request).queue, asked, act, MAX_CALLS)
    return page(
        request,
        "calls_ask.html",
        operator,
        act=act,
        asked=asked,
        count=count,
        limit=MAX_CALLS,
        now=min(count.number, MAX_CALLS),
    )


def _canceled(queue: CallQueue, asked: CallQuery) -> BulkResult:
    done = BulkResult()
    for state in cancelable(asked):
        one = cancel_all(queue.store, replace(asked.wanted, state=state), limit=max(1, MAX_CALLS - done.done))
        done.done += one.done
        done.more = done.more or one.more
        for code, count in one.left_out.items():
            done.leave_out(code, count)
        if done.done >= MAX_CALLS:
            break
    return done


async def _do(request: Request, operator: Operator, act: Act) -> Response:
    form = await form_of(request, operator, ACTS[act])
    asked = asked_of(request, {name: text_of(form, name) for name in FIELDS})
    if not _possible(asked, act):
        return go(asked.address())
    settings = app_context(request).settings

    def work() -> BulkResult:
        with CallQueue(settings=settings) as queue:
            return (
                _canceled(queue, asked)
                if act == "cancel"
                else redial_all(queue.store, queue.waker, asked.wanted, call_rows.author(operator))
            )

    done = await asyncio.to_thread(work)
    audit(operator, ACTS[act], filter=mask_numbers(asked.query()), done=done.done, more=done.more, **done.left_out)
    figures = {"act": act, "done": str(done.done), "more": str(int(done.more))}
    figures |= {code: str(count) for code, count in done.left_out.items() if count}
    query = urlencode(figures | {f"f_{name}": value for name, value in asked.given.items()})
    # Told on a page of its own, so that loading it again does nothing; signed, so that nobody is told what was not done.
    return go(f"/calls/done?{query}&{urlencode({'sign': _sign(request, operator, query)})}")


def _sign(request: Request, operator: Operator, query: str) -> str:
    return monitor_context(request).sessions.token(f"{operator.nonce} {query}")


@router.get("/calls/cancel")
async def ask_cancel(request: Request, operator: Signed) -> Response:
    return await _ask(request, operator, "cancel")


@router.post("/calls/cancel")
async def do_cancel(request: Request, operator: Signed) -> Response:
    return await _do(request, operator, "cancel")


@router.get("/calls/redial")
async def ask_redial(request: Request, operator: Signed) -> Response:
    return await _ask(request, operator, "redial")


@router.post("/calls/redial")
async def do_redial(request: Request, operator: Signed) -> Response:
    return await _do(request, operator, "redial")


@router.get("/calls/done")
async def done(request: Request, operator: Signed) -> Response:
    query, _, sign = request.url.query.rpartition("&sign=")
    given = request.query_params
    if given.get("act") not in ACTS or not monitor_context(request).sessions.is_token(
        f"{operator.nonce} {query}", sign
    ):
        return go("/calls")
    asked = asked_of(request, {name: given.get(f"f_{name}", "") for name in FIELDS})
    left_out = [(code, int(given[code])) for code in LEFT_OUT if given.get(code, "").isdigit()]
    return page(
        request,
        "calls_done.html",
        operator,
        act=cast(Act, given["act"]),
        asked=asked,
        done=int(given.get("done", "0")),
        more=given.get("more") == "1",
        left_out=left_out,
    )
