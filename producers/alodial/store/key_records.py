"""API keys that are made, rotated and revoked at run time. Redis holds hashes of their secrets, never the secrets.

Web processes read all records when ``keys:version`` changed. A record is never deleted: its name owns calls, which
nobody else may come to see under the same name.
"""

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from ..api_keys import KEY_NAME, ROLES, ApiKey, ApiKeys, digest_of
from ..errors import InvalidKey, KeyConflict, NoKey
from ..key_limits import LATER_LIMITS, KeyLimits, limits_from_text, limits_to_text, read_limits, with_later_limits
from .answers import text
from .keys import Keys
from .records import iso
from .sansio import Steps

PREFIX: Final = "alodial_"
"""Begins each secret, so that scanners of repositories find it."""

MAX_KEYS: Final = 1000
MAX_SECRETS: Final = 3
"""Secrets of one key that are valid at the same time, after rotations with a time of grace."""


@dataclass(frozen=True, slots=True)
class SecretHash:
    """A secret's SHA-256: the secrets are random, so that no slow hash is needed. ``until`` is Unix ms, None for always."""

    digest: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as Redis holds it. ``limits`` is a text, times are Unix ms, ``scope`` and ``since`` are as in ApiKey."""

    name: str
    scope: str
    roles: tuple[str, ...]
    own: bool
    limits: str
    hashes: tuple[SecretHash, ...]
    created: int
    created_by: str
    expires: int | None = None
    revoked: int | None = None
    since: int = 0

    @classmethod
    def from_json(cls, raw: bytes) -> "KeyRecord":
        fields = json.loads(raw)
        hashes = tuple(SecretHash(**part) for part in fields.pop("hashes"))
        return cls(roles=tuple(fields.pop("roles")), hashes=hashes, **fields)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def is_valid(self, now: int) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)

    def has_secret(self, digest: bytes, now: int) -> bool:
        """Whether a secret with this digest opens the key now. Compares all hashes in constant time."""
        match = False
        for known in self.hashes:
            same = hmac.compare_digest(bytes.fromhex(known.digest), digest)
            match |= same and (known.until is None or now < known.until)
        return match and self.is_valid(now)

    @property
    def api_key(self) -> ApiKey:
        return ApiKey(
            self.scope,
            self.name,
            frozenset(self.roles),
            self.own,
            limits=limits_from_text(self.limits),
            since=self.since,
        )


@dataclass(frozen=True, slots=True)
class KeyListing:
    """A key as people and programs see it: nothing in it comes from a secret. ``source`` is ``store`` or ``settings``.

    ``state`` is active, expired or revoked; ``limits`` is as :func:`~alodial.key_limits.limits_from_text` reads it.
    """

    name: str
    source: str
    state: str
    roles: list[str]
    own: bool
    limits: str
    created_at: str | None
    created_by: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def with_defaults(record: KeyRecord, own_limits: KeyLimits) -> KeyRecord:
    """The key with the default of each limit that was not there yet when it was made."""
    if not record.own:
        return record
    return replace(record, limits=limits_to_text(with_later_limits(record.limits, own_limits), LATER_LIMITS))


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def listing_of(key: KeyRecord | ApiKey, used: Mapping[str, int], now: int) -> KeyListing:
    """A key's listing; ``used`` is what :func:`last_used` returns."""
    if isinstance(key, ApiKey):
        name, roles = key.actor.removeprefix("key:"), [str(role) for role in ROLES if role in key.roles]
        text_of_limits = limits_to_text(key.limits)
        return KeyListing(
            name,
            "settings",
            "active",
            roles,
            key.own,
            text_of_limits,
            None,
            None,
            None,
            None,
            _iso(used.get(key.actor)),
        )
    state = "revoked" if key.revoked is not None else "active" if key.is_valid(now) else "expired"
    return KeyListing(
        key.name,
        "store",
        state,
        list(key.roles),
        key.own,
        key.limits,
        iso(key.created),
        key.created_by,
        _iso(key.expires),
        _iso(key.revoked),
        _iso(used.get(f"key:{key.name}")),
    )


def listings(keys: Keys, of_settings: ApiKeys, now: int) -> Steps[list[KeyListing]]:
    """All keys, those of the settings first, then by name."""
    stored = yield from read_all(keys)
    records = {name: with_defaults(record, of_settings.own_limits) for name, record in stored.items()}
    used = yield from last_used(keys)
    return [
        *(listing_of(key, used, now) for key in of_settings.listing()),
        *(listing_of(records[name], used, now) for name in sorted(records)),
    ]


