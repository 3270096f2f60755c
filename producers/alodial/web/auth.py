"""Authenticates requests by API key and checks roles, owners and request rates."""

import hmac
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends
from pydantic import SecretStr
from starlette.requests import Request

from ..api_keys import MEANINGS, ApiKey, Role, digest_of
from ..errors import NotFound
from .key_ring import KeyRing
from .problems import RETRY_AFTER, Refusal
from .rate_limit import RateLimiter, retry_after

MIN_SHOWN = 16
"""Characters of a key from which its first two may be repeated to its sender: they give away nothing then."""

_HEADERS = {"WWW-Authenticate": 'Bearer realm="alodial"'}

ROWS_OF_A_REQUEST = 100
"""Rows in a body that count as one more request of their key."""
EXPORT_COST = 10
"""Requests as which an export or a report counts."""

WRONG_KEYS_PER_SECOND = 0.5
WRONG_KEYS_BURST = 20
"""Wrong keys from one address before it must wait. They never delay a valid key."""


class SecretSet:
    """A few secrets, compared by digest in constant time, so that timing shows not even a length."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._digests = [digest_of(secret.get_secret_value()) for secret in secrets]

    def contains(self, secret: str) -> bool:
        digest = digest_of(secret)
        match = False
        for known in self._digests:
            match |= hmac.compare_digest(known, digest)
        return match

    def is_former(self, secret: str) -> bool:
        """Whether this one of them is not the first, so that whoever uses it has not learned of the change."""
        return len(self._digests) > 1 and not hmac.compare_digest(self._digests[0], digest_of(secret))


class Authenticator:
    """Finds the API key of a request and limits how often each key is used. Each web process counts by itself."""

    def __init__(self, keys: KeyRing, requests_per_second: float) -> None:
        self.keys = keys
        self._own: dict[tuple[str, float], RateLimiter] = {}
        self.files: Counter[str] = Counter()
        self._requests = RateLimiter(requests_per_second, max(1.0, requests_per_second))
        self._wrong_keys = RateLimiter(WRONG_KEYS_PER_SECOND, WRONG_KEYS_BURST)

    async def authenticate(self, secret: str | None, address: str) -> ApiKey | None:
        """Returns the key with this secret, None when there is none. ``address`` is the sender's, for counting wrong keys.

        Raises Refusal 429 when the key, or wrong keys from the address, come too often.
        """
        if secret is None:
            return None
        api_key = await self.keys.look_up(secret)
        if api_key is not None:
            wait = self._requests.take(api_key.scope)
            detail = "This key asks more often than ALODIAL_API_REQUESTS_PER_SECOND allows."
            rate = api_key.limits.requests_per_second
            if not wait and rate and (own_wait := self._limiter_of(api_key).take(api_key.scope)):
                headers = {"Retry-After": retry_after(own_wait)}
                text = f"This key may ask {rate:g} times a second."
                raise Refusal(429, "limit_reached", text, headers=headers, limit="requests_per_second")
        else:
            self.keys.note_wrong(address)
            wait = self._wrong_keys.take(address)
            detail = "Too many wrong keys came from this address."
        if wait:
            raise Refusal(429, "too_many_requests", detail, headers={"Retry-After": retry_after(wait)})
        return api_key

    def _limiter_of(self, api_key: ApiKey) -> RateLimiter:
        rate = api_key.limits.requests_per_second
        return self._own.setdefault((api_key.scope, rate), RateLimiter(rate, max(1.0, rate)))

    def charge(self, api_key: ApiKey, requests: float) -> None:
        """Counts a request that costs more than others as so many further ones: the key's next request waits for them."""
        self._requests.owe(api_key.scope, requests)
        if api_key.limits.requests_per_second:
            self._limiter_of(api_key).owe(api_key.scope, requests)


def charge_rows(request: Request, api_key: ApiKey, rows: int) -> None:
    """Counts the rows of a request's body for the key's requests a second."""
    request.app.state.authenticator.charge(api_key, rows / ROWS_OF_A_REQUEST)


@contextmanager
def file_slot(request: Request, api_key: ApiKey) -> Iterator[None]:
    """Counts a file that the key sends while it is received and read. Raises Refusal 429 above its limit ``files``."""
    files, limit = request.app.state.authenticator.files, api_key.limits.files
    if limit and files[api_key.scope] >= limit:
        headers = {"Retry-After": RETRY_AFTER}
        detail = f"This key sends files already, as many as its limit says: {limit}."
        raise Refusal(429, "limit_reached", detail, headers=headers, limit="files")
    files[api_key.scope] += 1
    try:
        yield
    finally:
        files[api_key.scope] -= 1


