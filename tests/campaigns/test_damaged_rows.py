"""Missing or damaged rows pause their own campaign with that reason; other campaigns and single calls go on."""

import json
import zlib
from collections.abc import Callable

import pytest
import redis
from campaign_harness import Harness, Silent
from structlog.testing import capture_logs

from alodial.campaigns.errors import DamagedRows
from alodial.store.counters import Counters
from alodial.store.keys import Keys
from alodial.store.supervision import Supervisor
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.pacer import Pacer

keys = Keys()


def _lose(client: "redis.Redis", campaign: str) -> None:
    client.delete(keys.campaign_rows(campaign))


def _lose_first(client: "redis.Redis", campaign: str) -> None:
    client.hdel(keys.campaign_rows(campaign), "0", "b0")


def _scramble(client: "redis.Redis", campaign: str) -> None:
    client.hset(keys.campaign_rows(campaign), "0", b"no rows")


def _foreign(client: "redis.Redis", campaign: str) -> None:
    client.hset(
        keys.campaign_rows(campaign), "0", zlib.compress(json.dumps([[2, ["998994412860"], ["x"]], 7]).encode())
    )


def _undefined(client: "redis.Redis", campaign: str) -> None:
    for name in client.hkeys(f"{keys.PREFIX}g:{campaign}"):
        if str(client.hget(f"{keys.PREFIX}g:{campaign}", name)).startswith("b'{"):
            client.hset(f"{keys.PREFIX}g:{campaign}", name, "{}")


@pytest.mark.parametrize("damage", [_lose, _lose_first, _scramble, _foreign, _undefined])
@pytest.mark.timeout(30)
def test_damaged_rows_pause_their_campaign_and_nothing_else(
    redis_server: EmbeddedRedis, damage: Callable[["redis.Redis", str], None]
) -> None:
    harness = Harness(redis_server)
    bad, good = harness.submit(700), harness.submit(30)
    damage(harness.store.redis, bad)
    supervisor = Supervisor(Counters())
    pacer = Pacer(harness.store, Silent(), harness.filler, supervisor)
    with capture_logs() as lines:
        pacer.tick()
        pacer.tick()
    paused = harness.campaign(bad)
    assert (paused.state, paused.fields["why"]) == ("paused", "rows_damaged")
    assert [line["campaign"] for line in lines if line["event"] == "campaign.rows_damaged"] == [bad]
    assert supervisor.failing() == {}
    assert harness.campaign(good).number("cur") == 30


@pytest.mark.timeout(30)
def test_a_trouble_of_ours_pauses_no_campaign_and_the_others_are_filled(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(redis_server)
    bad, good = harness.submit(700), harness.submit(30)
    real = harness.filler._chunk

    def chunk(campaign: str, *place: int) -> object:
        if campaign == bad:
            raise MemoryError
        return real(campaign, *place)

    monkeypatch.setattr(harness.filler, "_chunk", chunk)
    supervisor = Supervisor(Counters())
    with capture_logs():
        Pacer(harness.store, Silent(), harness.filler, supervisor).tick()
    assert supervisor.failing() == {f"hopper of {bad}": "MemoryError"}
    assert [harness.campaign(id).state for id in (bad, good)] == ["running", "running"]
    assert harness.campaign(good).number("cur") == 30


def test_a_chunk_whose_rows_were_all_bad_is_no_damage(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(700)
    rows = keys.campaign_rows(campaign)
    # As append writes it: the number is used up, and the chunk is not there.
    for name in ("1", "b1", "0", "b0"):
        value = harness.store.redis.hget(rows, name)
        harness.store.redis.hset(rows, name.replace("1", "2").replace("0", "1"), value)  # type: ignore[arg-type]
    harness.store.redis.hdel(rows, "0", "b0")
    harness.store.redis.hset(f"{keys.PREFIX}g:{campaign}", "nc", 3)
    (hopper,) = harness.pace(fill=False).hoppers
    try:
        harness.filler.fill(hopper)
    except DamagedRows as exc:
        pytest.fail(str(exc))
    assert harness.campaign(campaign).number("cur") == 700


@pytest.mark.parametrize("damage", [_lose, _lose_first, _scramble])
def test_neither_an_export_nor_a_retry_takes_missing_rows_for_none(
    redis_server: EmbeddedRedis, damage: Callable[["redis.Redis", str], None]
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(700)
    harness.ring_all("busy")
    damage(harness.store.redis, campaign)
    with pytest.raises(DamagedRows):
        list(harness.front.rows(campaign))
    with pytest.raises(DamagedRows):
        harness.front.retry_failed(campaign, actor="test")
    assert harness.ring_all() == []
