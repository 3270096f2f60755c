"""Redis clients from one URL: plain, TLS, unix socket or Sentinel; synchronous and asynchronous.

A client repeats a command once at most, as redis-py needs it for a pooled connection that went stale: every script of
the store gives the same answer when it is run twice. The caller learns of a store that is away within ``redis_timeout``
instead of after many tries.
"""

from typing import Any
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


def _options(timeout: float, repeat: int, *, asynchronous: bool) -> dict[str, Any]:
    retry = AsyncRetry(NoBackoff(), repeat) if asynchronous else Retry(NoBackoff(), repeat)
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {**timeouts, "health_check_interval": 0, "retry": retry, "protocol": 2}


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


def _is_sentinel(url: str) -> bool:
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigurationError(f"ALODIAL_REDIS_URL: begins with one of {', '.join(s + '://' for s in SCHEMES)}")
    return scheme == "redis+sentinel"


def connect(url: str, *, timeout: float = 2, connections: int = 64, repeat: int = 1) -> "redis.Redis":
    """A synchronous client. Waits ``timeout`` seconds for an answer, or for one of its ``connections`` to be free.

    ``repeat`` is how often a command is repeated after a lost connection. Raises ConfigurationError for a bad URL.
    """
    options = _options(timeout, repeat, asynchronous=False)
    if _is_sentinel(url):
        nodes, service, kwargs = _sentinel(url)
        sentinel = redis.sentinel.Sentinel(nodes, socket_timeout=timeout, socket_connect_timeout=timeout)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return sentinel.master_for(service, **options, **kwargs)  # type: ignore[no-any-return, no-untyped-call]  # redis-py leaves it untyped
    try:
        pool = redis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return redis.Redis(connection_pool=pool)


def connect_async(url: str, *, timeout: float = 2, connections: int = 64, repeat: int = 1) -> "aioredis.Redis":
    """As :func:`connect`, for an event loop."""
    options = _options(timeout, repeat, asynchronous=True)
    if _is_sentinel(url):
        nodes, service, kwargs = _sentinel(url)
        sentinel = aiosentinel.Sentinel(nodes, socket_timeout=timeout, socket_connect_timeout=timeout)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return sentinel.master_for(service, **options, **kwargs)  # type: ignore[no-any-return]  # redis-py leaves it untyped
    try:
        pool = aioredis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return aioredis.Redis(connection_pool=pool)
