"""The metrics of ``GET /metrics``: figures of the store, read at each scrape, and counters of this process."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import redis.asyncio as aioredis
import structlog
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from alodial_schemas import ENDS, State

from ..errors import StoreUnavailable
from ..observability.diagnosis import diagnose
from ..settings import Settings
from ..store import counters, overview
from ..store.archiving import ArchiveState
from ..store.autoscaling import AccountLoad, workers_wanted
from ..store.client import AsyncStore
from ..store.keys import Keys
from ..store.overview import Overview
from .health import PROBE_TIMEOUT

log = structlog.get_logger("alodial.web")


class ProcessMetrics:
    """What this process counts, in a registry of its own: several apps may live in one process."""

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


class StoreSnapshot(NamedTuple):
    """The store at the moment of one scrape."""

    overview: Overview
    sums: dict[str, list[counters.CounterSum]]


async def read_snapshot(client: "aioredis.Redis", keys: Keys, settings: Settings) -> StoreSnapshot:
    """Reads the store in six round trips of a fixed number of commands, whatever it holds."""
    state = await overview.read_async(client, keys, settings)
    return StoreSnapshot(state, counters.read_sums(await client.hgetall(keys.TALLY)))


class StoreMetrics(Collector):
    """One scrape: the store's figures, without them while Redis is away (``snapshot`` None), and this process' spool."""

    def __init__(self, snapshot: StoreSnapshot | None, settings: Settings, spool_bytes: int) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._spool_bytes = spool_bytes

    def collect(self) -> Iterable[Metric]:
        limit, waiting = self._settings.spool_max_bytes, "Bytes of callbacks on this process' disk that wait for Redis."
        yield _gauge("alodial_store_up", "1 while Redis answers.", self._snapshot is not None)
        yield _gauge("alodial_spool_bytes", waiting, self._spool_bytes)
        yield _gauge("alodial_spool_limit_bytes", "Above it callbacks are answered 503.", limit)
        if self._snapshot is not None:
            state = self._snapshot.overview
            limit_text = "Its maxmemory, 0 for none; above nine tenths of it new calls are refused."
            yield _gauge("alodial_store_memory_bytes", "Memory that Redis uses.", state.memory.used)
            yield _gauge("alodial_store_memory_limit_bytes", limit_text, state.memory.limit)
            yield from _calls(state)
            yield from _accounts(state)
            yield from _results(state)
            yield _findings(state)
            yield from _workers(state, self._settings)
            yield from _webhooks(state)
            yield from _archive(state)
            yield from _sums(self._snapshot.sums)


class MetricsText:
    """The text of ``/metrics``. It is collected once at a time: whoever asks meanwhile gets the same."""

    def __init__(
        self, settings: Settings, store: AsyncStore, spool_bytes: Callable[[], int], process: ProcessMetrics
    ) -> None:
        self._settings = settings
        self._store = store
        self._spool_bytes = spool_bytes
        self._process = process
        self._collection: asyncio.Task[bytes] | None = None

    async def read(self) -> bytes:
        """Returns Prometheus' text, PROBE_TIMEOUT seconds later at most where Redis does not answer."""
        if self._collection is None or self._collection.done():
            self._collection = asyncio.create_task(self._collect())
        return await asyncio.shield(self._collection)

    async def _collect(self) -> bytes:
        snapshot: StoreSnapshot | None = None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                snapshot = await self._store.call(read_snapshot, self._settings)
        except (StoreUnavailable, TimeoutError) as exc:
            log.warning("metrics.store_unavailable", error=type(exc).__name__)
        registry = CollectorRegistry()
        registry.register(StoreMetrics(snapshot, self._settings, self._spool_bytes()))
        return generate_latest(registry) + generate_latest(self._process.registry)


Family = GaugeMetricFamily | CounterMetricFamily
Values = Mapping[str, float] | Mapping[tuple[str, str], float] | Mapping[tuple[str, ...], float]
"""A value for each label, or for each tuple of labels."""


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _gauges(name: str, text: str, labels: str, values: Values, kind: type[Family] = GaugeMetricFamily) -> Metric:
    """``labels`` are the names, separated by spaces."""
    family = kind(name, text, labels=labels.split())
    for label, value in values.items():
        family.add_metric([label] if isinstance(label, str) else label, value)
    return family


