"""Sessions: a signed cookie with the operator, and the tokens of their forms. Nothing is stored on the server."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass

from ..api_keys import ApiKey, ApiKeys

SESSION_SECONDS = 12 * 3600
"""A long working day."""

MAX_COOKIE = 1024
NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who signed in with an API key. ``name`` is what they typed, or ""; ``expires`` is Unix seconds."""

    api_key: ApiKey
    name: str
    nonce: str
    expires: int

    @property
    def actor(self) -> str:
        """The name for logs. The typed name proves nothing, so the key's stands beside it."""
        key = self.api_key.name or self.api_key.scope[:6]
        return f"{self.name} (key {key})" if self.name else f"key {key}"


class Sessions:
    """Makes and reads the cookies of one set of API keys. Another set of keys makes all older cookies invalid."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._secret = hmac.digest(b"alodial monitor 2", keys.fingerprint(), "sha256")
        self._ended: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there is a key to sign in with."""
        return bool(self._keys)

    def open(self, key: str, name: str = "") -> Operator | None:
        """A new session for an API key; None for an unknown key."""
        api_key = self._keys.find(key)
        if api_key is None:
            return None
        plain = "".join(ch for ch in name if ch.isprintable()).strip()[:NAME_LENGTH]
        return Operator(api_key, plain, secrets.token_hex(16), int(time.time()) + SESSION_SECONDS)

    def cookie(self, operator: Operator) -> str:
        """The cookie's value. It holds the key's scope, never the key."""
        fields = {"k": operator.api_key.scope, "n": operator.name, "r": operator.nonce, "e": operator.expires}
        body = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()
        return f"{body}.{self._sign('session', body)}"

    def read(self, cookie: str) -> Operator | None:
        """The operator of a cookie; None when it is forged, expired or signed out."""
        body, _, signature = cookie.partition(".")
        if not self or len(cookie) > MAX_COOKIE or not self._signed("session", body, signature):
            return None
        fields = json.loads(base64.urlsafe_b64decode(body))
        key = self._keys.find_by_scope(fields["k"])
        if key is None:
            return None
        operator = Operator(key, fields["n"], fields["r"], fields["e"])
        return None if operator.expires <= time.time() or operator.nonce in self._ended else operator

    def end(self, operator: Operator) -> None:
        """Signs out: this process no longer accepts a copy of the cookie."""
        now = int(time.time())
        self._ended = {nonce: at for nonce, at in self._ended.items() if at > now}
        self._ended[operator.nonce] = operator.expires

    def token(self, nonce: str) -> str:
        """The token of the forms of a nonce, a session's or a visit's."""
        return self._sign("form", nonce)

    def is_token(self, nonce: str, token: str) -> bool:
        """Whether a token was made for the nonce."""
        return bool(nonce) and self._signed("form", nonce, token)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(
            self._secret, f"{purpose}\0{text}".encode("utf-8", "surrogateescape"), hashlib.sha256
        ).hexdigest()

    def _signed(self, purpose: str, text: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(purpose, text).encode(), signature.encode("utf-8", "surrogateescape"))
