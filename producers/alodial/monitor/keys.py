"""The page of API keys: all of them without their secrets; made, rotated and revoked. A secret is shown once."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..api_keys import ROLES
from ..errors import AlodialError, InvalidKey, KeyConflict, NoKey
from ..i18n import DEFAULT, ErrorText, translated
from ..key_limits import limits_from_text
from ..store import key_records
from ..web.context import app_context
from .auth import Forbidden, Signed, audit, can, form_of, key_given, remember_key, text_of
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, go, page
from .session import Operator
from .sorting import sorted_rows

LIMITS = ("daily_calls", "recipient_cap")
"""Limits that the form asks for; `alodial keys create` has them all."""
DAYS_MS = 86_400_000

COLUMNS: Mapping[str, Callable[[key_records.KeyListing], Any]] = {
    "name": lambda row: row.name,
    "state": lambda row: row.state,
    "expires": lambda row: row.expires_at,
    "used": lambda row: row.last_used_at,
}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _now() -> int:
    return int(time.time() * 1000)


def _problem_of(request: Request, error: AlodialError) -> ErrorText:
    """What is wrong in the reader's language, and what to do."""
    t = translator_of(request)
    if isinstance(error, InvalidKey) and t.language != DEFAULT:
        problem = error.problems[0]
        known = t.problem(problem.code, problem.problem, problem.remedy)
        if known.language == t.language:
            return known
        texts = translated(problem.problem, t.language), translated(problem.remedy, t.language)
        return ErrorText(*texts, DEFAULT if texts == (problem.problem, problem.remedy) else t.language)
    said = translated(str(error), t.language)
    return ErrorText(said, "", DEFAULT if said == str(error) else t.language)


async def _screen(
    request: Request,
    operator: Operator,
    *,
    status: int = 200,
    secret: str = "",
    name: str = "",
    error: AlodialError | None = None,
    wrong: bool = False,
) -> Response:
    if not can(operator, "keys"):
        raise Forbidden("refused.role")
    ring = monitor_context(request).sessions.keys
    await ring.note_used()
    store = app_context(request).queue.store
    rows = await store.run_steps(key_records.listings, ring.of_settings, _now())
    rows, sorting = sorted_rows(request, rows, COLUMNS)
    roles = [role for role in ROLES if role in operator.api_key.roles]
    return page(
        request,
        "keys.html",
        operator,
        status=status,
        rows=rows,
        sorting=sorting,
        roles=roles,
        limits=LIMITS,
        secret=secret,
        name=name,
        problem=_problem_of(request, error) if error else None,
        ask_key=operator.must_give_key(),
        wrong=wrong,
    )


@router.get("/keys")
async def show_keys(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


@router.post("/keys")
async def create_key(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "keys.create")
    if not key_given(request, operator, form):
        return await _screen(request, operator, status=403, wrong=True)
    await remember_key(request, operator)
    context, now = app_context(request), _now()
    own, days = text_of(form, "own") == "on", text_of(form, "days")
    roles = [role for role in operator.api_key.roles if text_of(form, f"role_{role}") == "on"]
    try:
        if days and not (days.isascii() and days.isdigit() and 0 < int(days[:6]) < 10_000):
            raise InvalidKey("expires_at", "is no number of days", "write for example 90", "key_days")
        monitor_context(request).sessions.keys.check_name(text_of(form, "name"))
        record, secret = key_records.new_record(
            text_of(form, "name"),
            roles,
            own=own,
            limits={limit: text for limit in LIMITS if (text := text_of(form, limit))},
            base=limits_from_text(context.settings.own_key_limits if own else ""),
            expires=now + int(days) * DAYS_MS if days else None,
            actor=operator.actor,
            now=now,
        )
        await context.queue.store.run_steps(key_records.create, record)
    except (InvalidKey, KeyConflict) as exc:
        return await _screen(request, operator, status=422, error=exc)
    await audit(request, operator, "keys.create", key=record.name, roles="+".join(record.roles), own=own)
    return await _screen(request, operator, secret=secret, name=record.name)


@router.post("/keys/{name}/rotate")
async def rotate_key(request: Request, operator: Signed, name: str) -> Response:
    form = await form_of(request, operator, "keys.rotate")
    if not key_given(request, operator, form):
        return await _screen(request, operator, status=403, wrong=True)
    await remember_key(request, operator)
    store = app_context(request).queue.store
    try:
        record = await store.run_steps(key_records.read, name)
        if not set(record.roles) <= operator.api_key.roles:
            raise Forbidden("refused.role")
        record, secret = await store.run_steps(key_records.rotate, name, grace_ms=0, expires=None, now=_now())
    except (InvalidKey, NoKey) as exc:
        return await _screen(request, operator, status=422, error=exc)
    await audit(request, operator, "keys.rotate", key=name)
    return await _screen(request, operator, secret=secret, name=name)


@router.post("/keys/{name}/revoke")
async def revoke_key(request: Request, operator: Signed, name: str) -> Response:
    await form_of(request, operator, "keys.revoke")
    try:
        await app_context(request).queue.store.run_steps(key_records.revoke, name, now=_now())
    except NoKey as exc:
        return await _screen(request, operator, status=422, error=exc)
    await monitor_context(request).sessions.keys.refresh()
    await audit(request, operator, "keys.revoke", key=name)
    return go("/keys")
