"""Parses and checks ALODIAL_API_KEYS: which key may do what over HTTP and in the monitor. No I/O.

Keys that are made at run time are in ``store/key_records.py``; both kinds become an :class:`ApiKey`.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

from .errors import ConfigurationError
from .key_limits import LIMIT_NAMES, NO_LIMITS, KeyLimits, read_limits

Role = Literal["submit", "read", "operate"]
ROLES: Final[tuple[Role, ...]] = ("submit", "read", "operate")

MEANINGS: Final[dict[Role, str]] = {
    "submit": "place calls and campaigns, cancel its own",
    "read": "look at calls, campaigns and events",
    "operate": "cancel, redial, pause, resume and stop whatever there is",
}

KEY_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MIN_SECRET: Final = 16
"""Characters: a shorter secret can be guessed."""
_LABELS: Final = frozenset({"name", "roles", "own", *LIMIT_NAMES})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The rights of one key, without its secret.

    ``scope`` names it in the store and is shown to nobody; ``name`` owns the calls that it
    places ("" for none); with ``own`` it sees and changes only what it owns. ``limits`` are what it may use at most,
    ``number`` is its place in the setting, 0 for a key that was made at run time. Sessions
    from before ``since`` (Unix ms), when its secret was changed, are over.
    ``person`` is the name of somebody whom a trusted proxy signed in, who has these rights without a key.
    """

    scope: str
    name: str
    roles: frozenset[str]
    own: bool
    limits: KeyLimits = NO_LIMITS
    number: int = 0
    since: int = 0
    person: str = ""

    @property
    def actor(self) -> str:
        """The key as logs and activity name it: nothing in it comes from the secret."""
        return f"user:{self.person}" if self.person else f"key:{self.name or f'#{self.number}'}"

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


def read_key(text: str, number: int, own_limits: KeyLimits = NO_LIMITS) -> tuple[bytes, ApiKey]:
    """Returns the digest and the rights of ``KEY`` or ``KEY;name=shop;roles=submit+read;own;daily_calls=1000``.

    ``number`` is the entry's place in the setting, from 1; ``own_limits`` are those of a key marked own that names no
    others. Raises ConfigurationError, whose text never holds the key.
    """

    def invalid(reason: str) -> ConfigurationError:
        return ConfigurationError(f"ALODIAL_API_KEYS: entry {number} {reason}")

    secret, *attributes = (part.strip() for part in text.split(";"))
    if not secret:
        raise invalid("has no key; write KEY;name=shop;roles=submit+read;own")
    name, own = "", False
    roles: frozenset[str] = frozenset(ROLES)
    labels: set[str] = set()
    limits: dict[str, str] = {}
    for attribute in attributes:
        label, _, value = attribute.partition("=")
        if label in labels:
            raise (invalid(f"says {label} twice") if label in _LABELS else invalid("says something twice"))
        labels.add(label)
        if label == "name":
            if not KEY_NAME.fullmatch(value):
                raise invalid("has an unusable name; write a to z, 0 to 9, - and _, up to 32")
            name = value
        elif label == "roles":
            roles = frozenset(value.split("+"))
            if not roles <= set(ROLES):
                raise invalid(f"has an unknown role; use {', '.join(ROLES)} with + between them")
        elif attribute == "own":
            own = True
        elif label in LIMIT_NAMES:
            limits[label] = value
        else:
            raise invalid(f"has an attribute that is none of name=, roles=, own and {'=, '.join(LIMIT_NAMES)}=")
    if own and not name:
        raise invalid("is marked own and has no name; add name=shop, which will own its calls")
    digest = digest_of(secret)
    try:
        key_limits = read_limits(limits, own_limits if own else NO_LIMITS)
    except ValueError as exc:
        raise invalid(f"has an unusable limit: {exc}") from None
    return digest, ApiKey(digest.hex()[:16], name, roles, own, limits=key_limits, number=number)


def check_length(setting: str, secrets: Iterable[SecretStr]) -> None:
    """Raises ConfigurationError, which names the setting and the entry's place, for a secret that can be guessed."""
    for number, secret in enumerate(secrets, start=1):
        if len(secret.get_secret_value().partition(";")[0].strip()) < MIN_SECRET:
            raise ConfigurationError(
                f"{setting}: entry {number} is shorter than {MIN_SECRET} characters and can be guessed; "
                "make another: openssl rand -hex 24"
            )


class ApiKeys:
    """All keys of the settings. They are compared by digest in constant time, so that timing shows not even a length.

    Raises ConfigurationError for an entry that is invalid or repeated.
    """

    def __init__(self, keys: Iterable[SecretStr], own_limits: KeyLimits = NO_LIMITS) -> None:
        self.own_limits = own_limits
        self._keys: dict[bytes, ApiKey] = {}
        for number, key in enumerate(keys, start=1):
            digest, api_key = read_key(key.get_secret_value(), number, own_limits)
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

    def listing(self) -> list[ApiKey]:
        """All keys in the order of the setting."""
        return list(self._keys.values())
