"""``alodial bench``: it recommends what the figures say, and leaves the user's calls alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
import redis

from alodial import CallQueue, TwoWayCall
from alodial.i18n import LANGUAGES, Translator
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.dev.bench.advice import Advice, Figures, advise
from alodial_workers.dev.bench.measures import rate_of
from alodial_workers.dev.bench.scratch_store import BenchRefused, refuse_if_busy, scratch, with_database

FIGURES = Figures(
    cores=2,
    allowed_rate=5,
    in_flight=512,
    larger_in_flight=2048,
    rate=2000,
    rate_larger=6000,
    rate_at_once=8000,
    several=2,
    rate_several=12_000,
    redis_rate=10_000,
    enqueue_ms=0.4,
    fsync_ms=1.0,
    append_only=True,
    synced=False,
    sentinel=False,
)


def _advice(**values: object) -> Advice:
    return advise(replace(FIGURES, **values), str)  # type: ignore[arg-type]  # fields of the dataclass


@pytest.mark.parametrize(
    ("values", "workers", "max_in_flight", "durability"),
    [
        ({}, 2, 512, "fsync"),  # a PBX: one worker would do, the other is for its end
        ({"allowed_rate": 3000}, 2, 2048, "fast"),  # 60 % of one worker's 6,000, and one in reserve
        ({"allowed_rate": 3000, "rate_larger": 2100}, 4, 512, "fast"),
        ({"allowed_rate": 0}, 2, 2048, "fast"),
        ({"allowed_rate": 0, "several": 4, "rate_several": 8100}, 2, 2048, "fast"),  # more workers bring nothing
        ({"synced": True, "fsync_ms": None}, 2, 512, "fsync"),
        ({"fsync_ms": 20.0, "allowed_rate": 50}, 2, 512, "fast"),
        ({"append_only": False}, 2, 512, "fsync"),
        ({"sentinel": True}, 2, 512, "replica"),
    ],
)
def test_the_recommendation_follows_from_the_figures(
    values: dict[str, object], workers: int, max_in_flight: int, durability: str
) -> None:
    advice = _advice(**values)
    assert (advice.max_in_flight, advice.durability) == (max_in_flight, durability)
    assert advice.workers == workers
    for language in LANGUAGES:
        assert all(Translator(language, UTC).say(reason) for reason in advice.reasons)


def test_rates_count_whole_waves_of_answers_only() -> None:
    # 100 POSTs every 0.2 s; the last wave is cut after a tenth of it.
    times = [int((wave * 0.2 + n / 10_000) * 1e9) for wave in range(6) for n in range(100)][:510]
    assert rate_of(times, 0.2) == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:p%40ss@h:6379/0?x=1", "redis://:p%40ss@h:6379/7?x=1"),
        ("rediss://h", "rediss://h/7"),
        ("unix:///run/redis.sock?db=0&x=1", "unix:///run/redis.sock?x=1&db=7"),
        ("redis+sentinel://a:1,b:2/main/0", "redis+sentinel://a:1,b:2/main/7"),
    ],
)
def test_another_database_of_the_same_redis_has_its_address(url: str, expected: str) -> None:
    assert with_database(url, 7) == expected


def test_only_an_empty_database_is_used_and_only_our_keys_are_deleted() -> None:
    with EmbeddedRedis(options=("--databases", "3")) as server:
        settings = Settings(_env_file=None, redis_url=server.url)
        redis.Redis(port=server.port, db=1).set("theirs", "1")
        with scratch(settings, own=False) as url:
            assert url == server.url[:-1] + "2"
            with redis.Redis.from_url(url) as client:
                client.set("alodial:x", "1")
                client.set("theirs", "1")
            with pytest.raises(BenchRefused, match="--own-redis"), scratch(settings, own=False):
                pass
        assert redis.Redis(port=server.port, db=2).keys() == [b"theirs"]
        assert redis.Redis(port=server.port, db=1).keys() == [b"theirs"]


def test_a_redis_with_calls_on_their_way_is_refused() -> None:
    with EmbeddedRedis() as server:
        settings = Settings(_env_file=None, redis_url=server.url)
        refuse_if_busy(settings)
        with CallQueue(settings=settings) as queue:
            queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
        with pytest.raises(BenchRefused, match="0 workers and 1 call"):
            refuse_if_busy(settings)


def _lasting(client: "redis.Redis") -> set[bytes]:
    """The keys without those of a wake-up and of a look at the memory, which expire after a second."""
    return {name for name in client.scan_iter() if b":bell:" not in name and b":room:" not in name}


@pytest.mark.slow
def test_a_short_measurement_recommends_something_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path) as server:
        with CallQueue(settings=Settings(_env_file=None, redis_url=server.url)) as queue:
            call = queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
        client = redis.Redis(port=server.port)
        before = _lasting(client)
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ALODIAL_REDIS_URL": server.url}
        command = [sys.executable, "-m", "alodial.cli", "bench", "--seconds", "2", "--json"]
        busy = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert busy.returncode == 1
        assert "--own-redis" in busy.stderr
        done = subprocess.run(
            [*command, "--yes"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        *rows, last = map(json.loads, done.stdout.splitlines())
        assert {"round_trip", "enqueue", "one_worker", "several_workers", "pick_up"} <= {row["measure"] for row in rows}
        assert last["recommendation"]["workers"] >= 2
        assert _lasting(client) == before
        assert set(client.info("keyspace")) == {"db0"}
        with CallQueue(settings=Settings(_env_file=None, redis_url=server.url)) as queue:
            assert queue.get(call.id).state == "queued"
