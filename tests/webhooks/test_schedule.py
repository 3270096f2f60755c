"""The schedule of tries, its bounds and its memory, on the real scripts under a clock that the tests set."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alodial.settings import Settings
from alodial.store import webhooks
from alodial.store.call_transitions import NewCall, enqueue
from alodial.store.events import trim
from alodial.store.keys import Keys
from alodial.store.sansio import run
from alodial.store.webhooks import DeliveryTry
from alodial.testing.redis_server import EmbeddedRedis
from alodial.webhooks.admin import WebhookAdmin
from alodial_schemas import new_ids
from alodial_workers.webhooks.retry_policy import SCHEDULE, classify_delivery, next_delay

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_harness import START, ClockedStore

keys = Keys()

HOUR = 3600
EP = "0123456789ab"


class Clocked:
    def __init__(self, store: ClockedStore) -> None:
        self.store = store
        self.now = START
        store.begin(START)
        self.pull()

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)
        self.store.set_clock(self.now)

    def place(self, count: int = 1) -> None:
        for _ in range(count):
            id, extid = new_ids()
            self.store.run(enqueue([NewCall(extid, id, '{"callto":"+998994412860","ivrid":7}')], self.store.settings))

    def pull(self, room: int = 1000) -> webhooks.PulledDeliveries:
        return self.store.run(webhooks.pull(EP, "https://shop.example/", room=room, lease=25))

    def tried(self, items: list[DeliveryTry]) -> bool:
        return self.store.run(webhooks.record_tries(EP, items))

    def all_fail(self, why: str = "http_500") -> bool:
        pulled = self.pull()
        moment = datetime.now(UTC)
        return self.tried(
            [classify_delivery(d.id, d.tries, 500, {}, 0.1, why, lambda: moment) for d in pulled.deliveries]
        )

    def all_good(self) -> list[str]:
        pulled = self.pull()
        self.tried([DeliveryTry(d.id, "ok", None, 200, 0.1, "") for d in pulled.deliveries])
        return [d.id for d in pulled.deliveries]

    @property
    def health(self) -> webhooks.EndpointHealth:
        return run(self.store.redis, webhooks.health_steps(keys))[0]


@pytest.fixture
def clocked(redis_server: EmbeddedRedis) -> Iterator[Clocked]:
    settings = Settings(_env_file=None, redis_url=redis_server.url)  # type: ignore[arg-type]
    store = ClockedStore(settings)
    yield Clocked(store)
    store.close()


def test_ten_tries_in_a_bit_over_75_hours() -> None:
    delays = [next_delay(n, jitter=0) for n in range(1, 10)]
    assert delays == list(SCHEDULE)
    assert next_delay(10) is None
    assert sum(SCHEDULE) == pytest.approx(75 * HOUR + 35 * 60, abs=60)
    assert all(SCHEDULE[n - 1] <= (next_delay(n) or 0) <= SCHEDULE[n - 1] * 1.1 for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("86400", 3600), ("99999999999", 3600), ("30", 30), ("Fri, 01 Jan 2027 12:00:30 GMT", 30)]
    + [(text, 5) for text in ("5", "0", "-1", "1e9", "", "soon", "５", "Fri, 01 Jan 2027 11:00:30 GMT")],
)
def test_a_throttled_event_waits_as_long_as_the_receiver_asks_and_an_hour_at_most(text: str, seconds: float) -> None:
    now = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    tried = classify_delivery("id", 0, 429, {"retry-after": text}, 0.1, "", lambda: now)
    assert tried.outcome == "throttled"
    assert seconds <= (tried.delay or 0) <= (5.5 if seconds == 5 else seconds)


def test_an_endpoint_that_was_dead_for_a_day_gets_every_event(clocked: Clocked) -> None:
    clocked.place(1000)
    for _ in range(24 * 60):
        clocked.all_fail()
        clocked.wait(60)
        if clocked.health.waiting == 0:
            break
    delivered: set[str] = set()
    for _ in range(48):
        while got := clocked.all_good():
            delivered.update(got)
        clocked.wait(HOUR)
    assert len(delivered) == 1000
    assert clocked.health.waiting == 0
    assert clocked.health.parked == 0


def test_after_the_tenth_try_an_event_is_parked_and_can_be_sent_again(clocked: Clocked) -> None:
    clocked.place(3)
    tries = 0
    while tries == 0 or (clocked.health.waiting and tries < 20):
        clocked.all_fail()
        tries += 1
        clocked.wait(86_400 * 1.2 if tries > 1 else 6)
        clocked.store.redis.hdel(keys.webhook(EP), "off", "since")  # the endpoint's own patience is another test's
    assert tries == 10
    assert clocked.health.parked == 3
    assert WebhookAdmin(clocked.store, Settings(_env_file=None)).resend_parked(EP) == 3
    clocked.store.redis.zadd(
        keys.webhook(EP, "due"), dict.fromkeys(clocked.store.redis.zrange(keys.webhook(EP, "due"), 0, -1), 0)
    )
    assert clocked.health.parked == 0
    assert [d.tries for d in clocked.pull().deliveries] == [0, 0, 0]


def test_five_days_of_nothing_but_failures_switch_it_off(clocked: Clocked) -> None:
    clocked.place(1)
    clocked.all_fail()
    off = False
    for _ in range(6 * 24):
        clocked.wait(HOUR)
        clocked.place(1)
        off = off or clocked.all_fail()
        if off:
            break
    assert off
    assert not clocked.health.enabled
    assert clocked.health.off_reason == "failing"


def test_one_success_begins_the_five_days_anew(clocked: Clocked) -> None:
    for day in range(12):
        clocked.place(1)
        if day % 4 == 3:
            assert clocked.all_good()
        else:
            assert not clocked.all_fail()
        clocked.wait(86_400)
    assert clocked.health.enabled


def test_what_a_killed_worker_had_under_way_goes_again_with_the_same_id(clocked: Clocked) -> None:
    clocked.place(2)
    first = clocked.pull()
    assert clocked.pull().deliveries == []
    clocked.wait(24)
    assert clocked.pull().deliveries == []
    clocked.wait(2)
    again = clocked.pull()
    assert sorted(d.id for d in again.deliveries) == sorted(d.id for d in first.deliveries)
    assert [d.tries for d in again.deliveries] == [0, 0]


def test_a_lost_answer_of_the_record_is_recorded_once_more_without_harm(clocked: Clocked) -> None:
    clocked.place(1)
    delivery = clocked.pull().deliveries[0]
    good = [DeliveryTry(delivery.id, "ok", None, 200, 0.1, "")]
    clocked.tried(good)
    clocked.tried(good)
    assert clocked.health.waiting == 0
    assert clocked.pull().deliveries == []


def test_what_may_wait_and_what_is_parked_is_bounded(clocked: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_WAITING", 50)
    clocked.place(120)
    clocked.pull(room=0)
    assert (clocked.health.waiting, clocked.health.parked) == (50, 70)
    assert all(clocked.store.redis.pttl(key) > 0 for key in clocked.store.redis.keys(keys.webhook(EP) + "*"))


def test_the_stream_is_not_shortened_past_what_an_endpoint_has_not_copied(clocked: Clocked) -> None:
    clocked.place(150)
    assert clocked.store.run(trim(10)).held
    assert clocked.store.redis.xlen(keys.EVENTS) == 150
    clocked.pull(room=0)
    clocked.store.run(trim(10))
    assert clocked.store.redis.xlen(keys.EVENTS) <= 11


def test_a_deleted_stream_does_not_stop_it(clocked: Clocked) -> None:
    clocked.place(1)
    clocked.store.redis.delete(keys.EVENTS)
    clocked.pull()
    clocked.place(1)
    assert len(clocked.pull().deliveries) == 1


def test_an_endpoint_that_nobody_serves_any_more_holds_nothing_back(clocked: Clocked) -> None:
    clocked.place(5)
    groups = [group["name"] for group in clocked.store.redis.xinfo_groups(keys.EVENTS)]
    assert groups == [f"webhook:{EP}".encode()]
    # Its last word is of the tests' clock, years from Redis' own.
    clocked.store.redis.hset(keys.webhook(EP), "seen", 1)
    webhooks.forget_old(clocked.store.redis, keys)
    assert clocked.store.redis.xinfo_groups(keys.EVENTS) == []
    clocked.pull()
    assert len(clocked.store.redis.xinfo_groups(keys.EVENTS)) == 1
