"""Authorization: sessions, roles, the check that a form is from our own page, and the audit line of each act."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import Request

from ..api_keys import Role
from ..web.request_bodies import read_form
from .context import monitor_context
from .session import Operator

SESSION_COOKIE = "alodial_session"
TOKEN_FIELD = "form_token"  # noqa: S105  # a field's name

MAX_FIELDS = 200

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
    "sign_in": "read",
    "sign_out": "read",
    "campaign.submit": "submit",
    "dnc.add": "submit",
}
"""The role that an act needs; every other act needs ``operate``."""


def can(operator: Operator, act: str) -> bool:
    """Whether the operator's key permits an act. Roles are decided here alone. ``act`` is the audit line's, or "read"."""
    # The screens show the calls of all keys, so a key that sees only its own calls sees no screen.
    return not operator.api_key.own and operator.api_key.has_role(_ROLES.get(act, "operate"))


def operator_of(request: Request) -> Operator | None:
    """The operator of the request's session cookie; None without a valid one."""
    return monitor_context(request).sessions.read(request.cookies.get(SESSION_COOKIE, ""))


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


def check_token(request: Request, nonce: str, token: object) -> None:
    """Raises Forbidden for a form that was made for another session, or with another nonce."""
    if not isinstance(token, str) or not monitor_context(request).sessions.is_token(nonce, token):
        raise Forbidden("refused.token")


async def form_of(request: Request, operator: Operator, act: str) -> FormData:
    """The fields of the form that requests an act.

    Raises Forbidden for a request from elsewhere, an act that the operator's role does not permit, and a wrong token.
    """
    check_origin(request)
    if not can(operator, act):
        raise Forbidden("refused.role")
    form = await read_form(request, max_files=0, max_fields=MAX_FIELDS)
    check_token(request, operator.nonce, form.get(TOKEN_FIELD))
    return form


def text_of(form: FormData, name: str) -> str:
    """A field's text, trimmed; "" without one."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def audit(operator: Operator, act: str, **fields: Any) -> None:
    """Logs an act after it was done; ``fields`` say to what."""
    log.info("operator.acted", act=act, actor=operator.actor, **fields)
