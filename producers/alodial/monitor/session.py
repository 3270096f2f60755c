"""Who signed in: a signed cookie, and the tokens that their forms carry."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass

from ..api_keys import ApiKey, ApiKeys

LASTS = 12 * 3600
"""Seconds that a sign-in holds: a working day with its overtime."""

MAX_COOKIE = 1024
NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who signed in with an API key; ``name`` is what they said, or ""."""

    api_key: ApiKey
    name: str
    nonce: str
    expires: int

    @property
    def actor(self) -> str:
        """For logs: the name they gave is their word, the key's is proven."""
        key = self.api_key.name or self.api_key.scope[:6]
        return f"{self.name} (key {key})" if self.name else f"key {key}"


class Sessions:
    """Makes and reads the cookies of one set of API keys; another set of keys makes every older cookie worthless."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._secret = hmac.digest(b"alodial monitor 2", keys.fingerprint(), "sha256")
        self._ended: dict[str, int] = {}

    def __bool__(self) -> bool:
        """False while there is no key to sign in with."""
        return bool(self._keys)

    def open(self, key: str, name: str = "") -> Operator | None:
        """A new session for that API key; None when it is none of ours."""
        found = self._keys.find(key)
        if found is None:
            return None
        plain = "".join(ch for ch in name if ch.isprintable()).strip()[:NAME_LENGTH]
        return Operator(found, plain, secrets.token_hex(16), int(time.time()) + LASTS)

    def cookie(self, operator: Operator) -> str:
        told = {"k": operator.api_key.scope, "n": operator.name, "r": operator.nonce, "e": operator.expires}
        body = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
        return f"{body}.{self._sign('session', body)}"

    def read(self, cookie: str) -> Operator | None:
        """The session of a cookie; None when it is forged, over or signed out."""
        body, _, signature = cookie.partition(".")
        if not self or len(cookie) > MAX_COOKIE or not self._signed("session", body, signature):
            return None
        told = json.loads(base64.urlsafe_b64decode(body))
        key = self._keys.of_scope(told["k"])
        if key is None:
            return None
        operator = Operator(key, told["n"], told["r"], told["e"])
        return None if operator.expires <= time.time() or operator.nonce in self._ended else operator

    def end(self, operator: Operator) -> None:
        """Signs out: this process takes a copy of the cookie no longer."""
        now = int(time.time())
        self._ended = {nonce: at for nonce, at in self._ended.items() if at > now}
        self._ended[operator.nonce] = operator.expires

    def token(self, nonce: str) -> str:
        """What a form made for that nonce carries."""
        return self._sign("form", nonce)

    def is_token(self, nonce: str, given: str) -> bool:
        return bool(nonce) and self._signed("form", nonce, given)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(
            self._secret, f"{purpose}\0{text}".encode("utf-8", "surrogateescape"), hashlib.sha256
        ).hexdigest()

    def _signed(self, purpose: str, text: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(purpose, text).encode(), signature.encode("utf-8", "surrogateescape"))
