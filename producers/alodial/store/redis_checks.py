"""Checks whether this Redis is fit to keep calls: at start-up, for ``/readyz`` and for ``alodial doctor``."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import redis
import redis.exceptions

from ..settings import Settings
from . import mark
from .answers import text
from .connect import is_cluster, may_fail_over, watcher_of
from .fitness import read_fitness
from .keys import Keys
from .memory import read_memory
from .redis_errors import is_forbidden

Level = Literal["ok", "info", "warning", "error"]

MIN_VERSION = (6, 2)
"""XAUTOCLAIM and LPOP with a count came with Redis 6.2."""


MIN_SENTINELS = 3
"""Two Sentinels that remain are still a majority."""

LOSES_ON_FAILOVER = "store_loses_on_failover"
STORE_FULL = "store_full"


@dataclass(frozen=True, slots=True)
class RedisCheck:
    """The result of one check: ``hint`` is the command that fixes it, ``code`` that of the finding which says the same."""

    name: str
    level: Level
    message: str
    hint: str = ""
    code: str = ""

    @property
    def finding(self) -> str:
        """The finding's code; its own name where no finding says the same."""
        return self.code or self.name

    @property
    def prevents_start(self) -> bool:
        """Whether it is an error that no worker may start with. With a full store it may: results and stops go on."""
        return self.level == "error" and self.finding != STORE_FULL


def _config(client: "redis.Redis", name: str) -> str | None:
    try:
        answer: Any = client.config_get(name)
    except redis.exceptions.ResponseError as exc:
        if not is_forbidden(exc):
            raise
        return None
    return {text(name): text(value) for name, value in answer.items()}.get(name)


def inspect(client: "redis.Redis", *, on_cluster: bool = False) -> list[RedisCheck]:
    """Checks version, role, eviction, durability and packing. Raises redis-py's errors when Redis cannot be reached."""
    info: Any = client.info()
    checks: list[RedisCheck] = []

    def add(name: str, level: Level, message: str, hint: str = "", code: str = "") -> None:
        checks.append(RedisCheck(f"redis.{name}", level, message, hint, code))

    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
        add("version", "error", f"Redis {version} is too old", "install Redis 6.2 or newer")
    else:
        add("version", "ok", f"Redis {version}")
    if info.get("role") == "slave":
        add("role", "error", "this is a replica and cannot be written", "point ALODIAL_REDIS_URL at the primary")
    # INFO says it too, where CONFIG is forbidden.
    fitness = read_fitness(info)
    if fitness.cluster and not on_cluster:
        message = (
            "a node of a Redis Cluster, addressed as if it stood alone: another node may own the calls at any time"
        )
        add(
            "cluster",
            "error",
            message,
            "write ALODIAL_REDIS_URL as redis+cluster://host:6379,host:6379",
            "store_cluster",
        )
    if "maxmemory_policy" not in info and _config(client, "maxmemory-policy") is None:
        add("eviction", "warning", "neither INFO nor CONFIG is allowed here: make sure that the policy is noeviction")
    elif fitness.evicts:
        message = f"maxmemory-policy is {fitness.policy}: a full Redis would throw calls away"
        add("eviction", "error", message, "redis-cli CONFIG SET maxmemory-policy noeviction", "store_evicts")
    else:
        add("eviction", "ok", "maxmemory-policy noeviction")
    fsync = _config(client, "appendfsync")
    if not fitness.append_only:
        message = "no append-only file: a restart of Redis loses every call since its last snapshot"
        add("durability", "warning", message, "redis-cli CONFIG SET appendonly yes", "store_not_durable")
    elif _config(client, "no-appendfsync-on-rewrite") == "yes":
        message = (
            f"append-only file, not synced while Redis rewrites it (no-appendfsync-on-rewrite yes, fsync {fsync}): "
        )
        message += "a power failure then loses up to 30 s"
        add("durability", "warning", message, "redis-cli CONFIG SET no-appendfsync-on-rewrite no", "store_not_durable")
    elif fsync is None:
        add("durability", "ok", "append-only file; how often it is synced is not known here (CONFIG is forbidden)")
    else:
        risk = "" if fsync == "always" else ": safe if Redis dies, not if its host loses power (ALODIAL_DURABILITY)"
        add("durability", "ok", f"append-only file, appendfsync {fsync}{risk}")
    memory = read_memory(info)
    if memory.filling:
        room = "new calls and campaigns are refused" if memory.full else "new calls are refused above 90 %"
        message = f"the store uses {memory.share:.0%} of its {memory.limit >> 20} MB: {room}"
        hint = f"redis-cli CONFIG SET maxmemory {max(1, memory.limit >> 19)}mb"
        checks.append(RedisCheck(STORE_FULL, "error" if memory.full else "warning", message, hint))
    packed = _config(client, "hash-max-listpack-value") or _config(client, "hash-max-ziplist-value")
    if packed is not None and int(packed) < 1024:
        message = f"records take three times the memory: hash-max-listpack-value is {packed}"
        add("packing", "warning", message, "redis-cli CONFIG SET hash-max-listpack-value 1024")
    return checks


