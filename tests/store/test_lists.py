"""Lists of calls are what a scan of all records would give, for every filter."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from alodial import CallFilter, CallQueue
from alodial.errors import InvalidCall, NotRedialable
from alodial.settings import Settings
from alodial.store import call_listing, call_transitions, inbox, redis_checks
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.keys import Keys
from alodial.store.records import CallRecord, read_record
from alodial_schemas import ENDS, Disposition, State

keys = Keys()

NO_LIMITS = Settings(_env_file=None, calls_per_second=0, max_concurrent_calls=0).account("default")
PHONES = [f"+9989012{n:05d}" for n in (0, 1, 10_000, 20_000, 30_001)]
"""Some of them share their last four digits."""


def body(rng: random.Random) -> dict[str, Any]:
    some = rng.sample(PHONES, 3)
    if rng.random() < 0.3:
        return {"callto": some[0], "ivrid": 7, "fromline": "712037006"}
    return {"callfrom": {"phone": some[0]}, "callto": [{"phone": some[1]}, {"phone": some[2]}]}


class World:
    """Calls at every state, made by the real scripts."""

    def __init__(self, queue: CallQueue, seed: int, many: int = 160) -> None:
        self.queue, self.store = queue, queue.store
        self.epoch = redis_checks.epoch(self.store.redis, keys)
        rng = random.Random(seed)
        for n in range(many):
            given = body(rng) | {
                "priority": rng.choice(["urgent", "normal", "bulk"]),
                "reference": rng.choice([f"order-{n % 7}", None]),
                "account": rng.choice(["default", "second"]),
            }
            if rng.random() < 0.2:
                given["not_before"] = "2027-06-01T12:00:00+05:00" if n % 2 else f"2027-06-0{1 + n % 9}T12:00:00+05:00"
            queue.enqueue({name: value for name, value in given.items() if value is not None})
        for account in ("default", "second"):
            self.live(rng, account, many // 3)

    def live(self, rng: random.Random, account: str, many: int) -> None:
        settings = self.queue.settings
        claim = self.store.run(
            call_transitions.claim(settings, account, NO_LIMITS, epoch=self.epoch, room=many, horizon=1, attend=0)
        )
        for call in claim.calls:
            if rng.random() < 0.1:
                continue
            armed = [Arming(call.record, call.token, call.slot)]
            assert (
                self.store.run(call_transitions.arm(settings, NO_LIMITS, armed, epoch=self.epoch, worker="w"))[
                    0
                ].outcome
                == "armed"
            )
            outcome = rng.choice(["taken", "taken", "taken", "unconfirmed", "rejected", ""])
            if outcome:
                code = "http_400" if rng.random() < 0.5 else "http_422"
                settled = Settling(call.record, call.token, outcome, code=code if outcome == "rejected" else "timeout")  # type: ignore[arg-type]
                self.store.run(call_transitions.settle(settings, NO_LIMITS, [settled]))
            if outcome == "taken" and rng.random() < 0.8:
                disposition = rng.choice(list(Disposition))
                self.store.run(
                    call_transitions.apply_results([Applying(call.extid, "{}", f"d{call.extid}", disposition)])
                )

    def records(self) -> list[CallRecord]:
        found = []
        for _, fields in self.store.redis.xrange(keys.INDEX):
            extid = fields[b"x"].decode()
            record = read_record(extid, self.store.redis.hgetall(keys.record(extid)))  # type: ignore[arg-type]
            assert record is not None
            found.append(record)
        return found

    def all_pages(self, wanted: CallFilter, limit: int) -> list[CallRecord]:
        found: list[CallRecord] = []
        cursor = None
        for _ in range(200):
            page = self.queue.calls(wanted, cursor=cursor, limit=limit)
            assert len(page.calls) <= limit
            found += page.calls
            cursor = page.cursor
            if cursor is None:
                return found
        raise AssertionError("no end")


@pytest.fixture
def queue(settings: Settings) -> Iterator[CallQueue]:
    with CallQueue(settings=settings.model_copy(update={"accounts": {"second": NO_LIMITS}})) as queue:
        yield queue


def numbers(record: CallRecord) -> set[str]:
    to = record.request["callto"]
    if isinstance(to, str):
        return {to}
    return {record.request["callfrom"]["phone"], *(entry["phone"] for entry in to)}


def expected(records: list[CallRecord], wanted: CallFilter) -> set[str]:
    def fits(record: CallRecord) -> bool:
        if wanted.state and record.state != wanted.state:
            return False
        if wanted.disposition and record.disposition != wanted.disposition:
            return False
        if wanted.reference and record.reference != wanted.reference:
            return False
        if wanted.account and record.account != wanted.account:
            return False
        if wanted.reason and (record.timeline[-1]["note"] or "").split(" ")[0] != wanted.reason:
            return False
        return not wanted.phone or wanted.phone in numbers(record)

    return {record.extid for record in records if fits(record)}


@pytest.mark.parametrize("seed", range(4))
def test_every_list_equals_a_scan_of_all_records(queue: CallQueue, seed: int) -> None:
    world = World(queue, seed)
    records = world.records()
    # A claimed call is in no list of waiting ones while its worker holds it.
    held = {r.extid for r in records if r.state is State.QUEUED and queue.store.redis.zscore(keys.LEASE, r.extid)}
    rng = random.Random(seed)
    filters = [CallFilter(state=state) for state in State]
    filters += [CallFilter(disposition=d) for d in Disposition]
    filters += [CallFilter(phone=phone) for phone in PHONES]
    filters += [CallFilter(reference=f"order-{n}") for n in range(8)]
    filters += [CallFilter(state="rejected", reason=code) for code in ("http_400", "http_422", "none")]
    filters += [
        CallFilter(
            state=rng.choice(["", *State]),
            phone=rng.choice(["", *PHONES]),
            reference=rng.choice(["", "", "order-3"]),
            disposition=rng.choice(["", "", *Disposition]),
            account=rng.choice(["", "default", "second"]),
        )
        for _ in range(60)
    ]
    for wanted in [CallFilter(), *filters]:
        names = [record.extid for record in world.all_pages(wanted, rng.choice([3, 7, 50]))]
        assert len(names) == len(set(names)), wanted
        assert set(names) - held == expected(records, wanted) - held, wanted
        if not wanted.disposition or wanted.state:
            counted = queue.count(wanted)
            assert not counted.more
            assert counted.number >= len(set(names) - held), wanted
            assert counted.number <= len(expected(records, wanted)), wanted


def test_new_calls_are_first_and_ended_ones_in_the_order_of_their_ends(queue: CallQueue) -> None:
    world = World(queue, 1)
    made = [record.created_at for record in world.all_pages(CallFilter(), 9)]
    assert made == sorted(made, reverse=True)
    for state in ENDS:
        ended = [record.updated_at for record in world.all_pages(CallFilter(state=state), 9)]
        # The list goes by Redis' clock when the entry was written, the record by that of its script's beginning.
        moments = [datetime.fromisoformat(at) for at in ended]
        assert all(later >= earlier - timedelta(milliseconds=20) for later, earlier in pairwise(moments))
    due = [record.not_before for record in world.all_pages(CallFilter(state="scheduled"), 4)]
    assert due == sorted(due, key=str)


def test_since_and_until_bound_the_time_of_creation(queue: CallQueue) -> None:
    world = World(queue, 2, many=60)
    stamps = sorted({int(position.split(b"-")[0]) for position, _ in queue.store.redis.xrange(keys.INDEX)})
    since, until = stamps[len(stamps) // 4], stamps[len(stamps) // 2]
    everyone = world.records()
    for state in ("", "completed", "queued", "rejected"):
        names = {r.extid for r in world.all_pages(CallFilter(state=state, since=since, until=until), 10)}
        for record in everyone:
            raw = queue.store.redis.hgetall(keys.record(record.extid))
            inside = CallFilter(state=state, since=since, until=until).matches(raw)  # type: ignore[arg-type]
            if not queue.store.redis.zscore(keys.LEASE, record.extid):
                assert inside == (record.extid in names)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "0-0", "i", "i1", "i1-1", "i1-1.9", "e1-1.0", "q0.17", "i1-1.0;", "i" + "1" * 60, "p5.17", "d-1.17"],
)
def test_a_cursor_of_another_list_or_of_no_list_is_refused(queue: CallQueue, cursor: str) -> None:
    queue.enqueue(body(random.Random(1)))
    if cursor in ("", "i1-1.0"):
        return
    with pytest.raises(InvalidCall) as told:
        queue.calls(CallFilter(), cursor=cursor)
    assert told.value.problems[0].field == "cursor"


def test_a_list_goes_on_though_calls_come_and_go_between_its_pages(queue: CallQueue) -> None:
    for n in range(30):
        queue.enqueue({"callto": PHONES[0], "ivrid": 7, "fromline": "712037006", "reference": f"r{n}"})
    first = queue.calls(CallFilter(phone=PHONES[0]), limit=10)
    newer = [queue.enqueue({"callto": PHONES[0], "ivrid": 7, "fromline": "712037006"}) for _ in range(5)]
    second = queue.calls(CallFilter(phone=PHONES[0]), cursor=first.cursor, limit=10)
    names = [record.reference for record in (*first.calls, *second.calls)]
    assert names == [f"r{n}" for n in range(29, 9, -1)]
    queued = queue.calls(CallFilter(state="queued"), limit=5)
    for call in queued.calls[2:]:
        queue.cancel(call.id)
    rest = queue.calls(CallFilter(state="queued"), cursor=queued.cursor, limit=100)
    assert {call.id for call in newer} <= {record.id for record in rest.calls}


def test_a_call_in_the_index_of_another_campaign_is_not_listed(queue: CallQueue) -> None:
    call = queue.enqueue(body(random.Random(3)))
    queue.store.redis.lpush(keys.campaign_calls("some"), call.extid)
    assert queue.calls(CallFilter(campaign="some")).calls == []


def test_expired_records_leave_the_lists(queue: CallQueue) -> None:
    call = {"callto": PHONES[0], "ivrid": 7, "fromline": "712037006", "reference": "same"}
    for _ in range(400):
        placed = queue.enqueue(call)
        queue.store.redis.delete(keys.record(placed.extid))
    key = keys.by_number(PHONES[0], initiator=False)
    # 32 go at each 16th: what is left is what came since then, by the extids' last digits.
    assert queue.store.redis.llen(key) < 150
    assert queue.store.redis.llen(keys.by_reference("same")) < 150
    assert 0 < queue.store.redis.pttl(key) < 500 * 86_400_000
    assert queue.calls(CallFilter(phone=PHONES[0])).calls == []


def test_hours_and_minutes_add_up_to_what_happened(queue: CallQueue) -> None:
    world = World(queue, 5)
    records = world.records()
    totals: dict[str, int] = {}
    for key in queue.store.redis.keys(keys.PREFIX + "tick:*"):
        for name, count in queue.store.redis.hgetall(key).items():
            totals[name.decode()] = totals.get(name.decode(), 0) + int(count)
        assert 0 < queue.store.redis.pttl(key) <= 7_500_000
    assert totals["c"] == len(records)
    assert totals["a"] == sum(1 for r in records if r.attempts[0]["submitted_at"])
    for state in ENDS:
        assert totals.get(f"e:{state}", 0) == sum(1 for r in records if r.state == state)
    for disposition in Disposition:
        wanted = sum(1 for r in records if r.state is State.COMPLETED and r.disposition == disposition)
        assert totals.get(f"d:{disposition}", 0) == wanted
    hours: dict[str, int] = {}
    for key in queue.store.redis.keys(keys.PREFIX + "hour:*"):
        for name, count in queue.store.redis.hgetall(key).items():
            hours[name.decode()] = hours.get(name.decode(), 0) + int(count)
        assert 0 < queue.store.redis.pttl(key) <= (8 * 24 + 1) * 3_600_000
    assert {name: count for name, count in hours.items() if not name.startswith("y:")} == totals
    assert hours["y:rejected:http_400"] + hours["y:rejected:http_422"] == totals["e:rejected"]


def unconfirmed(queue: CallQueue, **more: Any) -> str:
    placed = queue.enqueue({"callto": PHONES[0], "ivrid": 7, "fromline": "712037006"} | more)
    settings, epoch = queue.settings, redis_checks.epoch(queue.store.redis, keys)
    call = queue.store.run(
        call_transitions.claim(settings, "default", NO_LIMITS, epoch=epoch, room=1, horizon=1, attend=0)
    ).calls[0]
    queue.store.run(
        call_transitions.arm(settings, NO_LIMITS, [Arming(call.record, call.token, call.slot)], epoch=epoch, worker="w")
    )
    queue.store.run(
        call_transitions.settle(settings, NO_LIMITS, [Settling(call.record, call.token, "unconfirmed", code="timeout")])
    )
    return placed.id


def test_an_unconfirmed_call_redialed_five_times_gets_one_new_attempt(queue: CallQueue) -> None:
    name = unconfirmed(queue)
    answers = [queue.redial(name, actor="Aziza", attempt=1) for _ in range(5)]
    assert [answer.created for answer in answers] == [True, False, False, False, False]
    record = queue.get(name)
    assert (record.state, record.attempt) == (State.SCHEDULED, 2)
    assert record.timeline[-1]["note"] == "operator Aziza"
    assert queue.store.redis.zcard(keys.UNCONFIRMED) == 0


def test_a_redial_repeated_gives_the_same_answer(queue: CallQueue) -> None:
    record = queue.get(unconfirmed(queue))
    op = call_transitions.redial([call_transitions.Redialing(record.extid, 1)], "who")
    assert queue.store.run(op) == queue.store.run(op)
    assert queue.get(record.id).attempt == 2


def test_a_result_of_the_first_attempt_still_completes_a_redialed_call(queue: CallQueue) -> None:
    record = queue.get(unconfirmed(queue))
    queue.redial(record.id)
    queue.store.run(call_transitions.apply_results([Applying(record.extid, "{}", "digest", "answered")]))
    assert queue.get(record.id).state is State.COMPLETED
    # The page that asks once more showed the first attempt, which has a later one.
    assert not queue.redial(record.id, attempt=1).created


def test_an_ended_call_redialed_is_one_new_call_with_the_same_request(queue: CallQueue) -> None:
    placed = queue.enqueue(
        {"callfrom": {"phone": PHONES[0], "lang": "ru"}, "callto": [{"phone": PHONES[1]}], "metadata": {"a": "я"}},
        reference="order-1",
        priority="urgent",
        expires_at="2036-01-01T00:00:00Z",
    )
    queue.cancel(placed.id)
    again = [queue.redial(placed.id) for _ in range(3)]
    assert len({call.id for call in again}) == 1
    assert [call.created for call in again] == [True, False, False]
    old, new = queue.get(placed.id), queue.get(again[0].id)
    assert new.id != old.id
    assert new.redial_of == old.id
    raws = [queue.store.redis.hget(keys.record(r.extid), "b") for r in (old, new)]
    assert raws[0] == raws[1]
    assert (new.reference, new.priority, new.metadata) == ("order-1", "urgent", {"a": "я"})
    assert new.expires_at is None


def test_a_call_in_progress_is_not_redialed(queue: CallQueue) -> None:
    placed = queue.enqueue(body(random.Random(1)))
    with pytest.raises(NotRedialable, match="has not ended yet"):
        queue.redial(placed.id)


def test_all_calls_of_a_filter_are_canceled_and_the_others_counted(queue: CallQueue) -> None:
    world = World(queue, 7)
    records = world.records()
    waiting = {r.extid for r in records if r.state in (State.QUEUED, State.SCHEDULED)}
    done = queue.cancel_all(CallFilter())
    assert done.done == len(waiting)
    assert sum(done.left_out.values()) == len(records) - len(waiting)
    assert not done.more
    assert not expected(world.records(), CallFilter(state="queued"))


def test_all_calls_of_a_filter_are_redialed_once(queue: CallQueue) -> None:
    world = World(queue, 8)
    before = world.records()
    rejected = expected(before, CallFilter(state="rejected"))
    first = queue.redial_all(CallFilter(state="rejected"), actor="Aziza")
    assert (first.done, first.left_out) == (len(rejected), {})
    second = queue.redial_all(CallFilter(state="rejected"), actor="Aziza")
    assert (second.done, second.left_out) == (0, {"already": len(rejected)})
    assert len(world.records()) == len(before) + len(rejected)
    unknown = expected(before, CallFilter(state="unconfirmed"))
    assert queue.redial_all(CallFilter(state="unconfirmed"), actor="Aziza").done == len(unknown)
    completed = CallFilter(state="completed")
    few = queue.redial_all(completed, actor="Aziza", limit=5)
    assert (few.done, few.more) == (5, True)
    rest = queue.redial_all(completed, actor="Aziza", cursor=few.cursor)
    assert (rest.left_out, rest.more) == ({}, False), "it goes on with those that were not redialed"
    again = queue.redial_all(completed, actor="Aziza")
    assert (again.done, again.left_out) == (0, {"already": few.done + rest.done})


def test_counting_stops_at_its_limit_and_reports_it(queue: CallQueue) -> None:
    for _ in range(30):
        queue.enqueue({"callto": PHONES[0], "ivrid": 7, "fromline": "712037006", "account": "second"})
    assert queue.count(CallFilter(account="second"), limit=10) == call_listing.Count(10, more=True)
    assert queue.count(CallFilter(account="second")) == call_listing.Count(30, more=False)


def test_the_sweeper_removes_expired_calls_from_the_lists(queue: CallQueue) -> None:
    placed = queue.enqueue({"callto": PHONES[0], "ivrid": 7, "fromline": "712037006"})
    queue.cancel(placed.id)
    inbox.forget_old(queue.store.redis, keys, 86_400)
    assert queue.count(CallFilter(state="canceled")).number == 1
    position = queue.store.redis.xrange(keys.ended("canceled"))[0][0].decode()
    later = int(position.partition("-")[0]) + 86_400_001
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbox, "server_ms", lambda _client: later)
        inbox.forget_old(queue.store.redis, keys, 86_400)
    assert queue.count(CallFilter(state="canceled")).number == 0