def _counters(name: str, text: str, labels: str, values: Values) -> Metric:
    return _gauges(name, text, labels, values, CounterMetricFamily)


def _calls(o: Overview) -> Iterable[Metric]:
    calls = {state.value: o.calls.get(state, 0) for state in sorted(State)}
    ended = {state: count for state, count in calls.items() if state in ENDS}
    states = [campaign.state for campaign in o.campaigns]
    campaigns = {state: states.count(state) for state in ("paused", "running", "scheduled")}
    yield _gauges("alodial_calls", "Calls by state, ended ones included.", "state", calls)
    yield _counters("alodial_calls_ended", "Calls that came to their end, by state.", "state", ended)
    yield _gauge("alodial_scheduled_calls", "Calls that wait for their time.", o.scheduled)
    yield _gauge("alodial_awaiting_results", "Calls whose result is awaited.", o.awaiting)
    yield _gauge("alodial_unconfirmed_calls", "Calls of which nobody knows whether they rang.", o.unconfirmed)
    yield _gauge("alodial_unconfirmed_oldest_seconds", "Age of the oldest of them.", o.unconfirmed_oldest)
    yield _gauges("alodial_campaigns", "Campaigns that have not ended.", "state", campaigns)
    yield _gauge("alodial_stopped", "1 while the emergency stop is pulled.", o.stop is not None)


def _accounts(o: Overview) -> Iterable[Metric]:
    queues = {(account.name, queue.priority): queue for account in o.accounts for queue in account.queues}
    ready = {labels: queue.count for labels, queue in queues.items()}
    oldest = {labels: queue.oldest for labels, queue in queues.items()}
    starts = {account.name: account.rate for account in o.accounts}
    limits = {account.name: account.limits for account in o.accounts if account.limits is not None}
    starts_allowed = {name: limit.rate for name, limit in limits.items()}
    channels = {account.name: account.channels for account in o.accounts}
    channels_allowed = {name: limit.channels for name, limit in limits.items()}
    breakers = {account.name: float(account.breaker) for account in o.accounts}
    holds = {account.name: account.held_for for account in o.accounts}
    both, by_account = "account priority", "account"
    yield _gauges("alodial_ready_calls", "Calls that may go now, campaigns' hoppers included.", both, ready)
    yield _gauges("alodial_ready_oldest_seconds", "Since the first of them could go.", both, oldest)
    mean = "Calls started a second, the mean of the last 10 s."
    yield _gauges("alodial_starts_per_second", mean, by_account, starts)
    yield _gauges("alodial_starts_allowed_per_second", "The limit for it; 0 for none.", by_account, starts_allowed)
    yield _gauges("alodial_channels_in_use", "Simultaneous calls.", by_account, channels)
    yield _gauges("alodial_channels_allowed", "The limit for them; 0 for none.", by_account, channels_allowed)
    yield _gauges(
        "alodial_breaker_open",
        "1 while AloVoice refuses the account's token or cannot be reached.",
        by_account,
        breakers,
    )
    yield _gauges("alodial_held_seconds", "For how long the account's calls are still kept back.", by_account, holds)


def _findings(o: Overview) -> Metric:
    counts: dict[tuple[str, str], float] = {}
    for finding in diagnose(o):
        counts[finding.code, finding.severity] = counts.get((finding.code, finding.severity), 0) + 1
    return _gauges("alodial_findings", "What `alodial status` finds, by code and severity.", "code severity", counts)


def _results(o: Overview) -> Iterable[Metric]:
    yield _gauge("alodial_inbox_entries", "Raw results that no worker has finished.", o.inbox)
    yield _gauge("alodial_inbox_oldest_seconds", "Age of the oldest of them.", o.inbox_oldest)
    yield _gauge("alodial_orphan_results", "Results whose extid is not known yet.", o.orphans)
    yield _gauge("alodial_callbacks_refused_lately", "Callbacks refused, the last within 5 minutes.", o.refused.count)
    missing = o.missing.counts[0] if o.missing.counts else 0
    text = "Calls submitted over 45 s ago since when no callback came at all."
    yield _gauge("alodial_results_missing", text, missing)
    yield _gauge("alodial_dead_results", "Results that nobody could use, kept for replay.", o.dead)


