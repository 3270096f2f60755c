"""Who may ask for what: API keys with roles, and how often."""

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any

from fastapi import Depends
from pydantic import SecretStr
from starlette.requests import Request

from ..api_keys import MEANINGS, ApiKey, ApiKeys, Role
from ..errors import NotFound
from .problems import Refusal
from .rate_limit import RateLimiter, retry_after

_HEADERS = {"WWW-Authenticate": 'Bearer realm="alodial"'}

WRONG_A_SECOND = 0.5
WRONG_AT_ONCE = 20
"""Wrong keys from one address before it is told to wait. A right key is never kept waiting by them."""


class SecretSet:
    """A few secrets, any of which opens. Digests are compared, so that not even a length shows in the time it takes."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._digests = [hashlib.sha256(secret.get_secret_value().encode()).digest() for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def opens(self, given: str) -> bool:
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class Authenticator:
    """The keys of one app and how often each was used. In each web process by itself."""

    def __init__(self, keys: ApiKeys, requests_per_second: float) -> None:
        self.keys = keys
        self._asked = RateLimiter(requests_per_second, max(1.0, requests_per_second))
        self._wrong = RateLimiter(WRONG_A_SECOND, WRONG_AT_ONCE)

    def enter(self, given: str | None, address: str) -> ApiKey | None:
        """The key, None when it is none of ours. Raises Refusal 429."""
        key = None if given is None else self.keys.find(given)
        if key is None:
            if given is not None and (wait := self._wrong.take(address)):
                detail = "Too many wrong keys came from this address."
                raise Refusal(429, "too_many_requests", detail, headers={"Retry-After": retry_after(wait)})
            return None
        if wait := self._asked.take(key.scope):
            detail = "This key asks more often than ALODIAL_API_REQUESTS_PER_SECOND allows."
            raise Refusal(429, "too_many_requests", detail, headers={"Retry-After": retry_after(wait)})
        return key


def _bearer(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, key = values[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    # Header bytes come decoded as Latin-1; a key in the settings is UTF-8.
    return key.strip().encode("latin-1").decode("utf-8", "surrogateescape")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def caller(request: Request) -> ApiKey:
    """The key in ``Authorization``. Raises Refusal 401, 429."""
    door: Authenticator = request.app.state.door
    if not door.keys:
        detail = "This installation has no API keys yet: set ALODIAL_API_KEYS and start it again."
        raise Refusal(401, "unauthorized", detail, headers=_HEADERS)
    key = door.enter(_bearer(request), address_of(request))
    if key is None:
        detail = "Send the header Authorization: Bearer KEY with one of ALODIAL_API_KEYS."
        raise Refusal(401, "unauthorized", detail, headers=_HEADERS)
    return key


def require_role(key: ApiKey, *roles: Role) -> ApiKey:
    """Raises Refusal 403 when it has none of them."""
    if not any(key.may(role) for role in roles):
        wanted = " or ".join(f"{role} ({MEANINGS[role]})" for role in roles)
        raise Refusal(403, "forbidden", f"This key lacks the role {wanted}; give it in ALODIAL_API_KEYS.")
    return key


def require_full_view(key: ApiKey) -> ApiKey:
    """Raises Refusal 403 for a key that sees only its own."""
    if key.own:
        raise Refusal(403, "forbidden", "This key is marked own, and what is asked for belongs to everybody.")
    return key


def require_visible(key: ApiKey, owner: str | None, name: str, kind: str = "call") -> None:
    """Raises NotFound for what the key may not see, as if it were not there."""
    if not key.sees(owner):
        raise NotFound(f"no {kind} {name}")


def requires(*roles: Role, all_owners: bool = False) -> Callable[[Request], Coroutine[Any, Any, ApiKey]]:
    async def needed(request: Request) -> ApiKey:
        # Async, or FastAPI would run it in a thread.
        key = require_role(caller(request), *roles)
        return require_full_view(key) if all_owners else key

    return needed


Submitter = Annotated[ApiKey, Depends(requires("submit"))]
Reader = Annotated[ApiKey, Depends(requires("read"))]
Steerer = Annotated[ApiKey, Depends(requires("submit", "operate"))]
"""Of what is its own with ``submit``, of anything with ``operate``: the route looks which."""

Operating = Annotated[ApiKey, Depends(requires("operate", all_owners=True))]
Watching = Annotated[ApiKey, Depends(requires("read", all_owners=True))]
"""Looks at what has no owner: logs, endpoints, the do-not-call list."""


def require_write(key: ApiKey, owner: str | None, name: str, kind: str = "call") -> None:
    """Raises NotFound for what it may not see, Refusal 403 for what it sees and may not touch."""
    require_visible(key, owner, name, kind)
    if not key.may("operate") and (not key.name or owner != key.name):
        raise Refusal(403, "forbidden", f"This {kind} is not this key's own: that takes the role operate.")
