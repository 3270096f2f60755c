"""Follows the primary that Redis Sentinels name: one watcher a process, shared by all of its connections.

A thread for each Sentinel asks it twice a second and listens for ``+switch-master``, so that no request waits for a
discovery and a Sentinel that is gone delays nobody. The address that most Sentinels name is the primary. A confirmation
by the majority counts from the moment the question was sent: workers submit calls only while it is fresh.
"""

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .logger import LibraryLogger

log = LibraryLogger("alodial.sentinel")

ASK_TIMEOUT = 0.3
"""Seconds that a Sentinel has to take a connection and to answer a question."""

ASK_EVERY = 0.5
"""Seconds between two questions to a Sentinel; news of a switch are followed at once."""

CONFIRMED_FOR = 2.0
"""Seconds for which the answer of the majority of Sentinels counts, from when it was asked for."""

IDLE_AFTER = 5.0
"""Seconds after which a watcher ends that no connection pool uses any more."""

_DOWN = frozenset({"s_down", "o_down", "disconnected"})

Address = tuple[str, int]


@dataclass(frozen=True)
class SentinelService:
    """A primary as Sentinels know it: their addresses, the service's name, how to sign in to them."""

    nodes: tuple[Address, ...]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.nodes, self.name, tuple(sorted((name, str(value)) for name, value in self.options.items())))

    def watcher(self) -> "SentinelWatcher":
        """A new watcher of this service."""
        return SentinelWatcher(self)


@dataclass(frozen=True, slots=True)
class SentinelAnswer:
    """One Sentinel's answer: the primary, how many replicas are fit for promotion, when it was asked (monotonic).

    ``members`` are all nodes that a node of a Cluster knows.
    """

    address: Address | None
    replicas: int
    asked_at: float
    members: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class PrimaryView:
    """The primary in force. ``generation`` grows with each switch; ``confirmed_at`` is when the majority was last asked
    (monotonic, minus infinity when it did not confirm it yet); ``replicas`` are those that a promotion may choose from."""

    address: Address | None = None
    generation: int = 0
    confirmed_at: float = float("-inf")
    replicas: int = 1

    @property
    def confirmed(self) -> bool:
        """Whether the majority of Sentinels has confirmed this primary a moment ago."""
        return time.monotonic() - self.confirmed_at <= CONFIRMED_FOR


def _pairs(row: Sequence[bytes]) -> dict[str, str]:
    words = [part.decode("utf-8", "replace") for part in row]
    return dict(zip(words[::2], words[1::2], strict=False))


def _fit_for_promotion(row: Mapping[str, str]) -> bool:
    flags = set(row.get("flags", "").split(","))
    return not flags & _DOWN and row.get("master-link-status", "ok") == "ok"


