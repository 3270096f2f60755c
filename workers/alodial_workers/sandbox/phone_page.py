"""The page `/sandbox/phone`, on which a person plays the phones. It works without scripts; with them it updates itself."""

import secrets
import time
from typing import Final

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .body import error_response, read_body
from .manual_play import ManualAct
from .manual_routes import visible_legs
from .switchboard import switchboard_of

_PATH: Final = "/sandbox/phone"
_MESSAGES: Final = {
    "on": "Manual play is on: new calls wait for you here.",
    "off": "Manual play is off: calls play automatically.",
    "late": "Nothing was done: the call had moved on before the button was pressed.",
    "gone": "Nothing was done: that call is over.",
}

_environment = Environment(
    loader=PackageLoader(__package__ or ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["clock"] = lambda at: time.strftime("%H:%M:%S", time.localtime(at))
_environment.globals |= {"visible_legs": visible_legs, "ManualAct": ManualAct}


async def _show_page(request: Request) -> Response:
    switchboard = switchboard_of(request)
    nonce = secrets.token_urlsafe(16)
    page = _environment.get_template("phone.html").render(
        path=_PATH,
        nonce=nonce,
        manual=switchboard.manual,
        config=switchboard.config,
        message=_MESSAGES.get(request.query_params.get("message", "")),
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return HTMLResponse(page, headers=headers)


async def _press_button(request: Request) -> Response:
    if not _same_origin(request):
        return error_response(403, f"origin: not this sandbox; open {_PATH} and press the button there")
    form = {name: str(value) for name, value in (await read_body(request)).items()}
    manual = switchboard_of(request).manual
    pressed = form.get("act", "")
    if pressed in ("on", "off"):
        manual.switch(on=pressed == "on")
        return _redirect(f"?message={pressed}")
    act = next((act for act in ManualAct if act == pressed), None)
    call_id, turn = _integer(form.get("id", "")), _integer(form.get("turn", ""))
    if act is None or call_id is None or turn is None:
        return error_response(400, f"act, id, turn: send them as the buttons of {_PATH} do")
    held = manual.find(form.get("extid", ""), call_id)
    if held is None:
        return _redirect("?message=gone")
    return _redirect(f"#call-{call_id}" if await held.act(act, turn) else "?message=late")


def _redirect(rest: str) -> Response:
    return RedirectResponse(_PATH + rest, 303)


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _same_origin(request: Request) -> bool:
    """Whether a page of this sandbox sent the form. Browsers send Origin with every form, and Sec-Fetch-Site as well to
    loopback and https addresses. See https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    host = request.headers.get("host", "")
    return request.headers.get("origin") in (f"http://{host}", f"https://{host}")


ROUTES: Final = (Route(_PATH, _show_page), Route(_PATH, _press_button, methods=["POST"]))
