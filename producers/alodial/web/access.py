"""Who may ask: API keys, compared in constant time."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends
from pydantic import SecretStr
from starlette.requests import Request

from .problems import Refusal

_HEADERS = {"WWW-Authenticate": 'Bearer realm="alodial"'}


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


class Secrets:
    """A few secrets, any of which opens. Digests are compared, so that not even a length shows in the time it takes."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._digests = [_digest(secret.get_secret_value().encode()) for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def scope_of(self, given: str) -> str | None:
        """A short name of the secret that was given, which does not tell it; None when it is none of ours."""
        found: str | None = None
        digest = _digest(given.encode("utf-8", "surrogateescape"))
        for known in self._digests:
            if hmac.compare_digest(known, digest):
                found = known.hex()[:16]
        return found


def _bearer(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, key = values[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    # Header bytes come decoded as Latin-1; a key in the settings is UTF-8.
    return key.strip().encode("latin-1").decode("utf-8", "surrogateescape")


async def caller(request: Request) -> str:
    """The scope of the key in ``Authorization``. Raises Refusal 401. Async, or FastAPI would run it in a thread."""
    keys: Secrets = request.app.state.keys
    if not keys:
        detail = "This installation has no API keys yet: set ALODIAL_API_KEYS and start it again."
        raise Refusal(401, "unauthorized", detail, headers=_HEADERS)
    given = _bearer(request)
    scope = None if given is None else keys.scope_of(given)
    if scope is None:
        detail = "Send the header Authorization: Bearer KEY with one of ALODIAL_API_KEYS."
        raise Refusal(401, "unauthorized", detail, headers=_HEADERS)
    return scope


Caller = Annotated[str, Depends(caller)]
"""A route's parameter: the scope of the key that the caller sent."""
