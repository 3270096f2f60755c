"""Redis clients from one URL: plain, TLS, unix socket or Sentinel; synchronous and asynchronous.

No client repeats a command by itself beyond the one reconnect that redis-py needs for a pooled connection that went
stale: every script of the store gives the same answer when it is run twice, so that repeat does no harm, and a store
that is away is told to the caller within ``redis_timeout`` instead of after a long row of tries.
"""

from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio as aioredis
import redis.asyncio.sentinel as aiosentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..errors import ConfigurationError

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")
SENTINEL_PORT = 26379
T = TypeVar("T")


def _options(timeout: float, repeat: int, *, asynchronous: bool) -> dict[str, Any]:
    retry = AsyncRetry(NoBackoff(), repeat) if asynchronous else Retry(NoBackoff(), repeat)
    # redis-py counts its pool's wait in seconds; 200 connections is twice its default ceiling, where it raised under load.
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": 0,
        "retry": retry,
        "protocol": 2,
    }


def _sentinel(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """``redis+sentinel://[user:password@]host:port,host:port/service/db`` in its parts."""
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    nodes = []
    for node in hosts.split(","):
        host, _, port = node.rpartition(":") if ":" in node else (node, "", "")
        try:
            nodes.append((host or node, int(port) if port else SENTINEL_PORT))
        except ValueError:
            raise ConfigurationError("ALODIAL_REDIS_URL: a Sentinel's port is a number") from None
    path = [part for part in parts.path.split("/") if part]
    if not path:
        raise ConfigurationError("ALODIAL_REDIS_URL: name the service, redis+sentinel://host:26379/SERVICE/0")
    kwargs: dict[str, Any] = {}
    if account:
        user, _, password = account.partition(":")
        kwargs |= {"username": unquote(user) or None, "password": unquote(password) or None}
    if len(path) > 1:
        try:
            kwargs["db"] = int(path[1])
        except ValueError:
            raise ConfigurationError("ALODIAL_REDIS_URL: the database behind the service is a number") from None
    if parse_qs(parts.query).get("ssl", ["false"])[0].lower() in {"1", "true", "yes"}:
        kwargs["ssl"] = True
    return nodes, path[0], kwargs


def _check(url: str) -> Literal["sentinel", "plain"]:
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigurationError(f"ALODIAL_REDIS_URL: begins with one of {', '.join(s + '://' for s in SCHEMES)}")
    return "sentinel" if scheme == "redis+sentinel" else "plain"


def connect(url: str, *, timeout: float = 2, connections: int = 64, repeat: int = 1) -> "redis.Redis":
    """A synchronous client. Its pool waits ``timeout`` seconds for a free connection, then raises."""
    options = _options(timeout, repeat, asynchronous=False)
    if _check(url) == "sentinel":
        nodes, service, kwargs = _sentinel(url)
        sentinel = redis.sentinel.Sentinel(nodes, socket_timeout=timeout, socket_connect_timeout=timeout)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return sentinel.master_for(service, **options, **kwargs)  # type: ignore[no-any-return, no-untyped-call]  # redis-py leaves it untyped
    try:
        pool = redis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return redis.Redis(connection_pool=pool)


def connect_async(url: str, *, timeout: float = 2, connections: int = 64, repeat: int = 1) -> "aioredis.Redis":
    """An asynchronous client with the same behaviour."""
    options = _options(timeout, repeat, asynchronous=True)
    if _check(url) == "sentinel":
        nodes, service, kwargs = _sentinel(url)
        sentinel = aiosentinel.Sentinel(nodes, socket_timeout=timeout, socket_connect_timeout=timeout)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return sentinel.master_for(service, **options, **kwargs)  # type: ignore[no-any-return]  # redis-py leaves it untyped
    try:
        pool = aioredis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return aioredis.Redis(connection_pool=pool)
