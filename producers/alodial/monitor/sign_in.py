"""Signing in and out, and the language switch."""

import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..web.auth import address_of
from ..web.problems import Refusal
from ..web.rate_limit import retry_after
from .auth import (
    SESSION_COOKIE,
    TOKEN_FIELD,
    Forbidden,
    Signed,
    audit,
    can,
    check_token,
    form_of,
    from_our_own_page,
    log,
    text_of,
)
from .context import LANGUAGE_COOKIE, monitor_context
from .i18n import LANGUAGES
from .rendering import PeopleRoute, go, own_address, page
from .session import LASTS

VISIT_COOKIE = "alodial_visit"
"""Ties the sign-in form to the browser that was given it."""

YEAR = 365 * 86400

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def over_https(request: Request) -> bool:
    """Whether the browser came by https; a proxy that ends TLS shows it, and the browser's own Origin does."""
    return (
        request.url.scheme == "https"
        or request.headers.get("origin", "").startswith("https://")
        or request.headers.get("x-forwarded-proto", "").lower() == "https"
    )


def _keep(request: Request, answer: Response, name: str, value: str, seconds: int, *, lax: bool = False) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=over_https(request),
        httponly=True,
        samesite="lax" if lax else "strict",
    )


def sign_in_page(request: Request, *, status: int = 200, wrong: bool = False, to: str = "") -> Response:
    desk = monitor_context(request)
    visit = secrets.token_hex(16)
    answer = page(
        request,
        "sign_in.html",
        status=status,
        keys=bool(desk.sessions),
        wrong=wrong,
        to=own_address(to or request.query_params.get("to", "/")),
        visit_token=desk.sessions.token(visit),
    )
    _keep(request, answer, VISIT_COOKIE, visit, 3600)
    return answer


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    from_our_own_page(request)
    form = await request.form(max_files=0, max_fields=10)
    to = own_address(text_of(form, "to"))
    try:
        check_token(request, request.cookies.get(VISIT_COOKIE, ""), form.get(TOKEN_FIELD))
    except Forbidden:
        # The page stood open for too long, or cookies are off; another try has a new token.
        return sign_in_page(request, status=403, to=to)
    desk = monitor_context(request)
    address = address_of(request)
    if wait := desk.wrong_keys.waits(address):
        log.warning("operator.refused", reason="too_many", address="/sign-in")
        raise Refusal(429, "too_many_requests", "", headers={"Retry-After": retry_after(wait)})
    sessions = desk.sessions
    operator = sessions.open(text_of(form, "key"), text_of(form, "name"))
    if operator is None or not can(operator, "sign_in"):
        desk.wrong_keys.take(address)
        log.warning("operator.refused", reason="key", address="/sign-in")
        return sign_in_page(request, status=401, wrong=True, to=to)
    answer = go(to)
    _keep(request, answer, SESSION_COOKIE, sessions.cookie(operator), LASTS)
    audit(operator, "sign_in")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, operator: Signed) -> Response:
    await form_of(request, operator, "sign_out")
    monitor_context(request).sessions.end(operator)
    answer = go("/")
    answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    audit(operator, "sign_out")
    return answer


@router.get("/language")
async def language(request: Request) -> Response:
    """Remembers the language and goes back to where the switch was used."""
    answer = go(own_address(request.query_params.get("to", "/")))
    chosen = request.query_params.get("set", "")
    if chosen in LANGUAGES:
        _keep(request, answer, LANGUAGE_COOKIE, chosen, YEAR, lax=True)
    return answer
