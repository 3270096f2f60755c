"""Signing in and out, and the switches of language and colours."""

import secrets
from collections.abc import Collection

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..api_keys import ApiKey
from ..i18n import LANGUAGES
from ..web.auth import address_of
from ..web.request_bodies import read_form
from .auth import (
    TOKEN_FIELD,
    Forbidden,
    Signed,
    audit,
    check_origin,
    check_token,
    cookie_of,
    form_of,
    may_sign_in,
    operator_of,
    refuse_wrong_key,
    set_cookie,
    text_of,
)
from .context import COLOURS, COLOURS_COOKIE, LANGUAGE_COOKIE, monitor_context
from .rendering import PeopleRoute, go, own_address, page
from .session import SESSION_SECONDS, form_token

"""Ties a sign-in form to the browser that loaded it."""

YEAR = 365 * 86400

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def sign_in_page(request: Request, *, status: int = 200, wrong: str = "", used: bool = False, to: str = "") -> Response:
    """The form to sign in, then ``to``. ``used`` comes after a link that works no more.

    ``wrong`` is ``wrong`` after an unknown key, and ``program`` after one that does not open the monitor.
    """
    context = monitor_context(request)
    visit = secrets.token_hex(16)
    answer = page(
        request,
        "sign_in.html",
        status=status,
        keys=bool(context.sessions.keys),
        wrong=wrong,
        used=used,
        to=own_address(to or request.query_params.get("to", "/")),
        visit_token=form_token(visit),
    )
    set_cookie(request, answer, cookie_of(request, "visit"), visit, 3600)
    return answer


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    check_origin(request)
    form = await read_form(request, max_files=0, max_fields=10)
    to = own_address(text_of(form, "to"))
    try:
        check_token(request.cookies.get(cookie_of(request, "visit"), ""), form.get(TOKEN_FIELD))
    except Forbidden:
        # The page was open for more than an hour, or cookies are off; the next try has a new token.
        return sign_in_page(request, status=403, to=to)
    sessions = monitor_context(request).sessions
    api_key = await sessions.keys.look_up(text_of(form, "key"))
    # Behind a proxy that is not set all people have one address: somebody else's wrong keys must not keep a right one out.
    if api_key is None:
        refuse_wrong_key(request)
        return sign_in_page(request, status=401, wrong="wrong", to=to)
    if not may_sign_in(api_key):
        return sign_in_page(request, status=403, wrong="program", to=to)
    return await _open(request, api_key, text_of(form, "name"), to)


@router.get("/sign-in")
async def use_link(request: Request) -> Response:
    """Signs in with the link that ``alodial dev`` prints, once; a used or old one leads to the form."""
    api_key = await monitor_context(request).sessions.take_link(request.query_params.get("code", ""))
    if operator_of(request) is not None:
        return go("/")  # opened again, from the browser's history
    if api_key is None or not may_sign_in(api_key):
        refuse_wrong_key(request)
        return sign_in_page(request, status=401, used=True, to="/")
    return await _open(request, api_key, "", "/")


async def _open(request: Request, api_key: ApiKey, name: str, to: str) -> Response:
    agent = request.headers.get("user-agent", "")
    cookie, operator = await monitor_context(request).sessions.open(api_key, name, address_of(request), agent)
    answer = go(to)
    set_cookie(request, answer, cookie_of(request, "session"), cookie, SESSION_SECONDS)
    await audit(request, operator, "sign_in")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, operator: Signed) -> Response:
    await form_of(request, operator, "sign_out")
    await monitor_context(request).sessions.end(operator.id)
    answer = go("/")
    answer.delete_cookie(cookie_of(request, "session"), path="/", httponly=True, samesite="strict")
    await audit(request, operator, "sign_out")
    return answer


@router.get("/colours")
async def colours(request: Request) -> Response:
    return _keep_choice(request, COLOURS_COOKIE, COLOURS)


@router.get("/language")
async def language(request: Request) -> Response:
    return _keep_choice(request, LANGUAGE_COOKIE, LANGUAGES)


def _keep_choice(request: Request, cookie: str, choices: Collection[str]) -> Response:
    """Keeps the reader's choice in a cookie, and goes back to the page with the switch."""
    answer = go(own_address(request.query_params.get("to", "/")))
    chosen = request.query_params.get("set", "")
    if chosen in choices:
        set_cookie(request, answer, cookie, chosen, YEAR, lax=True)
    return answer
