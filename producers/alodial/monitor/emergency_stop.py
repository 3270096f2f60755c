"""The page of the emergency stop: set with a reason, and lifted. What it holds back: ``store/lua/claim.lua``, ``arm.lua``."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.threads import WAKEUPS
from ..store.holds import read_stop_async
from ..store.records import iso
from ..web.context import app_context
from .auth import Signed, audit, can, form_of, key_given, remember_key, text_of
from .rendering import PeopleRoute, page
from .session import Operator

MAX_REASON = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def _screen(request: Request, operator: Operator, done: str = "", *, wrong: bool = False) -> Response:
    state = await app_context(request).queue.store.call(read_stop_async)
    at = iso(state.at) if state is not None else None
    return page(
        request,
        "emergency_stop.html",
        operator,
        status=403 if wrong else 200,
        stop=state,
        at=at,
        done=done,
        may_act=can(operator, "stop"),
        ask_key=operator.must_give_key(),
        wrong=wrong,
    )


@router.get("/stop")
async def show_stop(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


@router.post("/stop")
async def stop(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "stop")
    if not key_given(request, operator, form):
        return await _screen(request, operator, wrong=True)
    reason = "".join(c if c.isprintable() else " " for c in text_of(form, "reason"))[:MAX_REASON] or "operator"
    changed = await app_context(request).queue.stop(reason, actor=operator.actor)
    await audit(request, operator, "stop", reason=reason, pulled=changed)
    await remember_key(request, operator)
    return await _screen(request, operator, "pulled" if changed else "already")


@router.post("/stop/resume")
async def resume(request: Request, operator: Signed) -> Response:
    await form_of(request, operator, "resume")
    queue = app_context(request).queue
    await queue.resume()
    await WAKEUPS.run(queue.waker.collect)
    await audit(request, operator, "resume")
    return await _screen(request, operator, "resumed")
