"""A campaign's chart: each end of a call counts once in its minute and its hour, and is forgotten after its time."""

from campaign_harness import Harness

from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


def counted(harness: Harness, key: str) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in harness.store.redis.hgetall(key).items()}


def test_each_end_of_a_campaign_s_call_counts_once_in_its_minute_and_its_hour(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    id = harness.submit(6, "spring")
    harness.pace()
    calls = [harness.ring(name) for name in ("answered", "busy", "answered", "answered")]
    harness.result(calls[0].extid)  # AloVoice sends it again
    before = harness.ms
    harness.later(3600)
    harness.pace()
    harness.ring("busy")
    harness.cancel(id)
    ends: dict[str, int] = {}
    for hour in (before // 3_600_000, harness.ms // 3_600_000):
        for name, count in counted(harness, keys.campaign_minutes(id, hour)).items():
            label = name.partition(":")[2]
            ends[label] = ends.get(label, 0) + count
        assert 0 < harness.store.redis.pttl(keys.campaign_minutes(id, hour)) <= 7_500_000
    records = [record for record in harness.records(id).values() if record["s"] != "queued"]
    wanted: dict[str, int] = {}
    for record in records:
        label = f"completed:{record['dp']}" if record["s"] == "completed" else record["s"]
        wanted[label] = wanted.get(label, 0) + 1
    assert ends == wanted
    hours: dict[str, int] = {}
    for day in {before // 86_400_000, harness.ms // 86_400_000}:
        for name, count in counted(harness, keys.campaign_hours(id, day)).items():
            hours[name.partition(":")[2]] = hours.get(name.partition(":")[2], 0) + count
    assert hours == ends
