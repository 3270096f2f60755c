"""The sandbox's phones, played by hand, and a test call. Never for the real AloVoice: there, phones of people would ring."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ..calls.prepare import prepare, read_call
from ..errors import Conflict, InvalidCall, StoreUnavailable
from ..store.call_context import CallContext, deadlines_async
from ..web.context import app_context
from . import call_rows, sandbox_phones
from .auth import Signed, audit, can, form_of, text_of
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, go, page
from .sandbox_phones import Hand, NoSandbox, Phone
from .session import Operator
from .time_format import TimeFormatter

PLAY: Final = "sandbox_phone"
CALL: Final = "test_call"
"""The acts of playing the phones and of placing a call."""

RINGING_ACTS: Final = ("answer", "busy", "no_answer", "congestion", "unavailable", "hang_up")
RESULT_ACTS: Final = ("send", "send_twice", "send_late", "send_never", "send_garbled")
LANGUAGES: Final = ("", "uz", "ru", "en")
REFERENCE: Final = "test call"
ENDINGS: Final = ("90", "91", "92", "93", "80", "82", "84", "73", "72")
"""Those of docs/sandbox.md that are tried most."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class Card:
    """A call as it is shown: ``acts`` are what may be done now, ``link`` leads to the call, "" if its extid is none of ours."""

    phone: Phone
    lines: tuple[tuple[str, str, str], ...]
    acts: tuple[str, ...]
    link: str
    rung: str


def _card(phone: Phone, operator: Operator, *, full: bool) -> Card:
    lines = tuple((line.party, call_rows.number(line.number, full=full), line.state) for line in phone.lines)
    known = RINGING_ACTS + RESULT_ACTS
    acts = tuple(act for act in phone.acts if act in known) if can(operator, PLAY) else ()
    ours = phone.extid.isascii() and phone.extid.isdigit()
    rung = phone.rung
    return Card(
        phone=phone,
        lines=lines,
        acts=acts,
        link=f"/calls/{phone.extid}" if ours else "",
        rung="" if rung is None else call_rows.number(rung.number, full=full),
    )


async def _hand(request: Request) -> tuple[Hand | None, str]:
    """What is in hand, or why there is none."""
    try:
        return await sandbox_phones.look(app_context(request).settings), ""
    except NoSandbox as none:
        return None, none.why


def _mark(hand: Hand | None, why: str) -> str:
    """Changes with what is shown, so that a page that shows it already need not be renewed."""
    return sha256((why if hand is None else hand.model_dump_json()).encode()).hexdigest()[:16]


def _around(request: Request, operator: Operator, hand: Hand | None, why: str) -> dict[str, Any]:
    full = call_rows.in_full(operator)
    words = translator_of(request)
    cards = [] if hand is None else [_card(one, operator, full=full) for one in hand.phones]
    return {
        "hand": hand,
        "why": why,
        "mark": _mark(hand, why),
        "cards": [card for card in cards if card.phone.stage != "done"],
        "past": [card for card in cards if card.phone.stage == "done"],
        "clocks": TimeFormatter(words, monitor_context(request).zone),
        "may_play": can(operator, PLAY),
        "may_call": can(operator, CALL),
        "provider": app_context(request).settings.provider_url,
    }


async def _standing(request: Request) -> CallContext | None:
    """Who is alive to place a call; None while Redis is away: the phones can be played without it."""
    try:
        around, _ = await app_context(request).queue.store.call(deadlines_async, [])
    except StoreUnavailable:
        return None
    return around


async def _screen(request: Request, operator: Operator, *, status: int = 200, **more: Any) -> Response:
    (hand, why), standing = await asyncio.gather(_hand(request), _standing(request))
    context = _around(request, operator, hand, why) | {
        "standing": standing,
        "did": "",
        "called": "",
        "given": {"callfrom": "", "callto": "", "lang": ""},
        "wrong": {},
        "once": uuid4().hex,
        "lang_choices": LANGUAGES,
        "endings": ENDINGS,
    }
    return page(request, "phone.html", operator, status=status, **context | more)


