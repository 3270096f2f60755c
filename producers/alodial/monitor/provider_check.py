"""The first live call, guided: looks at AloVoice's address, and places one call to the operator's own phone.

What the check does is the workers' code, which joins by an entry point as ``alodial provider check`` does; without the
workers' packages the page says which command to run elsewhere. The call is placed by a thread of this process. A
confirmation places one call at the most: it is used up in Redis before the thread starts, whatever is sent again.
"""

import asyncio
import secrets
import threading
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, cast

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import PhoneError, mask_phone, normalise_phone

from ..calls.threads import READS
from ..errors import AlodialError, StoreUnavailable
from ..settings import Settings
from ..store import provider_checks
from ..store.client import AsyncStore
from ..store.provider_checks import CheckWriter, ProviderCheck
from ..web.context import app_context
from .auth import Forbidden, Signed, audit, can, form_of, text_of
from .rendering import PeopleRoute, go, page
from .session import Operator, form_token, is_form_token

ACT: Final = "provider_check"
GROUP: Final = "alodial.provider_check"
BEAT: Final = 5.0
"""Seconds between signs that the check runs."""

log = structlog.get_logger("alodial.monitor")
router = APIRouter(include_in_schema=False, route_class=PeopleRoute)
_looking = asyncio.Semaphore(2)
_followers: set["asyncio.Task[None]"] = set()


class CheckProgram(Protocol):
    """``alodial_workers.provider_check.page``."""

    async def look_at_address(self, settings: Settings) -> list[dict[str, Any]]: ...

    def known_facts(self, cassette: str) -> list[dict[str, Any]]: ...

    def ring(self, settings: Settings, phone: str, account: str, writer: CheckWriter) -> None: ...


@cache
def _program() -> CheckProgram | None:
    """The workers' part of the check; None where their packages are not installed."""
    for entry in entry_points(group=GROUP):
        try:
            return cast(CheckProgram, entry.load())
        except ImportError as exc:
            log.info("provider_check.not_installed", entry=entry.name, reason=str(exc))
    return None


def _require(operator: Operator) -> None:
    if not can(operator, ACT):
        raise Forbidden("refused.role")


async def _screen(request: Request, operator: Operator, *, status: int = 200, **more: Any) -> Response:
    context = app_context(request)
    program = await READS.run(_program)
    check, cassette = await asyncio.gather(
        context.queue.store.call(provider_checks.read), context.queue.store.call(provider_checks.cassette)
    )
    context_of_page: dict[str, Any] = {
        "installed": program is not None,
        "steps": None,
        "check": check,
        "facts": program.known_facts(cassette) if program is not None else [],
        "has_cassette": bool(cassette),
        "accounts": context.settings.account_names,
        "url": context.settings.provider_url,
        "typed": "",
        "invalid": False,
        "busy": request.query_params.get("busy") == "1",
    }
    return page(request, "provider_check.html", operator, status=status, **context_of_page | more)


@router.get("/provider-check")
async def show_check(request: Request, operator: Signed) -> Response:
    _require(operator)
    return await _screen(request, operator)


@router.post("/provider-check/address")
async def look_at_address(request: Request, operator: Signed) -> Response:
    """The steps without ringing, shown at once."""
    await form_of(request, operator, ACT)
    program = await READS.run(_program)
    if program is None:
        return go("/provider-check")
    async with _looking:
        steps = await program.look_at_address(app_context(request).settings)
    return await _screen(request, operator, steps=steps)


@router.post("/provider-check/confirm")
async def confirm(request: Request, operator: Signed) -> Response:
    """Names the phone, and asks."""
    form = await form_of(request, operator, ACT)
    settings = app_context(request).settings
    typed, account = text_of(form, "phone")[:64], text_of(form, "account") or settings.account_names[0]
    try:
        phone = normalise_phone(typed, allowed=settings.allowed_prefixes)
    except PhoneError:
        return await _screen(request, operator, status=422, typed=typed, invalid=True)
    if account not in settings.account_names:
        return go("/provider-check")
    id = secrets.token_hex(16)
    return page(
        request,
        "provider_check_confirm.html",
        operator,
        phone=phone,
        account=account,
        url=settings.provider_url,
        body=settings.provider_body,
        id=id,
        signed=_signature(operator, phone, account, id),
    )


