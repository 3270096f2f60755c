"""Sessions of people: a random cookie, what Redis knows of it, and the tokens of its forms."""

import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from ..api_keys import ApiKey
from ..errors import StoreUnavailable
from ..store import sessions
from ..store.client import AsyncStore
from ..web.key_ring import KeyRing

SESSION_SECONDS = 12 * 3600
"""A long working day."""
IDLE_SECONDS = 3600
"""Without any request, an open page's updates included."""
CHECK_SECONDS = 3600
"""How long a key that was given is enough for the acts that concern everybody; then it is asked for again."""

MAX_COOKIE = 256
MAX_REMEMBERED = 1000
NAME_LENGTH = 40
AGENT_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Operator:
    """A person in the monitor, and their session.

    ``name`` is what they typed, or "": it proves nothing. ``id`` names the session in lists and opens nothing. ``opened``
    and ``checked``, when the key was last given, are Unix seconds.
    """

    api_key: ApiKey
    name: str
    id: str
    nonce: str
    opened: int
    checked: int
    address: str = ""
    agent: str = ""

    @property
    def actor(self) -> str:
        """The key's name, which is known for certain, then the name that was typed."""
        return f"{self.api_key.actor} ({self.name})" if self.name else self.api_key.actor

    @property
    def ends(self) -> int:
        return self.opened + SESSION_SECONDS

    def must_give_key(self) -> bool:
        """Whether the key was last given too long ago for an act that concerns everybody."""
        if self.api_key.person:
            return False  # the proxy signed them in, and decides for how long
        return time.time() - self.checked > CHECK_SECONDS


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in the list of sessions: ``seen`` is Unix seconds of its last request."""

    operator: Operator
    seen: int


def form_token(nonce: str, text: str = "") -> str:
    """The token of the forms of a session or a visit; ``text`` ties it to something else, such as a filter."""
    return hmac.digest(nonce.encode(), f"form\0{text}".encode("utf-8", "surrogateescape"), "sha256").hex()


def is_form_token(nonce: str, token: str, text: str = "") -> bool:
    """Whether a token was made for the nonce and the text."""
    return bool(nonce) and hmac.compare_digest(
        form_token(nonce, text).encode(), token.encode("utf-8", "surrogateescape")
    )


def typed_name(text: str) -> str:
    """A name as it may stand in the log: without the signs with which it could pass for a key's name."""
    plain = "".join(ch for ch in text if ch.isalnum() or ch in " .'’‘-_")
    return " ".join(plain.split())[:NAME_LENGTH]


class Sessions:
    """Opens, reads and ends sessions, which all web processes share. All raise StoreUnavailable without Redis."""

    def __init__(self, keys: KeyRing, store: AsyncStore) -> None:
        self.keys = keys
        self._store = store
        self._remembered: OrderedDict[str, Operator] = OrderedDict()

    async def open(self, api_key: ApiKey, name: str = "", address: str = "", agent: str = "") -> tuple[str, Operator]:
        """A new session for a key; returns its cookie too. Nothing in the cookie comes from the key."""
        cookie = secrets.token_urlsafe(32)
        now = int(time.time())
        plain_agent = "".join(ch for ch in agent if ch.isprintable())[:AGENT_LENGTH]
        operator = Operator(
            api_key, typed_name(name), _id(cookie), secrets.token_hex(16), now, now, address, plain_agent
        )
        await self._write(operator)
        self._remember(operator)
        return cookie, operator

    async def take_link(self, code: str) -> ApiKey | None:
        """The key that a sign-in link of ``alodial dev`` signs in with, at its first use; else None."""
        scope = await self._store.call(sessions.take_link, code)
        return None if scope is None else self.keys.find_by_scope(scope)

    async def read(self, cookie: str, person: ApiKey | None = None) -> Operator | None:
        """The operator of a cookie; None when it is forged, expired or signed out, or its key is gone.

        The session of a ``person`` is theirs alone, as long as the proxy names them, and with the roles of now.
        Raises StoreUnavailable, except for a session that this process has seen.
        """
        if not cookie or len(cookie) > MAX_COOKIE:
            return None
        id = _id(cookie)
        try:
            record = await self._store.call(sessions.read, id, idle=IDLE_SECONDS)
        except StoreUnavailable:
            # Without Redis nothing can be changed. The screen that says so still opens, for sessions that were seen here.
            if id not in self._remembered:
                raise
            return self._remembered[id]
        operator = self._operator(id, record, person)
        if operator is not None and operator.api_key.person and person is None:
            operator = None
        self._remembered.pop(id, None)
        if operator is not None:
            self._remember(operator)
        return operator

    async def confirm(self, operator: Operator) -> Operator:
        """The session after its key was given again."""
        fresh = replace(operator, checked=int(time.time()))
        await self._write(fresh)
        return fresh

    async def end(self, *ids: str) -> None:
        """Signs out: no process accepts the cookies of these sessions any more."""
        for id in ids:
            self._remembered.pop(id, None)
        await self._store.call(sessions.end, *ids)

    async def listing(self) -> list[SessionRow]:
        """All open sessions, the newest first."""
        now = int(time.time())
        rows = []
        for stored in await self._store.call(sessions.listing, idle=IDLE_SECONDS):
            operator = self._operator(stored.id, stored.record)
            if operator is not None:
                rows.append(SessionRow(operator, now - stored.idle))
        return rows

    def _remember(self, operator: Operator) -> None:
        self._remembered[operator.id] = operator
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    async def _write(self, operator: Operator) -> None:
        fields = {
            "key": operator.api_key.scope,
            "person": operator.api_key.person,
            "name": operator.name,
            "nonce": operator.nonce,
            "opened": operator.opened,
            "checked": operator.checked,
            "address": operator.address,
            "agent": operator.agent,
        }
        record = json.dumps(fields)
        scope = operator.api_key.scope
        await self._store.run(sessions.write(operator.id, record, scope=scope, idle=IDLE_SECONDS, ends=operator.ends))

    def _operator(self, id: str, record: str | None, person: ApiKey | None = None) -> Operator | None:
        if record is None:
            return None
        fields = json.loads(record)
        key: ApiKey | None
        if name := fields.get("person"):
            if person is not None and person.person != name:
                return None
            # In lists of sessions nobody needs their roles.
            key = person or ApiKey(fields["key"], "", frozenset(), own=False, person=name)
        else:
            key = self.keys.find_by_scope(fields["key"])
        if key is None or 1000 * fields["opened"] < key.since or fields["opened"] + SESSION_SECONDS <= time.time():
            return None
        return Operator(
            key,
            fields["name"],
            id,
            fields["nonce"],
            fields["opened"],
            fields["checked"],
            fields["address"],
            fields["agent"],
        )


def _id(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
