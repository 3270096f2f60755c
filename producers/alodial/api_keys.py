"""Who may use the HTTP interface and the monitor, and for what: ALODIAL_API_KEYS read and checked. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

from .errors import ConfigurationError

Role = Literal["submit", "read", "operate"]
ROLES: Final[tuple[Role, ...]] = ("submit", "read", "operate")

MEANINGS: Final[dict[Role, str]] = {
    "submit": "place calls and campaigns, cancel its own",
    "read": "look at calls, campaigns and events",
    "operate": "cancel, redial, pause, resume and stop whatever there is",
}

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. ``scope`` names it without telling it; ``name`` is the owner of what it makes, "" for none; with ``own`` it
    sees and touches nothing else."""

    scope: str
    name: str
    roles: frozenset[str]
    own: bool

    @property
    def actor(self) -> str:
        """For logs and activity."""
        return f"key:{self.name or self.scope}"

    @property
    def only(self) -> str:
        """The owner that it is limited to, "" for all."""
        return self.name if self.own else ""

    def sees(self, owner: str | None) -> bool:
        return not self.own or owner == self.name

    def may(self, role: Role) -> bool:
        return role in self.roles


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def read_key(text: str, number: int) -> tuple[bytes, ApiKey]:
    """``KEY`` or ``KEY;name=shop;roles=submit+read;own``. Raises ConfigurationError, which never tells the key."""

    def wrong(why: str) -> ConfigurationError:
        return ConfigurationError(f"ALODIAL_API_KEYS: entry {number} {why}")

    secret, *attributes = (part.strip() for part in text.split(";"))
    if not secret:
        raise wrong("has no key; write KEY;name=shop;roles=submit+read;own")
    name, own = "", False
    roles: frozenset[str] = frozenset(ROLES)
    seen: set[str] = set()
    for attribute in attributes:
        label, _, value = attribute.partition("=")
        if label in seen:
            raise wrong(f"says {label} twice") if label in ("name", "roles", "own") else wrong("says something twice")
        seen.add(label)
        if label == "name":
            if not _NAME.fullmatch(value):
                raise wrong("has an unusable name; write a to z, 0 to 9, - and _, up to 32")
            name = value
        elif label == "roles":
            given = value.split("+")
            if not set(given) <= set(ROLES):
                raise wrong(f"has an unknown role; use {', '.join(ROLES)} with + between them")
            roles = frozenset(given)
        elif attribute == "own":
            own = True
        else:
            raise wrong("has an attribute that is none of name=, roles= and own")
    if own and not name:
        raise wrong("is marked own and has no name; add name=shop, under which what it makes is kept")
    digest = digest_of(secret)
    return digest, ApiKey(digest.hex()[:16], name, frozenset(roles), own)


class ApiKeys:
    """All keys, compared in constant time by their digests: not even a length shows in the time it takes."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        for number, key in enumerate(keys, start=1):
            digest, read = read_key(key.get_secret_value(), number)
            if digest in self._keys:
                raise ConfigurationError(f"ALODIAL_API_KEYS: entry {number} is the key of an earlier one")
            self._keys[digest] = read

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, given: str) -> ApiKey | None:
        """None when it is none of ours."""
        found: ApiKey | None = None
        digest = digest_of(given)
        for known, key in self._keys.items():
            if hmac.compare_digest(known, digest):
                found = key
        return found

    def of_scope(self, scope: str) -> ApiKey | None:
        return next((key for key in self._keys.values() if key.scope == scope), None)

    def fingerprint(self) -> bytes:
        """Changes with any key."""
        return b"\0".join(sorted(self._keys))