def _signature(operator: Operator, phone: str, account: str, id: str) -> str:
    return form_token(operator.nonce, f"{ACT}\0{phone}\0{account}\0{id}")


@router.post("/provider-check/ring")
async def ring(request: Request, operator: Signed) -> Response:
    """Places the call of one confirmation. Sent again, it leads to what the first has shown."""
    form = await form_of(request, operator, ACT)
    phone, account, id = (text_of(form, name) for name in ("phone", "account", "id"))
    if not is_form_token(operator.nonce, text_of(form, "signed"), f"{ACT}\0{phone}\0{account}\0{id}"):
        raise Forbidden("refused.token")
    program = await READS.run(_program)
    if program is None:
        return go("/provider-check")
    context = app_context(request)
    begun = await context.queue.store.call(
        provider_checks.begin, id, actor=operator.actor, phone=mask_phone(phone), account=account
    )
    if begun == "busy":
        return go("/provider-check?busy=1")
    if begun == "begun":
        writer = CheckWriter(context.queue.thread_store)
        # A daemon: the end of web waits for no callback. A call that is cut short is settled as one of a dead worker.
        thread = threading.Thread(
            target=_ring, args=(program, context.settings, phone, account, writer), name="provider-check", daemon=True
        )
        thread.start()
        follower = asyncio.create_task(_follow(context.queue.store, thread))
        _followers.add(follower)
        follower.add_done_callback(_followers.discard)
        await audit(request, operator, ACT, account=account, number_end=phone[-2:])
    return go("/provider-check/run")


def _ring(program: CheckProgram, settings: Settings, phone: str, account: str, writer: CheckWriter) -> None:
    try:
        program.ring(settings, phone, account, writer)
    except Exception as exc:
        # The thread's end: what went wrong is a line of the log and a step of the page.
        log.exception("provider_check.failed", reason=str(exc))
        code = exc.code if isinstance(exc, AlodialError) else type(exc).__name__
        try:
            writer.write("step", name="call", ok=False, observed=str(exc), label=code, remedy="", values={})
            writer.write("end", ok=False)
        except StoreUnavailable:
            log.warning("provider_check.not_written")


async def _follow(store: AsyncStore, thread: threading.Thread) -> None:
    """Keeps other checks out until the thread has ended."""
    beats = 0
    while thread.is_alive():
        await asyncio.sleep(0.2)
        beats += 1
        if beats % int(BEAT / 0.2) == 0:
            await _quietly(store, provider_checks.renew)
    await _quietly(store, provider_checks.end)


async def _quietly(store: AsyncStore, act: Any) -> None:
    try:
        await store.call(act)
    except StoreUnavailable as exc:
        log.warning("provider_check.not_renewed", reason=str(exc))


async def _newest(request: Request) -> ProviderCheck | None:
    return await app_context(request).queue.store.call(provider_checks.read)


@router.get("/provider-check/run")
async def show_run(request: Request, operator: Signed) -> Response:
    _require(operator)
    check = await _newest(request)
    if check is None:
        return go("/provider-check")
    return page(request, "provider_check_run.html", operator, check=check)


@router.post("/provider-check/answer")
async def answer(request: Request, operator: Signed) -> Response:
    """Takes the answer to "Did your phone ring?"."""
    form = await form_of(request, operator, ACT)
    check = await _newest(request)
    number, rang = text_of(form, "number"), text_of(form, "rang")
    waits = check is not None and check.id == text_of(form, "id") and number == str(check.question)
    if waits and rang in ("yes", "no"):
        await app_context(request).queue.store.call(provider_checks.answer, int(number), rang=rang == "yes")
    return go("/provider-check/run")


@router.get("/provider-check/cassette.json")
async def download_cassette(request: Request, operator: Signed) -> Response:
    """The newest exchange as a file that the sandbox plays."""
    _require(operator)
    kept = await app_context(request).queue.store.call(provider_checks.cassette)
    if not kept:
        return go("/provider-check")
    headers = {
        "Content-Disposition": 'attachment; filename="provider-check.json"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(kept, headers=headers, media_type="application/json")