def _bearer(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, secret = values[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    # Header bytes come decoded as Latin-1; a key in the settings is UTF-8.
    return secret.strip().encode("latin-1").decode("utf-8", "surrogateescape")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def beginning(key: str) -> str:
    """The first two characters of a key that is long enough to show them; "" for another."""
    return key[:2] if len(key) >= MIN_SHOWN and key[:2].isprintable() and key[:2].isascii() else ""


async def caller(request: Request) -> ApiKey:
    """Returns the key in the header ``Authorization``. Raises Refusal 401 without a valid key, 429 when it comes too often."""
    authenticator: Authenticator = request.app.state.authenticator
    api_key = await authenticator.authenticate(_bearer(request), address_of(request))
    if api_key is not None:
        return api_key
    bearer = _bearer(request)
    detail = "Send the header Authorization: Bearer KEY with one of ALODIAL_API_KEYS or of `alodial keys list`."
    if not authenticator.keys:
        detail = "This installation has no API keys yet: alodial keys create NAME, or set ALODIAL_API_KEYS and start it again."
    elif bearer:
        begins = beginning(bearer)
        known = f"; it begins with {begins}…" if begins else ""
        detail = f"This key is not known{known}. Compare it with ALODIAL_API_KEYS and `alodial keys list`."
    title = "The API key is not known" if authenticator.keys and bearer else ""
    raise Refusal(401, "unauthorized", detail, headers=_HEADERS, title=title)


def require_role(api_key: ApiKey, *roles: Role) -> ApiKey:
    """Returns the key. Raises Refusal 403 when it has none of the roles."""
    if not any(api_key.has_role(role) for role in roles):
        missing = " or ".join(f"{role} ({MEANINGS[role]})" for role in roles)
        raise Refusal(
            403,
            "forbidden",
            f"This key lacks the role {missing}; give it in ALODIAL_API_KEYS, or make a key that has it.",
        )
    return api_key


def require_visible(api_key: ApiKey, owner: str | None, name: str, kind: str = "call") -> None:
    """Raises NotFound, as if the record did not exist, when the key may not see this owner's records."""
    if not api_key.can_see(owner):
        raise NotFound(f"no {kind} {name}")


def require_write(api_key: ApiKey, owner: str | None, name: str, kind: str = "call") -> None:
    """Raises NotFound for a record that the key may not see, Refusal 403 for one that it sees and may not change."""
    require_visible(api_key, owner, name, kind)
    if not api_key.has_role("operate") and (not api_key.name or owner != api_key.name):
        raise Refusal(403, "forbidden", f"This {kind} is not this key's own: that takes the role operate.")


def requires(
    *roles: Role, all_owners: bool = False, cost: float = 1
) -> Callable[[Request], Coroutine[Any, Any, ApiKey]]:
    """Returns a dependency that gives a route its key. ``all_owners``: a key marked own gets Refusal 403. The route counts as
    ``cost`` requests of the key."""

    async def dependency(request: Request) -> ApiKey:
        # Async, or FastAPI would run it in a thread.
        api_key = require_role(await caller(request), *roles)
        if all_owners and api_key.own:
            raise Refusal(403, "forbidden", "This key is marked own, and what is asked for belongs to everybody.")
        if cost > 1:
            request.app.state.authenticator.charge(api_key, cost - 1)
        request.state.api_key = api_key  # for the audit
        return api_key

    return dependency


Submitter = Annotated[ApiKey, Depends(requires("submit"))]
Reader = Annotated[ApiKey, Depends(requires("read"))]
Exporter = Annotated[ApiKey, Depends(requires("read", cost=EXPORT_COST))]
Writer = Annotated[ApiKey, Depends(requires("submit", "operate"))]
"""May change its own records with ``submit``, all with ``operate``; the route calls :func:`require_write`."""

GlobalOperator = Annotated[ApiKey, Depends(requires("operate", all_owners=True))]
GlobalReader = Annotated[ApiKey, Depends(requires("read", all_owners=True))]
"""For records without an owner: logs, webhook endpoints, the do-not-call list."""
