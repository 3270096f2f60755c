"""The metrics: what the store holds, sums over processes, the shape that Prometheus wants."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from alodial import CallQueue, StoreUnavailable
from alodial.settings import Settings
from alodial.store import counters, workers
from alodial.store.autoscaling import AccountLoad, workers_wanted
from alodial.store.client import Store
from alodial.store.counters import ATTEMPTS, POSTS, Counters, read_sums
from alodial.store.counters_flusher import CountersFlusher
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial.web.metrics import MetricsText, ProcessMetrics

from .conftest import TWO_WAY, Web

keys = Keys()


def scrape(web: Web) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(web.http.get("/metrics").text)}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    for family in families.values():
        for one in family.samples:
            if one.name == sample and one.labels == labels:
                return one.value
    raise AssertionError(f"no {sample} {labels}")


def test_every_metric_follows_prometheus_rules(web: Web) -> None:
    for family in scrape(web).values():
        assert family.documentation, family.name
        assert re.fullmatch(r"alodial_[a-z_]+", family.name)
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_minutes"))
        if family.type == "counter":
            assert all(one.name == f"{family.name}_total" for one in family.samples)
        assert set().union(*(one.labels for one in family.samples)) <= {
            *("state", "account", "priority", "outcome", "disposition", "endpoint", "host", "le", "code", "severity")
        }


def test_two_workers_are_one_sum_on_two_web_processes(
    web: Web, store: Store, redis_server: Any, tmp_path: Path
) -> None:
    first, second = Counters(), Counters()
    for here in (first, second):
        here.observe(POSTS, 0.07, "default", "taken")
        here.observe(POSTS, 99, "default", "taken")
        here.count(ATTEMPTS, "default", "busy")
        here.flush(store.redis, keys)
    other = Web(redis_server.url, tmp_path)
    try:
        for families in (scrape(web), scrape(other)):
            labels = {"account": "default", "outcome": "taken"}
            assert value(families, "alodial_post_seconds_count", **labels) == 4
            assert value(families, "alodial_post_seconds_sum", **labels) == pytest.approx(198.14)
            assert value(families, "alodial_post_seconds_bucket", le="0.05", **labels) == 0
            assert value(families, "alodial_post_seconds_bucket", le="0.1", **labels) == 2
            assert value(families, "alodial_post_seconds_bucket", le="+Inf", **labels) == 4
            assert value(families, "alodial_attempts_finished_total", account="default", disposition="busy") == 2
    finally:
        other.stop()


def test_a_flush_whose_answer_is_lost_is_not_counted_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Counters()
    here.count(ATTEMPTS, "default", "busy")
    execute = redis.client.Pipeline.execute

    def lost(self: Any, *args: Any, **kwargs: Any) -> Any:
        execute(self, *args, **kwargs)
        raise redis.exceptions.ConnectionError("the answer was lost")

    monkeypatch.setattr(redis.client.Pipeline, "execute", lost)
    with pytest.raises(redis.exceptions.ConnectionError):
        here.flush(store.redis, keys)
    monkeypatch.undo()
    here.count(ATTEMPTS, "default", "busy")
    assert here.flush(store.redis, keys)
    assert not here.flush(store.redis, keys)
    assert read_sums(store.redis.hgetall(keys.TALLY))["alodial_attempts_finished"][0].count == 2


def test_what_is_counted_while_redis_is_away_is_added_when_it_is_back(settings: Settings) -> None:
    server = EmbeddedRedis(fsync="no").start()
    here = Counters()
    store = Store(settings.model_copy(update={"redis_url": type(settings.redis_url)(server.url), "redis_timeout": 0.3}))
    flusher = CountersFlusher(store, here, every=0.05)
    try:
        server.kill()
        here.count(ATTEMPTS, "default", "busy")
        flusher.start()
        here.count(ATTEMPTS, "default", "busy")
        server.start()
        flusher.stop()
        assert read_sums(store.redis.hgetall(keys.TALLY))["alodial_attempts_finished"][0].count == 2
    finally:
        store.close()
        server.stop()


def test_counting_is_bounded_and_right_with_many_threads(store: Store) -> None:
    here = Counters()

    def count() -> None:
        for _ in range(1000):
            here.count(ATTEMPTS, "default", "busy")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2 * counters.MAX_FIELDS):
        here.count(ATTEMPTS, str(number), "busy")
    here.flush(store.redis, keys)
    assert store.redis.hlen(keys.TALLY) == counters.MAX_FIELDS
    sums = read_sums(store.redis.hgetall(keys.TALLY))["alodial_attempts_finished"]
    assert next(one.count for one in sums if one.labels == ("default", "busy")) == 4000


def test_what_another_version_counted_is_left_out() -> None:
    strange = {
        b"x": b"1",
        b'["alodial_posts_of_old","n"]': b"1",
        b'["alodial_results","n"]': b"1",
        b'["alodial_results"]': b"?",
    }
    assert not any(read_sums(strange).values())


def test_queues_workers_and_what_keeps_calls_back_are_shown(web: Web, store: Store, settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        for _ in range(3):
            web.place(TWO_WAY | {"priority": "urgent"})
        now = 2**42
        workers.write_heartbeat(store.redis, keys, workers.Heartbeat("w1", now, 1, "alpha", 3))
        workers.write_heartbeat(store.redis, keys, workers.Heartbeat("w2", now, 2, "alpha", 4))
        workers.write_heartbeat(store.redis, keys, workers.Heartbeat("w3", 0, 3, "beta", 9))
        queue.stop("fire")
    seen = scrape(web)
    assert value(seen, "alodial_ready_calls", account="default", priority="urgent") == 3
    assert value(seen, "alodial_ready_oldest_seconds", account="default", priority="urgent") >= 0
    assert value(seen, "alodial_workers_alive") == 2
    assert value(seen, "alodial_worker_posts_in_flight", host="alpha") == 7
    assert value(seen, "alodial_stopped") == 1
    assert value(seen, "alodial_workers_wanted") == 1
    assert value(seen, "alodial_starts_allowed_per_second", account="default") == 5
    assert value(seen, "alodial_channels_allowed", account="default") == 10
    assert value(seen, "alodial_calls_ended_total", state="completed") == 0


@pytest.mark.parametrize(
    ("loads", "inbox", "stopped", "wanted"),
    [
        ([], 0, False, 1),
        ([AccountLoad(1_000_000, 5, 10, 0, False)], 0, False, 1),
        ([AccountLoad(1_000_000, 4000, 0, 0, False)], 0, False, 8),
        ([AccountLoad(1_000_000, 4000, 0, 0, True)], 0, False, 1),
        ([AccountLoad(1_000_000, 4000, 600, 0, False)], 0, False, 2),
        ([AccountLoad(1_000_000, 4000, 600, 600, False)], 0, False, 1),
        ([AccountLoad(100, 4000, 0, 0, False)], 0, False, 1),
        ([AccountLoad(1_000_000, 0, 0, 0, False)], 0, False, 33),
        ([AccountLoad(10_000, 1000, 0, 0, False)] * 2, 0, False, 4),
        ([AccountLoad(1_000_000, 4000, 0, 0, False)], 25_000, True, 3),
    ],
)
def test_workers_are_wanted_for_what_the_limits_let_through(
    loads: list[AccountLoad], inbox: int, stopped: bool, wanted: int
) -> None:
    assert workers_wanted(loads, inbox=inbox, max_in_flight=512, stopped=stopped) == wanted


def test_scrapes_that_wait_share_one_collection_and_a_later_one_gets_new_figures() -> None:
    class Away:
        """A store that is asked and does not answer before it is let."""

        asked = 0

        async def call(self, *_args: object) -> None:
            self.asked += 1
            await may_answer.wait()
            raise StoreUnavailable("away")

    store = Away()
    may_answer = asyncio.Event()

    async def work() -> None:
        waiting_bytes = iter((7, 8))
        metrics: Any = MetricsText(Settings(_env_file=None), store, lambda: next(waiting_bytes), ProcessMetrics())  # type: ignore[arg-type]  # `call` is all that is used
        scrapes = [asyncio.create_task(metrics.read()) for _ in range(5)]
        await asyncio.sleep(0)
        scrapes[0].cancel()  # whoever began it goes away: the others wait on
        may_answer.set()
        texts = await asyncio.gather(*scrapes[1:])
        assert set(texts) == {texts[0]}
        assert b"alodial_spool_bytes 7.0" in texts[0]
        assert b"alodial_spool_bytes 8.0" in await metrics.read()

    asyncio.run(asyncio.wait_for(work(), 15))
    assert store.asked == 2
