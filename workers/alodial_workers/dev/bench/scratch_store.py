"""Where ``alodial bench`` writes: an empty database of the user's Redis that is cleared afterwards, or a Redis of its own."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis

from alodial.errors import AlodialError, StoreUnavailable
from alodial.settings import Settings
from alodial.store import overview
from alodial.store.client import Store
from alodial.store.connect import connect
from alodial.store.workers import heartbeats
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.counts import count_text

SILENT_AFTER = 15.0
"""Seconds without a heartbeat after which a worker is not alive."""

DATABASES = range(1, 16)
ROOM = 200 * 1024 * 1024
"""Bytes of Redis that a measurement may take; it takes about 60 MB."""

MARK = "alodial-bench"
"""Marks a database that a measurement uses; it expires, should the command be killed."""

MARK_SECONDS = 900


class BenchRefused(AlodialError):
    """A measurement could disturb calls, or found no place."""

    code = "bench_refused"


def with_database(url: str, number: int) -> str:
    """The URL of another database of the same Redis."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        query = "&".join(
            [part for part in parts.query.split("&") if part and not part.startswith("db=")] + [f"db={number}"]
        )
        return f"unix://{parts.netloc}{parts.path}?{query}"
    if parts.scheme.startswith("redis+sentinel") or parts.scheme.startswith("rediss+sentinel"):
        return urlunsplit(parts._replace(path="/".join([*parts.path.split("/")[:2], str(number)])))
    return urlunsplit(parts._replace(path=f"/{number}"))


def refuse_if_busy(settings: Settings) -> None:
    """Raises BenchRefused where living workers or calls on their way share this Redis."""
    store = Store(settings)
    try:
        now = store.call(overview.read, settings)
        beats = [beat for beat in store.call(heartbeats) if beat.at / 1000 > time.time() - SILENT_AFTER]
        waiting = sum(now.calls.get(state, 0) for state in ("queued", "submitting", "submitted"))
    finally:
        store.close()
    if beats or waiting:
        sharing = f"{count_text(len(beats), 'worker')} and {count_text(waiting, 'call')} on their way"
        raise BenchRefused(
            f"{sharing} share this Redis, and a measurement would slow them down; measure with a Redis of its own "
            "(--own-redis), on another machine, or say --yes"
        )


@contextmanager
def scratch(settings: Settings, *, own: bool) -> Iterator[str]:
    """The URL of an empty database for the measurement, which is cleared at the end. Raises BenchRefused, StoreUnavailable."""
    if own:
        fsync = "always" if settings.durability == "fsync" else "everysec"
        with EmbeddedRedis(fsync=fsync) as server:
            yield server.url
        return
    url = settings.redis_url.get_secret_value()
    with _claimed(url) as claimed:
        yield claimed


@contextmanager
def _claimed(url: str) -> Iterator[str]:
    refused = "use a Redis of its own: --own-redis"
    if urlsplit(url).scheme.endswith("+cluster"):
        raise BenchRefused(f"a Redis Cluster has one database only; {refused}")
    try:
        client = connect(url)
        info: Any = client.info()
        client.close()
    except redis.RedisError as exc:
        raise StoreUnavailable(f"Redis does not answer: {type(exc).__name__}") from exc
    limit, used = int(info.get("maxmemory") or 0), int(info.get("used_memory") or 0)
    if limit and limit * 0.9 - used < ROOM:
        raise BenchRefused(f"Redis has less than {ROOM >> 20} MB of memory left; {refused}")
    taken = {int(name[2:]) for name in info if name.startswith("db") and name[2:].isdigit()}
    for number in sorted(set(DATABASES) - taken, key=lambda _: random.random()):
        place = with_database(url, number)
        client = connect(place)
        try:
            if not client.dbsize() and client.set(MARK, "1", nx=True, ex=MARK_SECONDS):
                try:
                    yield place
                finally:
                    clear(client)
                    client.delete(MARK)
                return
        except redis.ResponseError:
            continue  # there are fewer databases
        finally:
            client.close()
    raise BenchRefused(f"no database of this Redis is empty; {refused}")


def clear(client: "redis.Redis") -> None:
    """Deletes what a measurement wrote, and nothing else."""
    for names in _batches(client):
        client.unlink(*names)


def _batches(client: "redis.Redis") -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for name in client.scan_iter(match="alodial:*", count=1000):
        batch.append(name)
        if len(batch) == 500:
            yield batch
            batch = []
    if batch:
        yield batch
