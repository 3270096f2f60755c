"""Authorization: sessions, roles, the check that a form is from our own page, and the audit line of each act."""

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import redis
import structlog
from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import mask_numbers

from ..api_keys import ApiKey, Role
from ..errors import AlodialError
from ..store.caller import Caller
from ..web.audit import MAX_TARGET
from ..web.auth import address_of
from ..web.context import app_context
from ..web.key_rules import quota_of
from ..web.problems import Refusal
from ..web.rate_limit import retry_after
from ..web.request_bodies import read_form
from .context import monitor_context
from .session import Operator, is_form_token

TOKEN_FIELD = "form_token"  # noqa: S105  # a field's name

MAX_FIELDS = 320

TARGETS = ("call_id", "campaign", "endpoint", "result", "key", "draft", "filter", "reason")
"""Fields of an act that say to what it was done."""

log = structlog.get_logger("alodial.monitor")


class SignInNeeded(Exception):
    """The request has no valid session."""


class Forbidden(Exception):
    """The operator may not do this, or the request is not from a page of ours; ``reason`` is a key of the catalogue."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_ROLES: Mapping[str, Role] = {
    "read": "read",
    "sign_out": "read",
    "sessions": "read",
    "filters": "read",
    "campaign.submit": "submit",
    "dnc.add": "submit",
}
"""The role that an act needs; every other act needs ``operate``."""


def may_sign_in(api_key: ApiKey) -> bool:
    """Whether a key opens the monitor: its screens show the calls of all keys."""
    return not api_key.own and api_key.has_role("read")


def can(operator: Operator, act: str) -> bool:
    """Whether the operator's key permits an act. Roles are decided here alone. ``act`` is the audit line's, or "read"."""
    return not operator.api_key.own and operator.api_key.has_role(_ROLES.get(act, "operate"))


def caller_of(operator: Operator) -> Caller:
    """The operator as the caller: with the key's limits, and no owner, so that a file is a duplicate whoever submitted it."""
    return Caller(quota=quota_of(operator.api_key))


def refuse_wrong_key(request: Request) -> None:
    """Counts a wrong key. Raises Refusal 429 when too many came from its address."""
    monitor_context(request).sessions.keys.note_wrong(address_of(request))
    wait = monitor_context(request).wrong_keys.take(address_of(request))
    if not wait:  # or somebody who tries keys would wash all other lines out of the log
        log.warning("operator.refused", reason="key", address=request.url.path)
    else:
        raise Refusal(429, "too_many_requests", "", headers={"Retry-After": retry_after(wait)})


def key_given(request: Request, operator: Operator, form: FormData) -> bool:
    """Whether an act that concerns everybody may be done: the key was given within the hour, or is in the form.

    Raises Refusal 429 when too many wrong ones came from the address; a right one never waits.
    """
    if not operator.must_give_key():
        return True
    secret = text_of(form, "key")
    api_key = monitor_context(request).sessions.keys.find(secret) if secret else None
    if api_key is not None and api_key.scope == operator.api_key.scope:
        return True
    if secret:
        refuse_wrong_key(request)
    return False


async def remember_key(request: Request, operator: Operator) -> None:
    """Notes after an act that its key was given; a Redis that takes nothing more does not undo the act."""
    if operator.must_give_key():
        with contextlib.suppress(AlodialError, redis.RedisError):
            await monitor_context(request).sessions.confirm(operator)


def over_https(request: Request) -> bool:
    """Whether the browser uses https, also behind a proxy that ends TLS: its header says so, and the browser's Origin."""
    return (
        request.url.scheme == "https"
        or request.headers.get("origin", "").startswith("https://")
        or request.headers.get("x-forwarded-proto", "").lower() == "https"
    )


def cookie_of(request: Request, part: str) -> str:
    """The name of a cookie: browsers do not tell the ports of a host apart, and each may have a monitor."""
    return f"{app_context(request).settings.namespace}_{part}"


def set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int, *, lax: bool = False) -> None:
    """Sets a cookie that no script and no other site sees."""
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=over_https(request),
        httponly=True,
        samesite="lax" if lax else "strict",
    )


async def load_operator(request: Request) -> str | None:
    """Reads the session of the request's cookie, once; :func:`operator_of` returns it. Raises StoreUnavailable.

    A person whom the proxy signed in gets a session with their first page: then its cookie is returned.
    """
    context = monitor_context(request)
    person = context.people.find(request)
    request.state.operator = await context.sessions.read(request.cookies.get(cookie_of(request, "session"), ""), person)
    if request.state.operator is not None or person is None or request.method != "GET" or not may_sign_in(person):
        return None
    agent = request.headers.get("user-agent", "")
    cookie, request.state.operator = await context.sessions.open(person, "", address_of(request), agent)
    await audit(request, request.state.operator, "sign_in")
    return cookie


def operator_of(request: Request) -> Operator | None:
    """The operator of the request's session cookie; None without a valid one."""
    operator: Operator | None = getattr(request.state, "operator", None)
    return operator


async def signed_in(request: Request) -> Operator:
    """The operator who looks at a screen. Raises SignInNeeded without a session, Forbidden without the role ``read``."""
    operator = operator_of(request)
    if operator is None:
        raise SignInNeeded
    if not can(operator, "read"):
        raise Forbidden("refused.role")
    return operator


Signed = Annotated[Operator, Depends(signed_in)]
"""The parameter of every screen."""


def check_origin(request: Request) -> None:
    """Raises Forbidden for a request from a page of another site.

    Browsers set both headers themselves. ``Sec-Fetch-Site`` is checked first: a proxy that changes ``Host`` leaves it as it
    is. Browsers leave it out on plain http; there ``Origin`` must be this host.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise Forbidden("refused.origin")
        return
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    if not host or urlsplit(origin).netloc != host:
        raise Forbidden("refused.origin")


def check_token(nonce: str, token: object) -> None:
    """Raises Forbidden for a form that was made for another session, or with another nonce."""
    if not isinstance(token, str) or not is_form_token(nonce, token):
        raise Forbidden("refused.token")


async def form_of(request: Request, operator: Operator, act: str) -> FormData:
    """The fields of the form that requests an act.

    Raises Forbidden for a request from elsewhere, an act that the operator's role does not permit, and a wrong token.
    """
    check_origin(request)
    if not can(operator, act):
        raise Forbidden("refused.role")
    form = await read_form(request, max_files=0, max_fields=MAX_FIELDS)
    check_token(operator.nonce, form.get(TOKEN_FIELD))
    return form


def text_of(form: FormData, name: str) -> str:
    """A field's text, trimmed; "" without one."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


async def audit(request: Request, operator: Operator, act: str, **fields: Any) -> None:
    """Records an act after it was done; ``fields`` say to what."""
    log.info("operator.acted", act=act, actor=operator.actor, **fields)
    await app_context(request).audit.record(
        actor=operator.api_key.actor,
        address=address_of(request),
        act=act,
        target=mask_numbers(" ".join(str(fields[name]) for name in TARGETS if name in fields))[:MAX_TARGET],
        via="monitor",
        stated_name=operator.name,
        details={name: value for name, value in fields.items() if name not in TARGETS},
    )
