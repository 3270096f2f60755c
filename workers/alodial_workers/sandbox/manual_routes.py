"""The sandbox's HTTP for programs that play the phones."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .body import error_response, read_body
from .call_request import MalformedRequest
from .ledger import iso
from .manual_play import MAX_HELD, ManualAct, ManualCall, ManualPlay
from .simulation import CallLeg
from .switchboard import Switchboard, switchboard_of

# Legs shown of a call: with them the answer for MAX_HELD calls stays under 64 KiB.
_MAX_LEGS: Final = 12


async def _show_sandbox(request: Request) -> Response:
    """Identifies a sandbox, which AloVoice is not, with its settings."""
    return JSONResponse(_facts(switchboard_of(request)))


def _facts(switchboard: Switchboard) -> dict[str, object]:
    config = switchboard.config
    facts = {"sandbox": "alodial", "speed": config.speed, "callback": config.callback_url is not None}
    return facts | _manual_play(switchboard.manual)


def _manual_play(manual: ManualPlay) -> dict[str, object]:
    return {"by_hand": manual.on, "hand_seconds": manual.seconds, "held": len(manual.held), "most": MAX_HELD}


async def _list_phones(request: Request) -> Response:
    switchboard = switchboard_of(request)
    calls = [*switchboard.manual.held, *switchboard.manual.recent]
    return JSONResponse(_facts(switchboard) | {"phones": [_phone(held) for held in calls]})


def _phone(held: ManualCall) -> dict[str, object]:
    call = held.call
    legs, hidden = visible_legs(call.plan.legs)
    return {
        "id": call.id,
        "extid": call.key,
        "kind": call.request.kind,
        "at": iso(call.begun),
        "stage": held.stage,
        "turn": held.turn,
        "since": iso(held.since),
        "until": None if held.until is None else iso(held.until),
        "alone": held.alone,
        "dialstatus": call.plan.dialstatus or None,
        "lines": [{"party": leg.party, "number": leg.number, "state": leg.state} for leg in legs],
        "hidden": hidden,
        "acts": [act.value for act in ManualAct if act in held.acts],
        "sent": None if held.sent is None else held.sent.value,
        "fate": held.delivery,
    }


def visible_legs(legs: list[CallLeg]) -> tuple[list[CallLeg], int]:
    """The first leg and those around the one that rings, at most 12; and how many are left out."""
    if len(legs) <= _MAX_LEGS:
        return legs, 0
    reached = max((at for at, leg in enumerate(legs) if leg.state not in ("waiting", "not_rung")), default=0)
    start = max(1, min(reached - _MAX_LEGS // 2, len(legs) - _MAX_LEGS + 1))
    return [legs[0], *legs[start : start + _MAX_LEGS - 1]], len(legs) - _MAX_LEGS


async def _read_json(request: Request) -> dict[str, object]:
    """The body's object. JSON only: a browser does not send it from a page of another site without asking first, and
    the sandbox does not allow it. Raises MalformedRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MalformedRequest("content-type: not understood; send application/json")
    return await read_body(request)


def _integer(body: dict[str, object], name: str) -> int | None:
    value = body.get(name)
    # bool is an int, but True is not a number that a client means.
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MalformedRequest(f"{name}: not an integer; send it as GET /sandbox/phones has it, or leave it out")


async def _switch(request: Request) -> Response:
    on = (await _read_json(request)).get("on")
    if not isinstance(on, bool):
        raise MalformedRequest("on: not a boolean; send true or false")
    manual = switchboard_of(request).manual
    manual.switch(on=on)
    return JSONResponse(_manual_play(manual))


async def _act(request: Request) -> Response:
    body = await _read_json(request)
    call_id, turn = _integer(body, "id"), _integer(body, "turn")
    act = next((act for act in ManualAct if act == body.get("act")), None)
    if act is None:
        raise MalformedRequest(f"act: not known; send one of {', '.join(ManualAct)}")
    held = switchboard_of(request).manual.find(request.path_params["extid"], call_id)
    if held is None:
        return error_response(404, "extid: no call of it is played by hand; see GET /sandbox/phones")
    if not await held.act(act, turn):
        possible = ", ".join(act.value for act in ManualAct if act in held.acts) or "nothing"
        return error_response(409, f"act: not possible now, in turn {held.turn} ({held.stage}); possible: {possible}")
    return JSONResponse(_phone(held))


ROUTES: Final = (
    Route("/sandbox", _show_sandbox),
    Route("/sandbox/phones", _list_phones),
    Route("/sandbox/hand", _switch, methods=["POST"]),
    Route("/sandbox/calls/{extid}/act", _act, methods=["POST"]),
)
