"""The do-not-call list: search, add, remove, and page through it."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import PhoneError, any_phone

from ..calls.awaitable import AsyncDoNotCall
from ..errors import NotFound
from ..store import key_records
from ..web.context import app_context
from .auth import Signed, audit, form_of, text_of
from .context import monitor_context
from .rendering import PeopleRoute, page

PAGE_SIZE = 100
MAX_REASON = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _dnc(request: Request) -> AsyncDoNotCall:
    return app_context(request).queue.dnc


def _cursor(request: Request) -> str | None:
    cursor = request.query_params.get("cursor", "")
    # A Redis cursor has 64 bits.
    return cursor if cursor.isascii() and cursor.isdigit() and len(cursor) <= 20 and int(cursor) < 2**64 else None


async def _screen(request: Request, operator: Signed, *, status: int = 200, **more: Any) -> Response:
    dnc = _dnc(request)
    cursor = _cursor(request)
    count, listing, erased, owners = await asyncio.gather(
        dnc.count(), dnc.page(cursor, PAGE_SIZE), dnc.erased(), _owners(request)
    )
    context: dict[str, Any] = {
        "searched": "",
        "matches": None,
        "invalid": None,
        "added": None,
        "removed": None,
        "typed": "",
        "reason": "",
        "no_file": request.query_params.get("no_file") == "1",
    }
    return page(
        request,
        "do_not_call.html",
        operator,
        status=status,
        count=count,
        entries=listing.entries,
        cursor=listing.cursor,
        erased=erased,
        owners=owners,
        **context | more,
    )


async def _owners(request: Request) -> list[str]:
    """Names of the keys marked own: each has a list of its own."""
    keys = monitor_context(request).sessions.keys.of_settings
    rows = await app_context(request).queue.store.run_steps(key_records.listings, keys, int(time.time() * 1000))
    return sorted({row.name for row in rows if row.own})


@router.get("/do-not-call/keys/{owner}")
async def list_numbers_of_key(request: Request, operator: Signed, owner: str) -> Response:
    """The own list of a key marked own, to look at: the key alone changes it."""
    if owner not in await _owners(request):
        raise NotFound(f"no key {owner[:40]}")
    dnc = _dnc(request)
    count, listing = await asyncio.gather(dnc.count(owner=owner), dnc.page(_cursor(request), PAGE_SIZE, owner=owner))
    rows = {"count": count, "entries": listing.entries, "cursor": listing.cursor}
    return page(request, "do_not_call_of_key.html", operator, owner=owner, **rows)


@router.get("/do-not-call")
async def list_numbers(request: Request, operator: Signed) -> Response:
    searched = request.query_params.get("number", "").strip()[:64]
    if not searched:
        return await _screen(request, operator)
    # A typed "+" arrives as a space and is trimmed; the digits alone are the same number.
    try:
        number = any_phone(searched, app_context(request).settings.allowed_prefixes)
    except PhoneError as exc:
        return await _screen(request, operator, status=422, searched=searched, invalid=exc)
    matches = await _dnc(request).find(number)
    return await _screen(request, operator, searched=number, matches=matches)


@router.post("/do-not-call")
async def add(request: Request, operator: Signed) -> Response:
    """Adds the typed numbers, one a line. Bad lines stay in the form; the others are added."""
    form = await form_of(request, operator, "dnc.add")
    typed, reason = text_of(form, "numbers"), text_of(form, "reason")[:MAX_REASON]
    lines = typed.splitlines()
    added = await _dnc(request).add_lines(lines, reason=reason, actor=operator.actor)
    await audit(request, operator, "dnc.add", added=added.added, known=added.known, bad=added.bad)
    left = "\n".join(lines[at - 1] for at in (problem.number for problem in added.problems) if at <= len(lines))
    return await _screen(
        request, operator, status=422 if added.bad else 200, added=added, typed=left, reason=reason if added.bad else ""
    )


@router.post("/do-not-call/remove")
async def remove(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "dnc.remove")
    try:
        number = any_phone(text_of(form, "number"), app_context(request).settings.allowed_prefixes)
    except PhoneError as exc:
        return await _screen(request, operator, status=422, invalid=exc)
    if text_of(form, "sure") != "yes":
        matches = await _dnc(request).find(number)
        return page(request, "do_not_call_remove.html", operator, number=number, matches=matches)
    removed = await _dnc(request).remove([number])
    await audit(request, operator, "dnc.remove", removed=removed, number_end=number[-2:])
    return await _screen(request, operator, removed=number if removed else None)