@router.get("/phone")
async def shown_now(request: Request, operator: Signed) -> Response:
    did = request.query_params.get("did", "")
    called = request.query_params.get("call", "")
    return await _screen(
        request,
        operator,
        did=did if translator_of(request).has("phone.did", did) else "",
        called=called if called.isascii() and called.isdigit() and len(called) <= 15 else "",
    )


@router.get("/phone/ringing")
async def ringing(request: Request, operator: Signed) -> Response:
    """The phones alone, for the page that is open; 204 while they are as it has them."""
    hand, why = await _hand(request)
    if request.query_params.get("mark") == _mark(hand, why):
        return Response(status_code=204)
    return page(request, "phone_hand.html", operator, did="", called="", **_around(request, operator, hand, why))


@router.post("/phone/hand")
async def switch(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, PLAY)
    on = text_of(form, "on") == "yes"
    try:
        await sandbox_phones.switch(app_context(request).settings, on=on)
    except NoSandbox:
        return go("/phone?did=nobody")
    audit(operator, f"{PLAY}.hand", on=on)
    return go(f"/phone?did={'hand_on' if on else 'hand_off'}")


@router.post("/phone/act")
async def act(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, PLAY)
    what, extid = text_of(form, "act"), text_of(form, "extid")[:200]
    call_id, turn = (_whole(text_of(form, name)) for name in ("id", "turn"))
    if what not in RINGING_ACTS + RESULT_ACTS or not extid or call_id is None or turn is None:
        return go("/phone?did=late")
    try:
        did = await sandbox_phones.act(app_context(request).settings, extid, call_id, turn, what)
    except NoSandbox:
        return go("/phone?did=nobody")
    if did == "done":
        audit(operator, f"{PLAY}.{what}", extid=extid)
        return go("/phone")
    return go(f"/phone?did={did}")


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


@router.post("/phone/call")
async def place(request: Request, operator: Signed) -> Response:
    """A call through the queue as any other. Pressed twice it is still one."""
    form = await form_of(request, operator, CALL)
    given = {name: text_of(form, name)[:400] for name in ("callfrom", "callto", "lang")}
    try:
        await sandbox_phones.look(app_context(request).settings)
    except NoSandbox:
        # Whatever the page showed: without a sandbox this would ring people.
        return await _screen(request, operator, status=409, did="not_called", given=given)
    numbers = [part for part in given["callto"].replace(",", " ").replace(";", " ").split() if part]
    lang = {"lang": given["lang"]} if given["lang"] else {}
    body = {
        "callfrom": {"phone": given["callfrom"]} | lang,
        "callto": [{"phone": number} | lang for number in numbers] or [{"phone": ""} | lang],
        "reference": REFERENCE,
    }
    typed = sha256(repr(body).encode()).hexdigest()[:16]
    key = f"test-call-{text_of(form, 'once')[:64]}-{typed}"
    parts = app_context(request)
    try:
        call = read_call(body, parts.settings)
        row = prepare(call, parts.settings, key=key, scope="monitor", owner=operator.api_key.name)
        placed = await parts.taker.take(row)
    except InvalidCall as exc:
        return await _screen(request, operator, status=422, given=given, wrong=_by_field(exc.problems))
    except Conflict:
        return await _screen(request, operator, status=409, did="not_called", given=given)
    audit(operator, CALL, call_id=placed.id, extid=placed.extid)
    return go(f"/phone?did=called&call={placed.extid}")


def _by_field(problems: list[FieldProblem]) -> dict[str, FieldProblem]:
    """The first problem of each field of the form: ``callto[1].phone`` belongs to ``callto``."""
    found: dict[str, FieldProblem] = {}
    for problem in problems:
        steps = problem.field.replace("[", ".").split(".")
        found.setdefault("lang" if steps[-1] == "lang" else "callto" if steps[0] == "callto" else "callfrom", problem)
    return found