def new_record(
    name: str,
    roles: Iterable[str],
    *,
    own: bool,
    limits: Mapping[str, str],
    base: KeyLimits,
    expires: int | None,
    actor: str,
    now: int,
) -> tuple[KeyRecord, str]:
    """A new key and its secret. ``limits`` are texts by name, which change those of ``base``.

    Raises InvalidKey, which names the field.
    """
    if not KEY_NAME.fullmatch(name):
        raise InvalidKey("name", "is not usable", "write a to z, 0 to 9, - and _, up to 32", "key_name")
    chosen = tuple(role for role in ROLES if role in set(roles))
    if not chosen or set(roles) - set(ROLES):
        raise InvalidKey("roles", "has an unknown role or none", f"use {', '.join(ROLES)}", "key_roles")
    if expires is not None and expires <= now:
        raise InvalidKey("expires_at", "lies in the past", "give a time to come, or none", "key_past")
    try:
        key_limits = read_limits(limits, base)
    except ValueError as exc:
        raise InvalidKey("limits", str(exc), "correct it or leave it out") from None
    secret = PREFIX + secrets.token_urlsafe(32)
    hashes = (SecretHash(digest_of(secret).hex()),)
    scope = secrets.token_hex(8)
    text_of_limits = limits_to_text(key_limits, LATER_LIMITS if own else frozenset())
    return KeyRecord(name, scope, chosen, own, text_of_limits, hashes, now, actor, expires), secret


def rotated(record: KeyRecord, *, grace_ms: int, expires: int | None, now: int) -> tuple[KeyRecord, str]:
    """The key with a new secret; the secrets of before stay valid for ``grace_ms``. A revoked key is in use again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    if expires is None and record.expires is not None and record.expires <= now:
        raise InvalidKey("expires_at", "lies in the past", "give a new time with --expires", "key_past")
    kept = [
        replace(old, until=min(now + grace_ms, old.until or now + grace_ms))
        for old in record.hashes
        if grace_ms and record.is_valid(now) and (old.until is None or old.until > now)
    ]
    hashes = (SecretHash(digest_of(secret).hex()), *kept[: MAX_SECRETS - 1])
    return replace(record, hashes=hashes, revoked=None, expires=expires or record.expires, since=now), secret


def read_all(keys: Keys) -> Steps[dict[str, KeyRecord]]:
    """All records by name."""
    (rows,) = yield [("HGETALL", keys.KEYS)]
    pairs = rows.items() if isinstance(rows, dict) else zip(rows[::2], rows[1::2], strict=True)
    return {text(name): KeyRecord.from_json(raw) for name, raw in pairs}


def version(keys: Keys) -> Steps[str]:
    """A text that is another one after each change, "" before the first: a number would repeat in a store that was lost."""
    (value,) = yield [("GET", keys.KEYS_VERSION)]
    return text(value or b"")


def note_limits(keys: Keys, limits: Mapping[str, str]) -> Steps[None]:
    """Notes what the store counts for each named key, as :func:`~alodial.web.key_rules.counted_limits` writes it."""
    if limits:
        yield [("HSET", keys.KEYS_LIMITS, *(part for pair in limits.items() for part in pair))]


def _changed(keys: Keys) -> tuple[str, ...]:
    return ("SET", keys.KEYS_VERSION, secrets.token_hex(8))


def last_used(keys: Keys) -> Steps[dict[str, int]]:
    """When each key was last used, Unix ms, by its actor's name; exact to half a minute."""
    (rows,) = yield [("HGETALL", keys.KEYS_USED)]
    pairs = rows.items() if isinstance(rows, dict) else zip(rows[::2], rows[1::2], strict=True)
    return {text(name): int(value) for name, value in pairs}


def note_used(keys: Keys, times: Mapping[str, int]) -> Steps[None]:
    """Notes when keys were used."""
    yield [("HSET", keys.KEYS_USED, *(part for pair in times.items() for part in pair))]


def read(keys: Keys, name: str) -> Steps[KeyRecord]:
    """The record of a name. Raises NotFound."""
    (raw,) = yield [("HGET", keys.KEYS, name)]
    if raw is None:
        raise NoKey(f"no API key {name[:40]}; keys of ALODIAL_API_KEYS are changed there")
    return KeyRecord.from_json(raw)


def create(keys: Keys, record: KeyRecord) -> Steps[None]:
    """Keeps a new key. Raises KeyConflict when its name was ever used."""
    (count,) = yield [("HLEN", keys.KEYS)]
    if int(count) >= MAX_KEYS:
        raise KeyConflict(f"there are {MAX_KEYS} keys already; rotate one of them")
    (added,) = yield [("HSETNX", keys.KEYS, record.name, record.to_json())]
    if not int(added):
        raise KeyConflict(
            f"a key named {record.name} exists or existed, and owns its calls; rotate it for a new secret, or use another name"
        )
    yield [_changed(keys)]


def write(keys: Keys, record: KeyRecord) -> Steps[None]:
    """Keeps a changed key."""
    yield [("HSET", keys.KEYS, record.name, record.to_json()), _changed(keys)]


def rotate(keys: Keys, name: str, *, grace_ms: int, expires: int | None, now: int) -> Steps[tuple[KeyRecord, str]]:
    """As :func:`rotated`, of the key of that name. Raises NotFound."""
    record, secret = rotated((yield from read(keys, name)), grace_ms=grace_ms, expires=expires, now=now)
    yield from write(keys, record)
    return record, secret


def revoke(keys: Keys, name: str, *, now: int) -> Steps[KeyRecord]:
    """Makes all secrets of a key invalid, for good. Raises NotFound."""
    record = yield from read(keys, name)
    record = replace(record, revoked=record.revoked or now, hashes=())
    yield from write(keys, record)
    return record
