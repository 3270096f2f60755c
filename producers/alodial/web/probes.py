"""``/healthz``, ``/readyz`` and ``/metrics``, for machines that watch this one."""

import asyncio
from collections.abc import Iterable

import structlog
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from ..errors import StoreUnavailable
from ..store.gauges import Gauges, read_gauges
from . import shapes
from .answers import answer
from .parts import parts_of
from .problems import RETRY_AFTER, problem
from .readiness import PROBE_TIMEOUT

log = structlog.get_logger("alodial.web")
router = APIRouter(tags=["watching"])


@router.get("/healthz", summary="Alive", responses=shapes.answers({200: ("This process answers", shapes.Status)}))
async def healthz() -> Response:
    """Asks nobody: an outage of Redis must not restart a process that keeps callbacks on disk meanwhile."""
    return answer({"status": "ok"})


@router.get(
    "/readyz",
    summary="Ready",
    responses=shapes.refusals(503) | shapes.answers({200: ("Redis is reachable and fit", shapes.Ready)}),
)
async def readyz(request: Request) -> Response:
    parts = parts_of(request)
    findings = await parts.readiness.findings()
    rows = [{"name": f.name, "level": f.level, "message": f.message, "hint": f.hint} for f in findings]
    away = any(f.level == "error" and f.name == "redis.reachable" for f in findings)
    if away or (any(f.level == "error" for f in findings) and not parts.settings.accept_risk):
        code = "store_unavailable" if away else "store_unfit"
        detail = "Redis cannot be used; see findings."
        return problem(503, code, detail, headers={"Retry-After": RETRY_AFTER}, findings=rows)
    return answer({"status": "ok", "findings": rows})


class Figures(Collector):
    """The store's figures and the spool's, read before they are collected."""

    def __init__(self, gauges: Gauges | None, spool_bytes: int) -> None:
        self._gauges = gauges
        self._spool_bytes = spool_bytes

    def collect(self) -> Iterable[Metric]:
        yield _single("alodial_store_up", "1 while Redis answers.", 0 if self._gauges is None else 1)
        yield _single(
            "alodial_spool_bytes", "Bytes of callbacks on this process' disk that wait for Redis.", self._spool_bytes
        )
        if self._gauges is None:
            return
        g = self._gauges
        calls = GaugeMetricFamily("alodial_calls", "Calls by state, ended ones included.", labels=["state"])
        for state, count in sorted(g.calls.items()):
            calls.add_metric([state], count)
        yield calls
        ready = GaugeMetricFamily("alodial_ready_calls", "Calls that may go now.", labels=["account", "priority"])
        for (account, priority), count in g.ready.items():
            ready.add_metric([account, priority], count)
        yield ready
        channels = GaugeMetricFamily("alodial_channels_in_use", "Simultaneous calls.", labels=["account"])
        for account, count in g.channels.items():
            channels.add_metric([account], count)
        yield channels
        yield _single("alodial_scheduled_calls", "Calls that wait for their time.", g.scheduled)
        yield _single("alodial_awaiting_results", "Calls whose result is awaited.", g.awaiting)
        yield _single("alodial_inbox_entries", "Raw results that no worker has finished.", g.inbox)
        yield _single("alodial_orphan_results", "Results whose extid is not known yet.", g.orphans)
        yield _single("alodial_dead_results", "Results that nobody could use, kept for replay.", g.dead)
        yield _single("alodial_stopped", "1 while the emergency stop is pulled.", 1 if g.stopped else 0)


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


@router.get(
    "/metrics",
    summary="Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format. While Redis is away only `alodial_store_up 0` and this process' own figures."""
    parts = parts_of(request)
    gauges: Gauges | None = None
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            gauges = await parts.queue.store.call(lambda client: read_gauges(client, parts.settings.account_names))
    except (StoreUnavailable, TimeoutError) as exc:
        log.warning("metrics.partial", error=type(exc).__name__)
    registry = CollectorRegistry()
    registry.register(Figures(gauges, parts.keeper.spool.unread))
    text = generate_latest(registry) + generate_latest(parts.meters.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
