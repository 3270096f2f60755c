"""The sandbox's HTTP: AloVoice's own path, the record of what really rang, and the routes of manual play."""

import asyncio
import hmac
import io
import time
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from . import manual_routes, phone_page
from .behaviours import REFUSALS, Trouble
from .body import error_response, read_body
from .call_request import CallRequest, MalformedRequest, read_call_request
from .cassette import CassettePost, form_of, played
from .config import SandboxConfig
from .connection_cut import CutConnection
from .ledger import LedgerCall, iso, timeline
from .switchboard import Switchboard, switchboard_of

_MAX_ROWS: Final = 1000
_REFUSALS: Final = {
    Trouble.UNAUTHORIZED: (401, "token: unknown"),
    Trouble.REJECT: (400, "callto: refused"),
    Trouble.THROTTLE: (429, "too many requests"),
    Trouble.REFUSE: (503, "unavailable for now"),
}
_HTML: Final = "<!doctype html><title>Sign in</title><h1>Sign in</h1><p>The session is over.</p>"


def create_sandbox(config: SandboxConfig | None = None) -> Starlette:
    """The sandbox as an ASGI application; its Switchboard is `app.state.switchboard` while it runs."""

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncGenerator[None, None]:
        app.state.switchboard = Switchboard(config or SandboxConfig())
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
            *manual_routes.ROUTES,
            *phone_page.ROUTES,
        ],
        exception_handlers={MalformedRequest: _malformed},
        lifespan=running,
    )


async def _malformed(_: Request, problem: Exception) -> Response:
    return error_response(getattr(problem, "status", 400), str(problem))


async def _request_call(request: Request) -> Response:
    monotonic, wall = time.monotonic(), time.time()
    switchboard = switchboard_of(request)
    extid: str | None = None
    outcome = "malformed"
    try:
        if not _token_fits(request, switchboard.config):
            outcome = Trouble.UNAUTHORIZED.value
            return _refusal(Trouble.UNAUTHORIZED)
        body = await read_body(request)
        call_request = read_call_request(body)
        extid = call_request.extid
        if (cassette := switchboard.config.cassette) is not None:
            recorded = cassette.post(form_of(request.headers.get("content-type", ""), body))
            outcome = "rung" if recorded.rang else "refused"
            if recorded.rang:
                switchboard.ring(call_request, frozenset(), wall, str(request.base_url).rstrip("/"))
            return _recorded(recorded, call_request)
        troubles = switchboard.troubles(call_request)
        refused = next((trouble for trouble in Trouble if trouble in troubles & REFUSALS), None)
        outcome = "rung" if refused is None else refused.value
        if refused is None:
            call, reported = switchboard.ring(call_request, troubles, wall, str(request.base_url).rstrip("/"))
    finally:
        switchboard.ledger.arrived(monotonic, wall, extid, outcome)
    await asyncio.sleep(switchboard.config.answer_delay)
    return _refusal(refused) if refused is not None else await _answer(call, reported, troubles, switchboard.config)


def _recorded(post: CassettePost, request: CallRequest) -> Response:
    """The answer of a cassette; a connection that breaks off where none was recorded."""
    if post.status is None:
        return CutConnection()
    kept = {name: value for name, value in post.headers.items() if name.lower() in {"content-type", "retry-after"}}
    return Response(played(post.body, request.first, request.extid or ""), post.status, kept)


def _token_fits(request: Request, config: SandboxConfig) -> bool:
    token = request.path_params["token"]
    return config.token is None or hmac.compare_digest(token.encode(), config.token.get_secret_value().encode())


def _refusal(trouble: Trouble) -> Response:
    status, text = _REFUSALS[trouble]
    return error_response(status, text, {"Retry-After": "1"} if status in (429, 503) else None)


async def _answer(
    call: LedgerCall, reported: asyncio.Event, troubles: frozenset[Trouble], config: SandboxConfig
) -> Response:
    """The answer to a POST whose phones ring."""
    if Trouble.EARLY in troubles:
        await reported.wait()
    if Trouble.SLOW in troubles:
        await asyncio.sleep(config.slow_seconds)
    if Trouble.ANSWER_LOST in troubles:
        return CutConnection()
    if Trouble.ERROR in troubles:
        return error_response(500, "internal error")
    if Trouble.HTML in troubles:
        return HTMLResponse(_HTML)
    return JSONResponse({"answer": {"id": call.id, "extid": call.request.extid}})


async def _show_call(request: Request) -> Response:
    extid = request.path_params["extid"]
    calls = switchboard_of(request).ledger.calls_of(extid)
    if not calls:
        return error_response(404, "extid: no phone rang for it; see /sandbox/arrivals for the POSTs that arrived")
    return JSONResponse({"extid": extid, "timeline": timeline(calls)})


async def _list_calls(request: Request) -> Response:
    after = request.query_params.get("after", "0")
    if not (after.isascii() and after.isdigit()):
        return error_response(400, "after: not a call id; send the `next` of the page before")
    calls = switchboard_of(request).ledger.calls_after(int(after), _MAX_ROWS)
    return JSONResponse({"calls": [_row(call) for call in calls], "next": calls[-1].id if calls else int(after)})


def _row(call: LedgerCall) -> dict[str, object]:
    return {
        "id": call.id,
        "extid": call.key,
        "kind": call.request.kind,
        "at": iso(call.begun),
        "first": call.request.first,
        "recipients": [recipient.number for recipient in call.request.recipients],
        "dialstatus": call.plan.dialstatus if call.ended else None,
        "done": call.done,
    }


async def _show_ledger(request: Request) -> Response:
    return JSONResponse(switchboard_of(request).ledger.summary())


async def _list_arrivals(request: Request) -> Response:
    return JSONResponse(
        [
            {"monotonic": row.monotonic, "wall": row.wall, "extid": row.extid, "outcome": row.outcome}
            for row in switchboard_of(request).ledger.arrivals
        ]
    )


async def _record(_: Request) -> Response:
    """One second of silence for every recording, so that the link in a result works."""
    silence = io.BytesIO()
    with wave.open(silence, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(16_000))
    return Response(silence.getvalue(), media_type="audio/wav")


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})
