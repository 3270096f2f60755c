"""Counters and histograms of all processes for the metrics: gathered in memory, added up in Redis every few seconds.

Counting takes a lock and adds to a dict, without I/O. A thread adds the sums to Redis in one transaction that also
records the flush's number, so that a flush whose answer was lost is not added twice. A process that is killed loses the
counts since its last flush. One hash serves all processes and never expires: the counters only grow.
"""

import json
import secrets
import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import redis

from .keys import Keys

FLUSH_SECONDS: Final = 5.0
"""A scrape every 15 s misses the counts of one flush at most."""

MAX_FIELDS: Final = 2_000
"""Fields of the hash that a process adds to: 40 accounts with every outcome. Counts of further ones are dropped."""

MARK_SECONDS: Final = 86_400

POST_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the longest is the default of ALODIAL_PROVIDER_TIMEOUT."""
LAG_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)


class CounterKind(NamedTuple):
    """A counter, or with ``buckets`` (upper bounds in seconds) a histogram. ``text`` is its help in the metrics."""

    name: str
    text: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


POSTS = CounterKind("alodial_post_seconds", "POSTs to AloVoice by their outcome.", ("account", "outcome"), POST_BUCKETS)
APPLIED = CounterKind(
    "alodial_callback_applied_seconds", "From a result's arrival in the inbox to its call.", (), LAG_BUCKETS
)
ARRIVED = CounterKind(
    "alodial_callback_arrival_seconds",
    "From the end of the telephone call, by AloVoice's clock, to its result's arrival.",
    (),
    LAG_BUCKETS,
)
ATTEMPTS = CounterKind("alodial_attempts_finished", "Attempts whose result came.", ("account", "disposition"))
RESULTS = CounterKind("alodial_results", "Results by what they did to their call.", ("outcome",))
LOOP_FAILURES = CounterKind("alodial_loop_failures", "Failed rounds of the loops that keep workers going.", ("loop",))

KINDS: Final = (POSTS, APPLIED, ARRIVED, ATTEMPTS, RESULTS, LOOP_FAILURES)


@dataclass(frozen=True, slots=True)
class CounterSum:
    """The sum of one set of labels. ``buckets`` are not cumulative, the last is beyond every bound; ``total`` is in seconds."""

    labels: tuple[str, ...]
    count: int
    total: float
    buckets: tuple[int, ...]


Place = tuple[str, tuple[str, ...], str]
"""A kind's name, the labels, and the part: ``n`` (a count), ``b0`` and on (a bucket) or ``s`` (the sum of the seconds)."""


def _field(place: Place) -> str:
    """Its name in the hash; made at the flush, because it takes longer than counting."""
    name, labels, part = place
    return json.dumps([name, *labels, part], ensure_ascii=False, separators=(",", ":"))


class Counters:
    """The counts of this process since its last flush. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[Place, float] = {}
        self._name = secrets.token_hex(8)
        self._flushes = 0
        self._pending: dict[Place, float] = {}
        self._flushing = threading.Lock()

    def count(self, kind: CounterKind, *labels: str, by: int = 1) -> None:
        """Adds to a counter."""
        with self._lock:
            self._add((kind.name, labels, "n"), by)

    def observe(self, kind: CounterKind, seconds: float, *labels: str) -> None:
        """Adds a duration to a histogram; a negative one, after a clock was set back, counts as 0."""
        value = max(0.0, seconds)
        with self._lock:
            self._add((kind.name, labels, f"b{bisect_left(kind.buckets, value)}"), 1)
            self._add((kind.name, labels, "s"), value)

    def _add(self, place: Place, by: float) -> None:
        if place in self._sums or len(self._sums) < MAX_FIELDS:
            self._sums[place] = self._sums.get(place, 0) + by

    def unflushed(self, kind: CounterKind) -> dict[tuple[str, ...], int]:
        """The counts of a counter that are not in Redis yet, by their labels; in a process that never flushes, all of them."""
        with self._lock:
            return {labels: int(by) for (name, labels, _), by in self._sums.items() if name == kind.name}

    def flush(self, client: "redis.Redis", keys: Keys) -> bool:
        """Adds the counts to Redis' sums; False when there were none. Raises redis-py's errors, and keeps the counts then."""
        with self._flushing:
            mark = f"{keys.TALLY}:{self._name}"
            if self._pending:
                last: Any = client.get(mark)
                if last is not None and int(last) >= self._flushes:
                    self._pending = {}
            if not self._pending:
                with self._lock:
                    self._pending, self._sums = self._sums, {}
                if not self._pending:
                    return False
                self._flushes += 1
            with client.pipeline(transaction=True) as pipe:
                for place, by in self._pending.items():
                    if place[2] == "s":
                        pipe.hincrbyfloat(keys.TALLY, _field(place), by)
                    else:
                        pipe.hincrby(keys.TALLY, _field(place), int(by))
                pipe.set(mark, self._flushes, ex=MARK_SECONDS)
                pipe.execute()
            self._pending = {}
            return True


process_counters: Final = Counters()
"""The counters of this process."""


def read_sums(raw: Mapping[Any, Any]) -> dict[str, list[CounterSum]]:
    """The hash as sums by the metric's name; fields that another version wrote are left out."""
    kinds = {kind.name: kind for kind in KINDS}
    parts_of: dict[tuple[str, tuple[str, ...]], dict[str, float]] = {}
    for field, value in raw.items():
        try:
            name, *labels, part = json.loads(field)
            kind = kinds[name]
            if len(labels) == len(kind.labels):
                parts_of.setdefault((name, tuple(labels)), {})[part] = float(value)
        except (ValueError, TypeError, LookupError):
            continue
    sums: dict[str, list[CounterSum]] = {kind.name: [] for kind in KINDS}
    for (name, texts), parts in sorted(parts_of.items()):
        kind = kinds[name]
        buckets = tuple(int(parts.get(f"b{i}", 0)) for i in range(len(kind.buckets) + 1)) if kind.buckets else ()
        count = sum(buckets) if kind.buckets else int(parts.get("n", 0))
        sums[name].append(CounterSum(texts, count, parts.get("s", 0.0), buckets))
    return sums
