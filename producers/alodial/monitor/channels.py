"""Channels that calls without a result hold, with the button that frees them and what that means."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.held_channels import accounts_with_channels, held_of, release_held
from ..calls.threads import WORK
from ..store.channels import HeldChannel
from ..web.context import app_context
from .auth import Signed, audit, can, form_of, key_given, remember_key
from .rendering import PeopleRoute, page
from .session import Operator

MAX_SHOWN: Final = 100

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def _held(request: Request) -> list[HeldChannel]:
    store = app_context(request).queue.thread_store
    return await WORK.run(lambda: list(held_of(store, accounts_with_channels(store))))


async def _screen(
    request: Request, operator: Operator, released: int | None = None, *, wrong: bool = False
) -> Response:
    held = await _held(request)
    return page(
        request,
        "channels.html",
        operator,
        status=403 if wrong else 200,
        held=held[:MAX_SHOWN],
        count=len(held),
        released=released,
        may_act=can(operator, "release_channels"),
        ask_key=operator.must_give_key(),
        wrong=wrong,
    )


@router.get("/channels")
async def list_channels(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


@router.post("/channels/release")
async def release_channels(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "release_channels")
    if not key_given(request, operator, form):
        return await _screen(request, operator, wrong=True)
    queue = app_context(request).queue
    released = await WORK.run(release_held, queue.thread_store, queue.waker, await _held(request))
    await audit(request, operator, "release_channels", channels=len(released))
    await remember_key(request, operator)
    return await _screen(request, operator, len(released))
