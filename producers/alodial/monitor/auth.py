"""Who may see and do what: sign-in asked for, roles, forms that come from our own pages, a line for each act."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import Request

from ..api_keys import Role
from .context import monitor_context
from .session import Operator

SESSION_COOKIE = "alodial_session"
TOKEN_FIELD = "form_token"  # noqa: S105  # a field's name

MAX_FIELDS = 200

log = structlog.get_logger("alodial.monitor")


class SignInNeeded(Exception):
    """Nobody is signed in."""


class Forbidden(Exception):
    """It is not for this operator, or did not come from a page of ours; ``reason`` is a key of the catalogue."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_ROLES: Mapping[str, Role] = {
    "read": "read",
    "sign_in": "read",
    "sign_out": "read",
    "campaign.submit": "submit",
    "test_call": "submit",
    "dnc.add": "submit",
}
"""What an act takes; every other one takes ``operate``."""


def can(operator: Operator, act: str) -> bool:
    """The one place where roles are decided. ``act`` is what the audit line says, or "read"."""
    # The screens show everybody's calls, so a key that sees only its own has none of them.
    return not operator.api_key.own and operator.api_key.may(_ROLES.get(act, "operate"))


def operator_of(request: Request) -> Operator | None:
    return monitor_context(request).sessions.read(request.cookies.get(SESSION_COOKIE, ""))


async def signed_in(request: Request) -> Operator:
    """Raises SignInNeeded, Forbidden."""
    operator = operator_of(request)
    if operator is None:
        raise SignInNeeded
    if not can(operator, "read"):
        raise Forbidden("refused.role")
    return operator


Signed = Annotated[Operator, Depends(signed_in)]
"""A screen's parameter: who looks at it."""


def from_our_own_page(request: Request) -> None:
    """Raises Forbidden for a request that another site's page made.

    Browsers set both headers themselves. ``Sec-Fetch-Site`` goes first: a proxy that gives us another ``Host`` does not
    change it; browsers leave it out on plain http, where ``Origin`` must be this host.
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


def check_token(request: Request, nonce: str, given: object) -> None:
    """Raises Forbidden for a form that was not made for this session."""
    if not isinstance(given, str) or not monitor_context(request).sessions.is_token(nonce, given):
        raise Forbidden("refused.token")


async def form_of(request: Request, operator: Operator, act: str) -> FormData:
    """The fields of a form of ours that asks for an act. Raises Forbidden."""
    from_our_own_page(request)
    if not can(operator, act):
        raise Forbidden("refused.role")
    form = await request.form(max_files=0, max_fields=MAX_FIELDS)
    check_token(request, operator.nonce, form.get(TOKEN_FIELD))
    return form


def text_of(form: FormData, name: str) -> str:
    """A field as it was typed, trimmed; "" without one."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def audit(operator: Operator, act: str, **what: Any) -> None:
    """The audit line of an act that was done."""
    log.info("operator.acted", act=act, actor=operator.actor, **what)
