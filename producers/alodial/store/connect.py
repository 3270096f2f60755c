"""Redis clients from one URL: plain, TLS, unix socket, Sentinel or Cluster; synchronous and asynchronous.

A client repeats a command once at most, as redis-py needs it for a pooled connection that went stale: every script of
the store gives the same answer when it is run twice. The caller learns of a store that is away within ``redis_timeout``
instead of after many tries.
"""

import socket
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

import redis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError
from redis.retry import Retry

from ..errors import ConfigurationError
from ..settings import DEFAULT_NAMESPACE
from ..settings.environment import REDIS_SCHEMES
from .cluster import ClusterService
from .keys import slot_of
from .primary_pool import AsyncPrimaryPool, OnConnect, PrimaryPool
from .sentinel import SentinelService, SentinelWatcher

SENTINEL_PORT = 26379
REDIS_PORT = 6379


def _options(timeout: float, repeat: int, *, asynchronous: bool) -> dict[str, Any]:
    # A bare RuntimeError is uvloop's, where the other side has reset the connection. Who became a replica was the primary when it
    # was connected to: its address may lead to another by now.
    lost: Any = (ConnectionError, TimeoutError, ReadOnlyError, RuntimeError if asynchronous else socket.timeout)
    retry = AsyncRetry(NoBackoff(), repeat, lost) if asynchronous else Retry(NoBackoff(), repeat, lost)
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {**timeouts, "health_check_interval": 0, "retry": retry, "protocol": 2}


def _flag(query: dict[str, list[str]], name: str) -> bool:
    return query.get(name, ["false"])[0].lower() in {"1", "true", "yes"}


def _node(text: str, default_port: int = SENTINEL_PORT) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    try:
        return host.strip("[]"), int(port) if port else default_port
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: a port is a number") from None


def read_sentinel_url(url: str) -> tuple[SentinelService, dict[str, Any]]:
    """Reads ``redis+sentinel://[user:password@]host:port,host:port/service/db?ssl=true`` in its parts.

    User and password are Redis' own. Those of the Sentinels are ``sentinel_username`` and ``sentinel_password`` in the
    query; ``ssl=true`` is TLS to Redis, ``sentinel_ssl=true`` to the Sentinels, ``ssl_ca_certs`` the authorities' file
    of both. Returns the service and the options of a connection to Redis. Raises ConfigurationError.
    """
    # By hand: urlsplit of newer Pythons refuses a list with IPv6 addresses in brackets.
    netloc, _, rest = url.partition("://")[2].partition("/")
    account, _, hosts = netloc.rpartition("@")
    path_text, _, query_text = rest.partition("?")
    nodes = tuple(_node(node.strip()) for node in hosts.split(",") if node.strip())
    path = [part for part in path_text.split("/") if part]
    if not path:
        raise ConfigurationError("ALODIAL_REDIS_URL: name the service, redis+sentinel://host:26379/SERVICE/0")
    if not nodes:
        raise ConfigurationError("ALODIAL_REDIS_URL: name the Sentinels, redis+sentinel://host:26379/SERVICE/0")
    kwargs: dict[str, Any] = {}
    if account:
        user, _, password = account.partition(":")
        kwargs |= {"username": unquote(user) or None, "password": unquote(password) or None}
    if len(path) > 1:
        try:
            kwargs["db"] = int(path[1])
        except ValueError:
            raise ConfigurationError("ALODIAL_REDIS_URL: the database behind the service is a number") from None
    query = parse_qs(query_text)
    options: dict[str, Any] = {}
    for name in ("username", "password"):
        if value := query.get(f"sentinel_{name}"):
            options[name] = value[0]
    authorities = {"ssl_ca_certs": query["ssl_ca_certs"][0]} if "ssl_ca_certs" in query else {}
    if _flag(query, "ssl"):
        kwargs |= {"ssl": True, **authorities}
    if _flag(query, "sentinel_ssl"):
        options |= {"ssl": True, **authorities}
    return SentinelService(nodes, path[0], options), kwargs


