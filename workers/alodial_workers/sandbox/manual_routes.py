"""The sandbox's HTTP for a person who plays the phones."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .body import MAX_BODY, BodyTooLarge, read_body
from .call_request import MalformedRequest
from .ledger import iso
from .manual_play import MAX_HELD, ManualAct, ManualCall, ManualLine, ManualPlay
from .switchboard import Switchboard

_LINES: Final = 12
"""Phones told of one call: with them the answer of the most calls stays under 64 KiB."""


def _switchboard(request: Request) -> Switchboard:
    switchboard: Switchboard = request.app.state.switchboard
    return switchboard


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


async def _sandbox(request: Request) -> Response:
    """That this is a sandbox and no AloVoice, and how it was told to behave."""
    switchboard = _switchboard(request)
    return JSONResponse(_facts(switchboard))


def _facts(switchboard: Switchboard) -> dict[str, object]:
    config = switchboard.config
    told = {"sandbox": "alodial", "speed": config.speed, "callback": config.callback_url is not None}
    return told | _hand(switchboard.hands)


def _hand(hands: ManualPlay) -> dict[str, object]:
    return {"by_hand": hands.on, "hand_seconds": hands.seconds, "held": len(hands.held), "most": MAX_HELD}


async def _phones(request: Request) -> Response:
    switchboard = _switchboard(request)
    hands = switchboard.hands
    found = [*hands.held, *hands.recent]
    return JSONResponse(_facts(switchboard) | {"phones": [_told(held) for held in found]})


def _told(held: ManualCall) -> dict[str, object]:
    call = held.call
    lines, hidden = _window(held.lines)
    return {
        "id": call.id,
        "extid": call.key,
        "kind": call.order.kind,
        "at": iso(call.begun),
        "stage": held.stage,
        "turn": held.turn,
        "since": iso(held.since),
        "until": None if held.until is None else iso(held.until),
        "alone": held.alone,
        "dialstatus": call.course.dialstatus or None,
        "lines": [{"party": one.party, "number": one.number, "state": one.state} for one in lines],
        "hidden": hidden,
        "acts": [act.value for act in ManualAct if act in held.acts],
        "sent": None if held.sent is None else held.sent.value,
        "fate": held.fate,
    }


def _window(lines: list[ManualLine]) -> tuple[list[ManualLine], int]:
    """The first phone and those about the one that is rung; how many are left out."""
    if len(lines) <= _LINES:
        return lines, 0
    reached = max((at for at, line in enumerate(lines) if line.state not in ("waiting", "not_rung")), default=0)
    start = max(1, min(reached - _LINES // 2, len(lines) - _LINES + 1))
    return [lines[0], *lines[start : start + _LINES - 1]], len(lines) - _LINES


async def _asked(request: Request) -> dict[str, object]:
    """The body's object. Only JSON: a page of another site cannot send it here without asking first, and is not told yes.

    Raises BodyTooLarge and MalformedRequest.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MalformedRequest("content-type: not understood; send application/json")
    return await read_body(request)


def _whole(asked: dict[str, object], name: str) -> int | None:
    value = asked.get(name)
    # bool is an int, and True is no number of anything.
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MalformedRequest(f"{name}: not an integer; send it as GET /sandbox/phones has it, or leave it out")


def _heard(
    handle: Callable[[Request, dict[str, object]], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """A route for an object that somebody sends; what is wrong with it is answered."""

    async def route(request: Request) -> Response:
        try:
            return await handle(request, await _asked(request))
        except BodyTooLarge:
            return _error(413, f"body: above {MAX_BODY} bytes; send one act a request")
        except MalformedRequest as problem:
            return _error(400, str(problem))

    return route


async def _switch(request: Request, asked: dict[str, object]) -> Response:
    on = asked.get("on")
    if not isinstance(on, bool):
        raise MalformedRequest("on: not a boolean; send true or false")
    hands = _switchboard(request).hands
    hands.switch(on=on)
    return JSONResponse(_hand(hands))


async def _act(request: Request, asked: dict[str, object]) -> Response:
    given, call_id, turn = asked.get("act"), _whole(asked, "id"), _whole(asked, "turn")
    act = next((one for one in ManualAct if one == given), None)
    if act is None:
        raise MalformedRequest(f"act: not known; send one of {', '.join(ManualAct)}")
    held = _switchboard(request).hands.find(request.path_params["extid"], call_id)
    if held is None:
        return _error(404, "extid: no call of it is in hand; see GET /sandbox/phones")
    before = held.turn
    if not held.act(act, turn):
        possible = ", ".join(one.value for one in ManualAct if one in held.acts) or "nothing"
        return _error(409, f"act: not possible now, in turn {held.turn} ({held.stage}); possible: {possible}")
    # The call moves on in its own task; the answer tells where to.
    for _ in range(10):
        if held.turn != before:
            break
        await asyncio.sleep(0)
    return JSONResponse(_told(held))


ROUTES: Final = (
    Route("/sandbox", _sandbox),
    Route("/sandbox/phones", _phones),
    Route("/sandbox/hand", _heard(_switch), methods=["POST"]),
    Route("/sandbox/calls/{extid}/act", _heard(_act), methods=["POST"]),
)
