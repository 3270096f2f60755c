"""Cancels or redials all calls of a filter: a page asks with the count and the consequence, another says what was done."""

from dataclasses import replace
from typing import Final, Literal, cast
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import mask_numbers

from ..calls.bulk_actions import BulkResult, redial_all
from ..calls.queue import AsyncCallQueue
from ..calls.threads import WORK
from ..store.call_indexes import BadCursor
from ..store.call_listing import MAX_CALLS
from ..web.context import app_context
from . import call_rows
from .auth import Forbidden, Signed, audit, caller_of, can, form_of, key_given, remember_key, text_of
from .call_filter_form import FIELDS, CallQuery, cancelable, redialable
from .calls import count_of, query_of
from .rendering import PeopleRoute, go, page
from .session import Operator, form_token, is_form_token

Act = Literal["cancel", "redial"]

ACTS: Final[dict[Act, str]] = {"cancel": "cancel_calls", "redial": "redial_calls"}
LEFT_OUT: Final = (
    "late",
    "already",
    "over",
    "campaign",
    "under_way",
    "masked",
    "unknown",
    "limit_reached",
    "store_full",
)
MAX_CURSOR: Final = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _possible(query: CallQuery, act: Act) -> bool:
    return bool(cancelable(query)) if act == "cancel" else redialable(query)


async def _cancel(queue: AsyncCallQueue, query: CallQuery) -> BulkResult:
    total = BulkResult()
    for state in cancelable(query):
        result = await queue.cancel_all(replace(query.filter, state=state), limit=max(1, MAX_CALLS - total.done))
        total.done += result.done
        total.more = total.more or result.more
        for code, count in result.left_out.items():
            total.leave_out(code, count)
        if total.done >= MAX_CALLS:
            break
    return total


def _sign(operator: Operator, query: str) -> str:
    return form_token(operator.nonce, query)


@router.get("/calls/done")
async def show_result(request: Request, operator: Signed) -> Response:
    """What a bulk act did. The address is signed, so that nobody is shown a result that was never reached."""
    query_string, _, sign = request.url.query.rpartition("&sign=")
    values = request.query_params
    genuine = is_form_token(operator.nonce, sign, query_string)
    if values.get("act") not in ACTS or not genuine:
        return go("/calls")
    return page(
        request,
        "calls_done.html",
        operator,
        act=cast(Act, values["act"]),
        query=query_of(request, {name: values.get(f"f_{name}", "") for name in FIELDS}),
        done=int(values.get("done", "0")),
        more=values.get("more") == "1",
        incomplete=values.get("incomplete") == "1",
        cursor=values.get("cursor", ""),
        left_out=[(code, int(values[code])) for code in LEFT_OUT if values.get(code, "").isdigit()],
    )


async def _confirm(
    request: Request,
    operator: Operator,
    act: Act,
    *,
    fields: dict[str, str] | None = None,
    cursor: str = "",
    wrong: bool = False,
) -> Response:
    """Asks for a confirmation, with the number of calls; for a redial with the key, unless it was given within the hour."""
    if not can(operator, ACTS[act]):
        raise Forbidden("refused.role")
    query = query_of(request, fields)
    if "calls" in query.invalid:
        return go("/calls?selected=1")
    if not _possible(query, act):
        return go(query.address())
    count = await count_of(app_context(request).queue, query, act, MAX_CALLS)
    now = min(count.number, MAX_CALLS)
    return page(
        request,
        "calls_confirm.html",
        operator,
        status=403 if wrong else 200,
        act=act,
        query=query,
        count=count,
        limit=MAX_CALLS,
        now=now,
        cursor=cursor,
        ask_key=act == "redial" and operator.must_give_key(),
        wrong=wrong,
    )


async def _do(request: Request, operator: Operator, act: Act) -> Response:
    """Acts on up to ``MAX_CALLS`` calls, and leads to a page that says what was done: loading that again does nothing."""
    form = await form_of(request, operator, ACTS[act])
    fields = {name: text_of(form, name) for name in (*FIELDS, "selected") if name in form}
    query = query_of(request, fields)
    if not _possible(query, act):
        return go(query.address())
    cursor = text_of(form, "cursor")[:MAX_CURSOR]
    if act == "redial" and not key_given(request, operator, form):
        return await _confirm(request, operator, act, fields=fields, cursor=cursor, wrong=True)
    queue = app_context(request).queue
    if act == "cancel":
        result = await _cancel(queue, query)
    else:
        try:
            actor = call_rows.author(operator)
            rest = (queue.archive, MAX_CALLS, cursor or None, caller_of(operator).quota)
            result = await WORK.run(redial_all, queue.thread_store, queue.waker, query.filter, actor, *rest)
        except BadCursor:
            return go(query.address())
    filter_text = mask_numbers(query.query_string())
    await audit(request, operator, ACTS[act], filter=filter_text, done=result.done, more=result.more, **result.left_out)
    if act == "redial":
        await remember_key(request, operator)
    values = {"act": act, "done": str(result.done), "more": str(int(result.more))}
    values |= {"incomplete": "1"} if result.incomplete else {}
    values |= {"cursor": result.cursor} if result.cursor else {}
    values |= {code: str(count) for code, count in result.left_out.items() if count}
    query_string = urlencode(values | {f"f_{name}": value for name, value in query.fields.items()})
    return go(f"/calls/done?{query_string}&{urlencode({'sign': _sign(operator, query_string)})}")


@router.get("/calls/cancel")
async def confirm_cancel(request: Request, operator: Signed) -> Response:
    return await _confirm(request, operator, "cancel")


@router.post("/calls/cancel")
async def cancel(request: Request, operator: Signed) -> Response:
    return await _do(request, operator, "cancel")


@router.get("/calls/redial")
async def confirm_redial(request: Request, operator: Signed) -> Response:
    """Asks; with the ``cursor`` of a redial before for what that left."""
    return await _confirm(request, operator, "redial", cursor=request.query_params.get("cursor", "")[:MAX_CURSOR])


@router.post("/calls/redial")
async def redial(request: Request, operator: Signed) -> Response:
    return await _do(request, operator, "redial")
