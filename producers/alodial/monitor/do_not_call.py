"""The do-not-call list: is a number on it and why, add, remove, look through."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import PhoneError, normalise_phone

from ..do_not_call import DoNotCallImport
from ..web.context import app_context
from .auth import Signed, audit, form_of, text_of
from .rendering import PeopleRoute, page

LISTED = 100
MAX_REASON = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _dnc(request: Request) -> Any:
    return app_context(request).queue.dnc.blocking


def _cursor(request: Request) -> str | None:
    given = request.query_params.get("cursor", "")
    # Redis' own cursors have 64 bits.
    return given if given.isascii() and given.isdigit() and len(given) <= 20 and int(given) < 2**64 else None


async def _screen(request: Request, operator: Signed, *, status: int = 200, **more: Any) -> Response:
    dnc = _dnc(request)
    cursor = _cursor(request)
    count, shown = await asyncio.gather(
        asyncio.to_thread(dnc.count), asyncio.to_thread(lambda: dnc.page(cursor, LISTED))
    )
    context: dict[str, Any] = {
        "searched": "",
        "found": None,
        "wrong": None,
        "added": None,
        "removed": None,
        "typed": "",
        "reason": "",
    }
    return page(
        request,
        "dnc.html",
        operator,
        status=status,
        count=count,
        entries=shown.entries,
        cursor=shown.cursor,
        **context | more,
    )


@router.get("/do-not-call")
async def listed(request: Request, operator: Signed) -> Response:
    searched = request.query_params.get("number", "").strip()[:64]
    if not searched:
        return await _screen(request, operator)
    # A "+" in an address that somebody typed arrives as a space, and is trimmed.
    try:
        number = normalise_phone(searched, allowed=())
    except PhoneError as exc:
        return await _screen(request, operator, status=422, searched=searched, wrong=exc)
    found = await asyncio.to_thread(_dnc(request).find, number)
    return await _screen(request, operator, searched=number, found=found)


@router.post("/do-not-call")
async def add(request: Request, operator: Signed) -> Response:
    """Adds the numbers that were typed, one a line; good ones count whatever bad ones are."""
    form = await form_of(request, operator, "dnc.add")
    typed, reason = text_of(form, "numbers"), text_of(form, "reason")[:MAX_REASON]
    lines = typed.splitlines()
    done: DoNotCallImport = await asyncio.to_thread(
        lambda: _dnc(request).add_lines(lines, reason=reason, actor=operator.actor)
    )
    audit(operator, "dnc.add", added=done.added, known=done.known, bad=done.bad)
    left = "\n".join(lines[number - 1] for number, _ in done.problems if number <= len(lines))
    return await _screen(
        request, operator, status=422 if done.bad else 200, added=done, typed=left, reason=reason if done.bad else ""
    )


@router.post("/do-not-call/remove")
async def remove(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "dnc.remove")
    try:
        number = normalise_phone(text_of(form, "number"), allowed=())
    except PhoneError as exc:
        return await _screen(request, operator, status=422, wrong=exc)
    if text_of(form, "sure") != "yes":
        found = await asyncio.to_thread(_dnc(request).find, number)
        return page(request, "dnc_remove.html", operator, number=number, found=found)
    gone = await asyncio.to_thread(lambda: _dnc(request).remove([number]))
    audit(operator, "dnc.remove", removed=gone, number_end=number[-2:])
    return await _screen(request, operator, removed=number if gone else None)
