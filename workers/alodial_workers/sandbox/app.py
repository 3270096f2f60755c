"""The sandbox's HTTP: AloVoice's own path, and the paths that tell what really happened."""

import asyncio
import hmac
import io
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from .behaviours import REFUSALS, Trouble
from .body import MAX_BODY, BodyTooLarge, read_body
from .call_request import MalformedRequest, read_call_request
from .config import SandboxConfig
from .connection_cut import CutConnection
from .ledger import LedgerCall, iso, now, timeline
from .manual_routes import ROUTES
from .switchboard import Switchboard, Taken

_PAGE = 1000
_HTML = "<!doctype html><title>Sign in</title><h1>Sign in</h1><p>The session is over.</p>"


def create_sandbox(config: SandboxConfig | None = None) -> Starlette:
    """The sandbox as an ASGI application; its Switchboard is `app.state.switchboard` while it runs."""
    chosen = config or SandboxConfig()

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncGenerator[None, None]:
        app.state.switchboard = Switchboard(chosen)
        yield
        await app.state.switchboard.close()

    return Starlette(
        routes=[
            Route("/requestcall/{token}", _request_call, methods=["POST"]),
            Route("/sandbox/calls", _list_calls),
            Route("/sandbox/calls/{extid}", _show_call),
            Route("/sandbox/ledger", _show_ledger),
            Route("/sandbox/arrivals", _list_arrivals),
            Route("/sandbox/records/{name}", _record),
            Route("/healthz", _healthz),
            *ROUTES,
        ],
        lifespan=running,
    )


def _switchboard(request: Request) -> Switchboard:
    switchboard: Switchboard = request.app.state.switchboard
    return switchboard


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": text}, status, headers)


async def _request_call(request: Request) -> Response:
    monotonic, wall = now()
    switchboard = _switchboard(request)
    extid: str | None = None
    outcome = "malformed"
    try:
        if not _token_fits(request, switchboard.config):
            outcome = Trouble.UNAUTHORIZED.value
            return _refusal(Trouble.UNAUTHORIZED)
        order = read_call_request(await read_body(request))
        extid = order.extid
        troubles = switchboard.troubles(order)
        refused = next((trouble for trouble in Trouble if trouble in troubles & REFUSALS), None)
        outcome = "rung" if refused is None else refused.value
        if refused is None:
            base_url = str(request.base_url).rstrip("/")
            taken = switchboard.ring(order, troubles, wall, base_url)
    except BodyTooLarge:
        return _error(413, f"body: above {MAX_BODY} bytes; send one call a request")
    except MalformedRequest as problem:
        return _error(400, str(problem))
    finally:
        switchboard.ledger.arrived(monotonic, wall, extid, outcome)
    await asyncio.sleep(switchboard.config.answer_delay)
    return _refusal(refused) if refused is not None else await _answer(taken, troubles, switchboard.config)


def _token_fits(request: Request, config: SandboxConfig) -> bool:
    given = request.path_params["token"]
    return config.token is None or hmac.compare_digest(given.encode(), config.token.get_secret_value().encode())


def _refusal(trouble: Trouble) -> Response:
    match trouble:
        case Trouble.UNAUTHORIZED:
            return _error(401, "token: unknown")
        case Trouble.REJECT:
            return _error(400, "callto: refused")
        case Trouble.THROTTLE:
            return _error(429, "too many requests", {"Retry-After": "1"})
        case _:
            return _error(503, "unavailable for now", {"Retry-After": "1"})


async def _answer(taken: Taken, troubles: frozenset[Trouble], config: SandboxConfig) -> Response:
    """The answer to a POST whose phones ring."""
    if Trouble.EARLY in troubles:
        await taken.reported.wait()
    if Trouble.SLOW in troubles:
        await asyncio.sleep(config.slow_seconds)
    if Trouble.ANSWER_LOST in troubles:
        return CutConnection()
    if Trouble.ERROR in troubles:
        return _error(500, "internal error")
    if Trouble.HTML in troubles:
        return HTMLResponse(_HTML)
    return JSONResponse({"answer": {"id": taken.call.id, "extid": taken.call.order.extid}})


async def _show_call(request: Request) -> Response:
    extid = request.path_params["extid"]
    calls = _switchboard(request).ledger.calls_of(extid)
    if not calls:
        return _error(404, "extid: nobody was rung for it; see /sandbox/arrivals for what arrived")
    return JSONResponse({"extid": extid, "timeline": timeline(calls)})


async def _list_calls(request: Request) -> Response:
    after = request.query_params.get("after", "0")
    if not (after.isascii() and after.isdigit()):
        return _error(400, "after: not a call id; send the `next` of the page before")
    calls = _switchboard(request).ledger.calls_after(int(after), _PAGE)
    return JSONResponse({"calls": [_row(call) for call in calls], "next": calls[-1].id if calls else int(after)})


def _row(call: LedgerCall) -> dict[str, object]:
    return {
        "id": call.id,
        "extid": call.key,
        "kind": call.order.kind,
        "at": iso(call.begun),
        "first": call.order.first,
        "recipients": [recipient.number for recipient in call.order.recipients],
        "dialstatus": call.course.dialstatus if call.ended else None,
        "done": call.done,
    }


async def _show_ledger(request: Request) -> Response:
    return JSONResponse(_switchboard(request).ledger.summary())


async def _list_arrivals(request: Request) -> Response:
    return JSONResponse(
        [
            {"monotonic": one.monotonic, "wall": one.wall, "extid": one.extid, "outcome": one.outcome}
            for one in _switchboard(request).ledger.arrivals
        ]
    )


async def _record(_: Request) -> Response:
    """One second of silence stands for every recording, so that the link in a result can be followed."""
    silence = io.BytesIO()
    with wave.open(silence, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(16_000))
    return Response(silence.getvalue(), media_type="audio/wav")


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})