def inspect_for(client: "redis.Redis", keys: Keys, settings: Settings) -> list[RedisCheck]:
    """As :func:`inspect`, and whether Redis keeps what ``ALODIAL_DURABILITY`` promises: through a failover where the URL
    names Sentinels, on the disk with ``fsync``."""
    url = settings.redis_url.get_secret_value()
    checks = [*inspect(client, on_cluster=is_cluster(url)), *_mark(client, keys, settings)]
    if settings.durability == "fsync" and not any("appendfsync always" in check.message for check in checks):
        message = "ALODIAL_DURABILITY=fsync needs appendfsync always, and no-appendfsync-on-rewrite no"
        hint = "redis-cli CONFIG SET appendfsync always; redis-cli CONFIG SET no-appendfsync-on-rewrite no"
        checks.append(RedisCheck("redis.fsync", "error", message, hint))
    if not may_fail_over(url):
        return checks
    if settings.durability != "replica":
        named = "a Cluster" if is_cluster(url) else "Sentinels"
        message = (
            f"ALODIAL_REDIS_URL names {named} and ALODIAL_DURABILITY is {settings.durability}: "
            "a failover loses the calls and results of its last seconds"
        )
        checks.append(RedisCheck(LOSES_ON_FAILOVER, "error", message, "ALODIAL_DURABILITY=replica"))
        return checks
    replicas = _config(client, "min-replicas-to-write")
    if replicas == "0":
        message = "min-replicas-to-write is 0: a primary that lost its replicas goes on writing what a failover loses"
        hint = "redis-cli CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 5, on every server"
        checks.append(RedisCheck(LOSES_ON_FAILOVER, "error", message, hint))
    watcher = watcher_of(client)
    if watcher is not None and watcher.sentinels < MIN_SENTINELS and not is_cluster(url):
        message = f"the URL names {watcher.sentinels} Sentinel: without it no worker knows the primary, and nothing is dialled"
        checks.append(RedisCheck("redis.sentinels", "warning", message, "name all Sentinels in ALODIAL_REDIS_URL"))
    return checks


def _mark(client: "redis.Redis", keys: Keys, settings: Settings) -> Iterator[RedisCheck]:
    stored = mark.read(client, keys)
    if stored is None:
        yield RedisCheck("redis.mark", "ok", "no worker has marked this store yet")
    elif "provider_url" in settings.model_fields_set and (wrong := mark.problem(settings, stored)):
        yield RedisCheck("redis.mark", "error", *wrong)
    else:
        yield RedisCheck("redis.mark", "ok", f"calls in this store are placed at {stored.host} ({stored.environment})")


def epoch(client: "redis.Redis", keys: Keys) -> str:
    """The store's random mark, made at the first start. When it changes while workers run, the store was lost."""
    client.set(keys.EPOCH, secrets.token_hex(8), nx=True)
    value: Any = client.get(keys.EPOCH)
    return text(value)