def read_cluster_url(url: str, namespace: str) -> tuple[ClusterService, dict[str, Any]]:
    """Reads ``redis+cluster://[user:password@]host:port,host:port?ssl=true`` in its parts; some of the nodes are enough.

    User and password are those of every node; ``ssl=true`` is TLS, ``ssl_ca_certs`` the authorities' file. Returns the slot of
    the namespace and the options of a connection. Raises ConfigurationError.
    """
    netloc, _, query_text = url.partition("://")[2].partition("?")
    account, _, hosts = netloc.partition("/")[0].rpartition("@")
    nodes = tuple(_node(node.strip(), REDIS_PORT) for node in hosts.split(",") if node.strip())
    if not nodes:
        raise ConfigurationError("ALODIAL_REDIS_URL: name some nodes, redis+cluster://host:6379,host:6379")
    query = parse_qs(query_text)
    options: dict[str, Any] = {}
    if account:
        user, _, password = account.partition(":")
        options |= {"username": unquote(user) or None, "password": unquote(password) or None}
    if _flag(query, "ssl"):
        options |= {"ssl": True}
        options |= {"ssl_ca_certs": query["ssl_ca_certs"][0]} if "ssl_ca_certs" in query else {}
    return ClusterService(nodes, "cluster", options, slot=slot_of(f"{namespace}:events")), options


def is_cluster(url: str) -> bool:
    """Whether the URL names a Redis Cluster."""
    return url.partition("://")[0] == "redis+cluster"


def may_fail_over(url: str) -> bool:
    """Whether replicas take the place of the Redis that the URL names: it names Sentinels, or a Cluster."""
    return is_sentinel(url) or is_cluster(url)


def _followed(url: str, namespace: str) -> tuple[SentinelService, dict[str, Any]] | None:
    if is_cluster(url):
        return read_cluster_url(url, namespace)
    return read_sentinel_url(url) if is_sentinel(url) else None


def is_sentinel(url: str) -> bool:
    """Whether the URL names Sentinels. Raises ConfigurationError for a scheme that is none of Redis'."""
    scheme = url.partition("://")[0]
    if scheme not in REDIS_SCHEMES:
        raise ConfigurationError(f"ALODIAL_REDIS_URL: begins with one of {', '.join(s + '://' for s in REDIS_SCHEMES)}")
    return scheme == "redis+sentinel"


def watcher_of(client: Any) -> SentinelWatcher | None:
    """The watcher that a client's connections follow, None for a Redis without Sentinels."""
    return getattr(client.connection_pool, "watcher", None)


def connect(
    url: str, *, namespace: str = DEFAULT_NAMESPACE, timeout: float = 2, connections: int = 64, repeat: int = 1
) -> "redis.Redis":
    """A synchronous client. Waits ``timeout`` seconds for an answer, or for one of its ``connections`` to be free.

    ``repeat`` is how often a command is repeated after a lost connection. ``namespace`` says which node of a
    Cluster. Raises ConfigurationError for a bad URL.
    """
    options = _options(timeout, repeat, asynchronous=False)
    pool: redis.BlockingConnectionPool
    if (followed := _followed(url, namespace)) is not None:
        pool = PrimaryPool(*followed, max_connections=connections, timeout=timeout, **options)
        return redis.Redis(connection_pool=pool)
    try:
        pool = redis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return redis.Redis(connection_pool=pool)


def connect_async(
    url: str,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    timeout: float = 2,
    connections: int = 64,
    repeat: int = 1,
    on_connect: OnConnect | None = None,
) -> "aioredis.Redis":
    """As :func:`connect`, for an event loop. ``on_connect`` is awaited on each new connection before its first command;
    what it raises ends the connection."""
    options = _options(timeout, repeat, asynchronous=True)
    pool: aioredis.BlockingConnectionPool
    if (followed := _followed(url, namespace)) is not None:
        service, kwargs = followed
        pool = AsyncPrimaryPool(service, kwargs, on_connect, max_connections=connections, timeout=timeout, **options)
        return aioredis.Redis(connection_pool=pool)
    if on_connect is not None:
        options["redis_connect_func"] = partial(_introduced, on_connect)
    try:
        pool = aioredis.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout, **options)
    except ValueError:
        raise ConfigurationError("ALODIAL_REDIS_URL: not a Redis URL; redis://[:password@]host:port/db") from None
    return aioredis.Redis(connection_pool=pool)


async def _introduced(on_connect: OnConnect, connection: Any) -> None:
    await connection.on_connect()
    await on_connect(connection)
