"""Parses and checks ALODIAL_API_KEYS: which key may do what over HTTP and in the monitor. No I/O."""

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
    """The rights of one key, without its secret.

    ``scope`` is the beginning of its digest and names it in the store; ``name`` owns the calls that it places ("" for
    none); with ``own`` it sees and changes only what it owns.
    """

    scope: str
    name: str
    roles: frozenset[str]
    own: bool

    @property
    def actor(self) -> str:
        """The key as logs and activity name it."""
        return f"key:{self.name or self.scope}"

    @property
    def owner_filter(self) -> str:
        """The owner to which its lists are limited, "" for all owners."""
        return self.name if self.own else ""

    def can_see(self, owner: str | None) -> bool:
        return not self.own or owner == self.name

    def has_role(self, role: Role) -> bool:
        return role in self.roles


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def read_key(text: str, number: int) -> tuple[bytes, ApiKey]:
    """Returns the digest and the rights of ``KEY`` or ``KEY;name=shop;roles=submit+read;own``.

    ``number`` is the entry's place in the setting, from 1. Raises ConfigurationError, whose text never holds the key.
    """

    def invalid(reason: str) -> ConfigurationError:
        return ConfigurationError(f"ALODIAL_API_KEYS: entry {number} {reason}")

    secret, *attributes = (part.strip() for part in text.split(";"))
    if not secret:
        raise invalid("has no key; write KEY;name=shop;roles=submit+read;own")
    name, own = "", False
    roles: frozenset[str] = frozenset(ROLES)
    labels: set[str] = set()
    for attribute in attributes:
        label, _, value = attribute.partition("=")
        if label in labels:
            raise (
                invalid(f"says {label} twice") if label in ("name", "roles", "own") else invalid("says something twice")
            )
        labels.add(label)
        if label == "name":
            if not _NAME.fullmatch(value):
                raise invalid("has an unusable name; write a to z, 0 to 9, - and _, up to 32")
            name = value
        elif label == "roles":
            roles = frozenset(value.split("+"))
            if not roles <= set(ROLES):
                raise invalid(f"has an unknown role; use {', '.join(ROLES)} with + between them")
        elif attribute == "own":
            own = True
        else:
            raise invalid("has an attribute that is none of name=, roles= and own")
    if own and not name:
        raise invalid("is marked own and has no name; add name=shop, which will own its calls")
    digest = digest_of(secret)
    return digest, ApiKey(digest.hex()[:16], name, roles, own)


class ApiKeys:
    """All keys of an installation. They are compared by digest in constant time, so that timing shows not even a length.

    Raises ConfigurationError for an entry that is invalid or repeated.
    """

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        for number, key in enumerate(keys, start=1):
            digest, api_key = read_key(key.get_secret_value(), number)
            if digest in self._keys:
                raise ConfigurationError(f"ALODIAL_API_KEYS: entry {number} is the key of an earlier one")
            self._keys[digest] = api_key

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, secret: str) -> ApiKey | None:
        """Returns the key with this secret, None when there is none."""
        match: ApiKey | None = None
        digest = digest_of(secret)
        for known, api_key in self._keys.items():
            if hmac.compare_digest(known, digest):
                match = api_key
        return match

    def find_by_scope(self, scope: str) -> ApiKey | None:
        return next((key for key in self._keys.values() if key.scope == scope), None)

    def fingerprint(self) -> bytes:
        """Returns a text that changes when any key is added, changed or removed."""
        return b"\0".join(sorted(self._keys))