def _workers(o: Overview, settings: Settings) -> Iterable[Metric]:
    posts: dict[str, int] = {}
    for worker in sorted(o.living, key=lambda worker: worker.host):
        posts[worker.host] = posts.get(worker.host, 0) + worker.in_flight
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
    stopped = o.stop is not None
    wanted = workers_wanted(loads, inbox=o.inbox, max_in_flight=settings.max_in_flight, stopped=stopped)
    text = "Worker processes that the waiting work and the limits justify."
    yield _gauge("alodial_workers_alive", "Worker processes heard of within 8 s.", len(o.living))
    yield _gauges("alodial_worker_posts_in_flight", "POSTs under way in the workers of a host.", "host", posts)
    yield _gauge("alodial_workers_wanted", text, wanted)
    yield CounterMetricFamily("alodial_logs_dropped", "Log lines that did not get to Redis.", value=o.logs_lost)
    yield CounterMetricFamily(
        "alodial_events_dropped", "Events dropped before every group had read them.", value=o.events_lost
    )
    unread = o.events_unread
    share = "How near unread events are to the bound above which they are dropped, at 1."
    yield _gauge("alodial_events_unread_share", share, unread.share if unread else 0)


def _archive(o: Overview) -> Iterable[Metric]:
    archive = o.archive or ArchiveState(0.0, 0, "")
    lag = "Age of the oldest change that the archive may not have; 0 without an archive."
    yield _gauge("alodial_archive_lag_seconds", lag, archive.lag)
    yield _gauge("alodial_archive_calls", "Calls in the archive.", archive.calls)
    yield _gauge("alodial_archive_refused", "1 while the archive's database takes nothing.", bool(archive.trouble))


def _webhooks(o: Overview) -> Iterable[Metric]:
    ends = {endpoint.id: endpoint for endpoint in o.endpoints}
    waiting = {id: end.waiting for id, end in ends.items()}
    lag = {id: end.lag for id, end in ends.items()}
    parked = {id: end.parked for id, end in ends.items()}
    enabled = {id: float(end.enabled) for id, end in ends.items()}
    delivered = {id: end.delivered for id, end in ends.items()}
    failed = {id: end.failed for id, end in ends.items()}
    label = "endpoint"
    yield _gauges("alodial_webhook_waiting", "Events that wait for it.", label, waiting)
    yield _gauges("alodial_webhook_lag_seconds", "Age of the oldest event that waits for it.", label, lag)
    yield _gauges("alodial_webhook_parked", "Events given up, kept to resend.", label, parked)
    yield _gauges("alodial_webhook_enabled", "0 while it is switched off.", label, enabled)
    yield _counters("alodial_webhook_delivered", "Events it took.", label, delivered)
    yield _counters("alodial_webhook_failed", "Tries that failed.", label, failed)


def _sums(sums: dict[str, list[counters.CounterSum]]) -> Iterable[Metric]:
    """The counters and histograms that all processes add up in the store."""
    for kind in counters.KINDS:
        if not kind.buckets:
            values = {entry.labels: entry.count for entry in sums[kind.name]}
            if kind is counters.LOOP_FAILURES:
                # A web process counts these alone, and does not flush them.
                for labels, count in counters.process_counters.unflushed(kind).items():
                    values[labels] = values.get(labels, 0) + count
            yield _counters(kind.name, kind.text, " ".join(kind.labels), values)
            continue
        family = HistogramMetricFamily(kind.name, kind.text, labels=kind.labels)
        bounds = [*(str(bound) for bound in kind.buckets), "+Inf"]
        for entry in sums[kind.name]:
            cumulative = itertools.accumulate(entry.buckets)
            family.add_metric(entry.labels, list(zip(bounds, cumulative, strict=True)), entry.total)
        yield family
