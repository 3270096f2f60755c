"""The API keys of a web process: those of the settings, and those made at run time, which it reads from Redis again and again.

No request waits for Redis to know its key: a task reads changes every second. Only a secret that is not known yet is
looked up at once, because its key may have been made a moment ago.
"""

import asyncio
import contextlib
import time

import redis
import structlog

from ..api_keys import ApiKey, ApiKeys, digest_of
from ..errors import AlodialError, KeyConflict
from ..store import key_records
from ..store.client import AsyncStore
from ..store.key_records import KeyRecord
from ..store.refused_keys import count_addresses
from .key_rules import counted_limits

REFRESH_SECONDS = 1.0
LOOK_UP_SECONDS = 0.1
CLOSE_SECONDS = 3.0
NOTE_SECONDS = 30.0
"""How often it is written when keys were used."""

MAX_GUESSERS = 1000
"""Addresses of wrong keys that are kept for a second."""

log = structlog.get_logger("alodial.web")


def _now_ms() -> int:
    return int(time.time() * 1000)


class KeyRing:
    """Finds keys by their secret. A revoked, rotated or new key is known to all processes within about a second."""

    def __init__(self, settings_keys: ApiKeys, store: AsyncStore) -> None:
        self.of_settings = settings_keys
        self._store = store
        self._records: dict[str, KeyRecord] = {}
        self._by_digest: dict[str, KeyRecord] = {}
        self._version: str | None = None
        self._limits_of: str | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()
        self._used: dict[str, int] = {}
        self._guessers: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def __bool__(self) -> bool:
        """Whether there is any key."""
        return bool(self.of_settings) or bool(self._records)

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, as far as this process knows; None without one."""
        api_key = self.of_settings.find(secret)
        if api_key is None:
            digest = digest_of(secret)
            # The look-up by a SHA-256 shows nothing of the secret; the comparison that decides takes constant time.
            record = self._by_digest.get(digest.hex())
            if record is not None and record.has_secret(digest, _now_ms()):
                api_key = record.api_key
        if api_key is not None:
            self._used[api_key.actor] = _now_ms()
        return api_key

    async def look_up(self, secret: str) -> ApiKey | None:
        """As :meth:`find`; an unknown secret is looked up in Redis, by all requests of a tenth of a second together."""
        api_key = self.find(secret)
        if api_key is None:
            arrived = time.monotonic()
            await asyncio.sleep(max(0.0, self._read_at + LOOK_UP_SECONDS - arrived))
            if self._read_at <= arrived:
                await self._try_refresh(arrived)
            api_key = self.find(secret)
        return api_key

    def find_by_scope(self, scope: str) -> ApiKey | None:
        """The valid key of that scope."""
        api_key = self.of_settings.find_by_scope(scope)
        if api_key is None:
            now = _now_ms()
            records = (r for r in self._records.values() if r.scope == scope and r.is_valid(now))
            api_key = next((record.api_key for record in records), None)
        return api_key

    def note_wrong(self, address: str) -> None:
        """Counts the address of a wrong key, in the store within about a second."""
        if len(self._guessers) < MAX_GUESSERS:
            self._guessers.add(address)

    def check_name(self, name: str) -> None:
        """Raises KeyConflict for a name that a key of the settings has."""
        if any(key.name == name for key in self.of_settings.listing()):
            raise KeyConflict(f"ALODIAL_API_KEYS has a key named {name[:40]}; use another name")

    async def refresh(self, since: float | None = None) -> None:
        """Reads the records if they changed, unless they were read after ``since``. Raises StoreUnavailable."""
        async with self._lock:
            if since is not None and self._read_at > since:
                return
            began = time.monotonic()
            version = await self._store.run_steps(key_records.version)
            if version != self._version:
                stored = await self._store.run_steps(key_records.read_all)
                defaults = self.of_settings.own_limits
                records = {name: key_records.with_defaults(record, defaults) for name, record in stored.items()}
                self._by_digest = {known.digest: record for record in records.values() for known in record.hashes}
                self._records, self._version = records, version
            self._read_at = began

    async def _try_refresh(self, since: float | None = None) -> None:
        try:
            await self.refresh(since)
        except (AlodialError, redis.RedisError):
            self._read_at = time.monotonic()  # the keys that are known stay valid

    def start(self) -> None:
        """Begins to read changes, in a task of the running loop."""
        self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        noted = time.monotonic()
        while not self._closing:
            try:
                await self._try_refresh()
                if self._limits_of != self._version:
                    await self._note_limits()
                if self._guessers:
                    await self._note_guessers()
                if self._used and time.monotonic() - noted > NOTE_SECONDS:
                    noted = time.monotonic()
                    await self.note_used()
            except Exception:
                log.exception("keys.refresh_failed")
            await asyncio.sleep(REFRESH_SECONDS)

    async def _note_limits(self) -> None:
        """Writes the limits of named keys for the pacers: a limit that is lowered binds campaigns that run."""
        version = self._version
        named = [key for key in self.of_settings.listing() if key.name]
        named += [record.api_key for record in self._records.values()]
        limits = {key.name: counted_limits(key) for key in named}
        with contextlib.suppress(AlodialError, redis.RedisError):  # the next second tries again
            await self._store.run_steps(key_records.note_limits, limits)
            self._limits_of = version

    async def _note_guessers(self) -> None:
        guessers, self._guessers = self._guessers, set()
        with contextlib.suppress(AlodialError, redis.RedisError):  # an outage is said elsewhere
            await self._store.call(count_addresses, guessers)

    async def note_used(self) -> None:
        """Writes when keys were used; a Redis that is away is told the next time."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._store.run_steps(key_records.note_used, used)
        except (AlodialError, redis.RedisError):
            self._used = used | self._used

    async def aclose(self) -> None:
        """Ends the task."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            # A client that is about to time out may swallow the cancellation; the loop then ends by itself.
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        await self.note_used()
