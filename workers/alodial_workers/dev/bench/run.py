"""``alodial bench`` from its first line to its last."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alodial.i18n import Translator
from alodial.settings import Settings
from alodial.settings.environment import is_loopback
from alodial.store.connect import connect, is_sentinel
from alodial.store.fitness import read_fitness
from alodial.store.redis_address import address_of

from . import measures
from .advice import Advice, Figures, advise
from .scratch_store import refuse_if_busy, scratch

LIKE_ALOVOICE = 0.2
"""Seconds after which the stub answers where AloVoice is played."""

LARGER_IN_FLIGHT = 4096
MOST_WORKERS = 4

STARTS = 12.0
"""Seconds that starting and ending the processes takes."""

Emit = Callable[[dict[str, Any], str], None]


def run_bench(settings: Settings, t: Translator, emit: Emit, *, seconds: float, own_redis: bool, yes: bool) -> Advice:
    """Measures for about so many seconds and calls ``emit`` with a document and a sentence for each figure.

    Raises BenchRefused where calls could be disturbed, StoreUnavailable, and ProcessEnded.
    """
    if not own_redis and not yes:
        refuse_if_busy(settings)
    with scratch(settings, own=own_redis) as url:
        figures = _measure(settings, url, t, emit, seconds, own_redis=own_redis)
    advice = advise(figures, t.number)
    sentences = [t.say(reason) for reason in advice.reasons]
    settings_line = {
        "workers": advice.workers,
        "max_in_flight": advice.max_in_flight,
        "durability": advice.durability,
    }
    emit({"recommendation": settings_line, "reasons": sentences}, t("bench.recommendation", **settings_line))
    for sentence in sentences:
        emit({}, f"  {sentence}")
    return advice


def _measure(settings: Settings, url: str, t: Translator, emit: Emit, seconds: float, *, own_redis: bool) -> Figures:
    share = max(0.2, (seconds - STARTS) / 8)

    def report(measure: str, sentence: str, **values: float | str) -> None:
        rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
        emit({"measure": measure, **rounded}, sentence)

    cores = os.cpu_count() or 1
    with connect(url) as client:
        info: Any = client.info()
        synced = _config(client, "appendfsync") == "always"
    fitness = read_fitness(info)
    version = str(info.get("redis_version", "?"))
    python = measures.python_version()
    report(
        "machine",
        t("bench.machine", cores=cores, python=python, redis=version),
        cores=cores,
        python=python,
        redis=version,
    )
    trip = measures.round_trips(url)
    report(
        "round_trip",
        t("bench.round_trip", p50=_ms(t, trip.p50_ms), p99=_ms(t, trip.p99_ms)),
        p50_ms=trip.p50_ms,
        p99_ms=trip.p99_ms,
    )
    local = own_redis or is_loopback(_host(settings))
    fsync_ms = measures.fsync(Path.cwd()) if local and os.access(Path.cwd(), os.W_OK) else None
    if fsync_ms is not None:
        report("fsync", t("bench.fsync", took=_ms(t, fsync_ms)), p50_ms=fsync_ms)
    single = measures.enqueue_single(url, share)
    report(
        "enqueue",
        t("bench.enqueue", p50=_ms(t, single.p50_ms), p99=_ms(t, single.p99_ms)),
        p50_ms=single.p50_ms,
        p99_ms=single.p99_ms,
        per_second=single.rate,
    )
    measures.cleared(url)
    many = measures.enqueue_many(url, share / 2)
    report("enqueue_many", t("bench.enqueue_many", rate=_rate(t, many)), per_second=many)
    measures.cleared(url)
    rates = {}
    redis_ms = 0.0
    larger = max(LARGER_IN_FLIGHT, settings.max_in_flight)
    several = max(2, min(cores, MOST_WORKERS))
    for name, delay, workers, in_flight in (
        ("one_worker", LIKE_ALOVOICE, 1, settings.max_in_flight),
        ("one_worker_larger", LIKE_ALOVOICE, 1, larger),
        ("at_once", 0.0, 1, settings.max_in_flight),
        ("several_workers", 0.0, several, settings.max_in_flight),
    ):
        with measures.drained(url, share, delay=delay, workers=workers, max_in_flight=in_flight) as done:
            rates[name] = done.rate
            redis_ms = max(redis_ms, done.redis_ms)
            sentence = t(f"bench.{name}", rate=_rate(t, done.rate), in_flight=in_flight, workers=workers)
            report(name, sentence, per_second=done.rate, workers=workers, max_in_flight=in_flight)
            if name == "several_workers" and done.extids:
                applied = measures.results(url, done.extids[:4000])
                report("results", t("bench.results", rate=_rate(t, applied)), per_second=applied)
            if name == "at_once" and done.extids:
                picked = measures.pick_up(url, done.site, max(3, int(share / 0.5)))
                sentence = t("bench.pick_up", p50=_ms(t, picked.p50_ms), p99=_ms(t, picked.p99_ms))
                report("pick_up", sentence, p50_ms=picked.p50_ms, p99_ms=picked.p99_ms)
        measures.cleared(url)
    redis_rate = 1000 / redis_ms if redis_ms > 0 else math.inf
    if redis_ms > 0:
        report(
            "redis",
            t("bench.redis", took=_ms(t, redis_ms), rate=_rate(t, redis_rate)),
            ms_per_call=redis_ms,
            per_second=redis_rate,
        )
    return Figures(
        cores=cores,
        allowed_rate=_allowed_rate(settings),
        in_flight=settings.max_in_flight,
        larger_in_flight=larger,
        rate=rates["one_worker"],
        rate_larger=rates["one_worker_larger"],
        rate_at_once=rates["at_once"],
        several=several,
        rate_several=rates["several_workers"],
        redis_rate=redis_rate,
        enqueue_ms=single.p50_ms,
        fsync_ms=fsync_ms,
        append_only=None if own_redis else fitness.append_only,
        synced=synced,
        sentinel=is_sentinel(settings.redis_url.get_secret_value()) and not own_redis,
    )


def _allowed_rate(settings: Settings) -> float:
    """Calls a second of all accounts; 0 where one of them has no limit."""
    rates = [settings.account(name).calls_per_second for name in settings.account_names]
    return sum(rates) if all(rates) else 0.0


def _host(settings: Settings) -> str:
    address = address_of(settings.redis_url.get_secret_value())
    return "localhost" if address.startswith("/") else address.rpartition(":")[0].strip("[]")


def _config(client: Any, name: str) -> str | None:
    try:
        answer = client.config_get(name)
    except Exception:  # CONFIG is forbidden at many hosts: it is not known then
        return None
    return str(answer[name]) if name in answer else None


def _ms(t: Translator, value: float) -> str:
    return t.number(round(value, 2) if value < 10 else round(value))


def _rate(t: Translator, value: float) -> str:
    return t.number(round(value) if value >= 10 else round(value, 1))
