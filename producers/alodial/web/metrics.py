"""What ``/metrics`` shows of the store, as Prometheus' families. Read before they are collected.

What this process counts by itself, in a registry of its own: several apps may live in one process.
"""

from collections.abc import Iterable
from typing import NamedTuple

import redis.asyncio as aioredis
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from alodial_schemas import ENDS, State

from ..settings import Settings
from ..store import counters, keys, overview
from ..store.autoscaling import AccountLoad, workers_wanted
from ..store.overview import Overview


class StoreSnapshot(NamedTuple):
    """The store as one scrape finds it."""

    overview: Overview
    sums: dict[str, list[counters.CounterSum]]


async def read_snapshot(client: "aioredis.Redis", settings: Settings) -> StoreSnapshot:
    """Six round trips of a fixed number of commands, whatever the store holds."""
    found = await overview.read_async(client, overview.limits_of(settings))
    return StoreSnapshot(found, counters.read_sums(await client.hgetall(keys.TALLY)))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[Iterable[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, value in rows:
        family.add_metric(list(values), value)
    return family


def _counters(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[Iterable[str], float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, value in rows:
        family.add_metric(list(values), value)
    return family


class StoreMetrics(Collector):
    """The store's figures and this process' spool. ``seen`` is None while Redis is away."""

    def __init__(self, seen: StoreSnapshot | None, settings: Settings, spool_bytes: int) -> None:
        self._seen = seen
        self._settings = settings
        self._spool_bytes = spool_bytes

    def collect(self) -> Iterable[Metric]:
        yield _gauge("alodial_store_up", "1 while Redis answers.", 0 if self._seen is None else 1)
        yield _gauge(
            "alodial_spool_bytes", "Bytes of callbacks on this process' disk that wait for Redis.", self._spool_bytes
        )
        yield _gauge(
            "alodial_spool_limit_bytes", "Above it callbacks are answered 503.", self._settings.spool_max_bytes
        )
        if self._seen is None:
            return
        yield from _calls(self._seen.overview)
        yield from _accounts(self._seen.overview)
        yield from _results(self._seen.overview)
        yield from _machines(self._seen.overview, self._settings)
        yield from _webhooks(self._seen.overview)
        yield from _counted(self._seen.sums)


def _calls(o: Overview) -> Iterable[Metric]:
    yield _gauges(
        "alodial_calls",
        "Calls by state, ended ones included.",
        ["state"],
        (([state], o.calls.get(state, 0)) for state in sorted(State)),
    )
    yield _counters(
        "alodial_calls_ended",
        "Calls that came to their end, by state.",
        ["state"],
        (([state], o.calls.get(state, 0)) for state in sorted(ENDS)),
    )
    yield _gauge("alodial_scheduled_calls", "Calls that wait for their time.", o.scheduled)
    yield _gauge("alodial_awaiting_results", "Calls whose result is awaited.", o.awaiting)
    yield _gauge("alodial_unconfirmed_calls", "Calls of which nobody knows whether they rang.", o.unconfirmed)
    yield _gauge("alodial_unconfirmed_oldest_seconds", "Age of the oldest of them.", o.unconfirmed_oldest)
    states = [campaign.state for campaign in o.campaigns]
    yield _gauges(
        "alodial_campaigns",
        "Campaigns that have not ended.",
        ["state"],
        (([state], states.count(state)) for state in ("paused", "running", "scheduled")),
    )
    yield _gauge("alodial_stopped", "1 while the emergency stop is pulled.", 1 if o.stop else 0)


def _accounts(o: Overview) -> Iterable[Metric]:
    queues = [(account.name, queue) for account in o.accounts for queue in account.queues]
    limited = [(account, account.limits) for account in o.accounts if account.limits is not None]
    yield _gauges(
        "alodial_ready_calls",
        "Calls that may go now, campaigns' hoppers included.",
        ["account", "priority"],
        (([name, queue.priority], queue.count) for name, queue in queues),
    )
    yield _gauges(
        "alodial_ready_oldest_seconds",
        "Since the first of them could go.",
        ["account", "priority"],
        (([name, queue.priority], queue.oldest) for name, queue in queues),
    )
    yield _gauges(
        "alodial_starts_per_second",
        "Calls started a second, the mean of the last 10 s.",
        ["account"],
        (([account.name], account.rate) for account in o.accounts),
    )
    yield _gauges(
        "alodial_starts_allowed_per_second",
        "The limit for it; 0 for none.",
        ["account"],
        (([account.name], limits.rate) for account, limits in limited),
    )
    yield _gauges(
        "alodial_channels_in_use",
        "Simultaneous calls.",
        ["account"],
        (([account.name], account.channels) for account in o.accounts),
    )
    yield _gauges(
        "alodial_channels_allowed",
        "The limit for them; 0 for none.",
        ["account"],
        (([account.name], limits.channels) for account, limits in limited),
    )
    yield _gauges(
        "alodial_breaker_open",
        "1 while AloVoice refuses the account's token.",
        ["account"],
        (([account.name], float(account.breaker)) for account in o.accounts),
    )
    yield _gauges(
        "alodial_held_seconds",
        "For how long the account's calls are still kept back.",
        ["account"],
        (([account.name], account.held_for) for account in o.accounts),
    )


def _results(o: Overview) -> Iterable[Metric]:
    yield _gauge("alodial_inbox_entries", "Raw results that no worker has finished.", o.inbox)
    yield _gauge("alodial_inbox_oldest_seconds", "Age of the oldest of them.", o.inbox_oldest)
    yield _gauge("alodial_orphan_results", "Results whose extid is not known yet.", o.orphans)
    yield _gauge("alodial_dead_results", "Results that nobody could use, kept for replay.", o.dead)


def workers_wanted_family(o: Overview, settings: Settings) -> int:
    """How many workers there should be now."""
    loads = [
        AccountLoad(
            account.ready,
            account.limits.rate if account.limits else 0,
            account.limits.channels if account.limits else 0,
            account.channels,
            account.breaker or account.held_for > 0,
        )
        for account in o.accounts
    ]
    return workers_wanted(loads, inbox=o.inbox, max_in_flight=settings.max_in_flight, stopped=o.stop is not None)


def _machines(o: Overview, settings: Settings) -> Iterable[Metric]:
    hosts: dict[str, tuple[int, int]] = {}
    for worker in o.living:
        count, posts = hosts.get(worker.host, (0, 0))
        hosts[worker.host] = (count + 1, posts + worker.in_flight)
    yield _gauge("alodial_workers_alive", "Worker processes heard of within 10 s.", len(o.living))
    yield _gauges(
        "alodial_worker_posts_in_flight",
        "POSTs under way in the workers of a host.",
        ["host"],
        (([host], posts) for host, (_, posts) in sorted(hosts.items())),
    )
    yield _gauge(
        "alodial_workers_wanted",
        "Worker processes that the waiting work and the limits justify.",
        workers_wanted_family(o, settings),
    )
    yield _counters("alodial_logs_dropped", "Log lines that did not get to Redis.", [], [([], o.logs_lost)])


def _webhooks(o: Overview) -> Iterable[Metric]:
    ends = o.endpoints
    label = ["endpoint"]
    yield _gauges("alodial_webhook_waiting", "Events that wait for it.", label, (([e.id], e.waiting) for e in ends))
    yield _gauges(
        "alodial_webhook_lag_seconds",
        "Age of the oldest event that waits for it.",
        label,
        (([e.id], e.lag) for e in ends),
    )
    yield _gauges(
        "alodial_webhook_parked", "Events given up, kept to resend.", label, (([e.id], e.parked) for e in ends)
    )
    yield _gauges(
        "alodial_webhook_enabled", "0 while it is switched off.", label, (([e.id], float(e.enabled)) for e in ends)
    )
    yield _counters("alodial_webhook_delivered", "Events it took.", label, (([e.id], e.delivered) for e in ends))
    yield _counters("alodial_webhook_failed", "Tries that failed.", label, (([e.id], e.failed) for e in ends))


def _counted(sums: dict[str, list[counters.CounterSum]]) -> Iterable[Metric]:
    for kind in counters.KINDS:
        if not kind.buckets:
            yield _counters(kind.name, kind.text, kind.labels, ((one.labels, one.count) for one in sums[kind.name]))
            continue
        family = HistogramMetricFamily(kind.name, kind.text, labels=list(kind.labels))
        for one in sums[kind.name]:
            reached, rows = 0, []
            for bound, count in zip([*(str(b) for b in kind.buckets), "+Inf"], one.buckets, strict=True):
                reached += count
                rows.append((bound, reached))
            family.add_metric(list(one.labels), rows, one.total)
        yield family


class ProcessMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.callbacks = Counter(
            "alodial_callbacks",
            "Callbacks by what became of them: stored, spooled, refused (503) or forged (wrong secret).",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("stored", "spooled", "refused", "forged"):
            self.callbacks.labels(outcome)