class SentinelWatcher:
    """Knows the primary of one service. Use :func:`watch`: it shares one watcher in a process."""

    def __init__(self, service: SentinelService) -> None:
        self._service = service
        self._nodes = list(service.nodes)
        self._changed = threading.Condition()
        self._silent_logged = False
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        self._used_at = time.monotonic()
        self.view = PrimaryView()
        self.ended = False
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._answers: list[SentinelAnswer | None] = [None] * len(self._nodes)
        self._misses = [0] * len(self._nodes)
        for number in range(len(self._nodes)):
            self._begin_to_ask(number)

    def _begin_to_ask(self, number: int) -> None:
        threading.Thread(target=self._ask_for_ever, args=(number,), name=f"sentinel-{number}", daemon=True).start()

    def run_here(self) -> None:
        """Starts the threads again in a process that was forked since: threads do not survive a fork."""
        if self._pid != os.getpid():
            self._changed = threading.Condition()
            self._start()

    def add_user(self, user: object) -> None:
        """Keeps the watcher running for as long as ``user``, a connection pool, exists."""
        self._users.add(user)
        self._used_at = time.monotonic()

    @property
    def sentinels(self) -> int:
        """How many Sentinels the URL names, or nodes the Cluster has."""
        return len(self._nodes)

    @property
    def silent(self) -> bool:
        """Whether no Sentinel answers, each asked twice."""
        return min(self._misses) >= 2

    def wait_for_primary(self, timeout: float) -> Address | None:
        """The primary's address, after up to ``timeout`` seconds; the last one known while all Sentinels are silent."""
        with self._changed:
            self._changed.wait_for(lambda: self.view.address is not None or self.silent, timeout)
            return self.view.address

    def report(self, number: int, answer: SentinelAnswer | None) -> None:
        """Takes the answer of one Sentinel, None for silence, and decides who the primary is."""
        with self._changed:
            self._misses[number] = 0 if answer else self._misses[number] + 1
            self._answers[number] = answer
            self._decide()
            self._changed.notify_all()
        if self.silent != self._silent_logged:
            self._silent_logged = self.silent
            if self.silent:
                log.error("sentinel.silent", sentinels=len(self._answers), service=self._service.name)

    def _decide(self) -> None:
        view = self.view
        now = time.monotonic()
        fresh = [a for a in self._answers if a and a.address and now - a.asked_at <= 2 * CONFIRMED_FOR]
        if not fresh:
            return
        votes = Counter(answer.address for answer in fresh)
        most = max(votes.values())
        leaders = [address for address, count in votes.items() if count == most]
        address = view.address if view.address in leaders else leaders[0]
        named = sorted((a.asked_at for a in fresh if a.address == address), reverse=True)
        majority = self._voters(fresh) // 2 + 1
        confirmed_at = named[majority - 1] if len(named) >= majority else float("-inf")
        replicas = max(a.replicas for a in fresh if a.address == address)
        if address != view.address:
            generation = view.generation + 1
            if view.address is not None:
                log.warning("store.primary_changed", service=self._service.name, generation=generation)
        else:
            generation, confirmed_at = view.generation, max(confirmed_at, view.confirmed_at)
        self.view = PrimaryView(address, generation, confirmed_at, max(1, replicas))

    def _voters(self, _fresh: Sequence[SentinelAnswer]) -> int:
        return len(self._answers)

    def _listen(self, client: Any, listener: Any) -> Any:
        """Waits for news, or for the next question; returns what listens."""
        if listener is None:
            listener = client.pubsub()
            listener.subscribe("+switch-master")
        listener.get_message(timeout=ASK_EVERY)
        return listener

    def _ask_for_ever(self, number: int) -> None:
        client = self._client(number)
        news: Any = None
        while not self.ended:
            try:
                self.report(number, self._ask(client, number))
                news = self._listen(client, news)
            except (redis.RedisError, OSError, ValueError, IndexError) as exc:
                log.debug("sentinel.no_answer", number=number, error=type(exc).__name__)
                self.report(number, None)
                if news is not None:
                    news.close()
                    news = None
                client.connection_pool.disconnect()
                time.sleep(ASK_EVERY)
            self._end_when_idle()
        client.close()

    def _client(self, number: int) -> Any:
        host, port = self._nodes[number]
        return redis.Redis(
            host=host,
            port=port,
            socket_timeout=ASK_TIMEOUT,
            socket_connect_timeout=ASK_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **self._service.options,
        )

    def _ask(self, client: Any, _number: int) -> SentinelAnswer:
        asked_at = time.monotonic()
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command("SENTINEL", "get-master-addr-by-name", self._service.name)
            pipe.execute_command("SENTINEL", "replicas", self._service.name)
            found, replicas = pipe.execute(raise_on_error=False)
        if isinstance(found, Exception):
            raise found
        if not found:
            return SentinelAnswer(None, 0, asked_at)
        rows = [] if isinstance(replicas, Exception) else [_pairs(row) for row in replicas]
        return SentinelAnswer(
            (found[0].decode(), int(found[1])), sum(_fit_for_promotion(row) for row in rows), asked_at
        )

    def _end_when_idle(self) -> None:
        if self._users:
            self._used_at = time.monotonic()
        elif time.monotonic() - self._used_at > IDLE_AFTER:
            with _lock:
                if not self._users:
                    self.ended = True
                    if _watchers.get(self._service.key) is self:
                        del _watchers[self._service.key]


_watchers: dict[tuple[Any, ...], SentinelWatcher] = {}
_lock = threading.Lock()


def watch(service: SentinelService) -> SentinelWatcher:
    """The process's watcher of a service; the first call starts it."""
    with _lock:
        watcher = _watchers.get(service.key)
        if watcher is None or watcher.ended:
            watcher = _watchers[service.key] = service.watcher()
        watcher._used_at = time.monotonic()
        return watcher
