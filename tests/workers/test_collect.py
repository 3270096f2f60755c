"""Results on their way to their calls: each once, none to a neighbour, none dropped, whatever crashes in between."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import pytest
import structlog

from alodial import CallQueue, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, dead_letters, inbox, redis_checks
from alodial.store.client import Operation, Store
from alodial.store.keys import Keys
from alodial_schemas import ENDS
from alodial_schemas.alovoice.result import CallResult, Unreadable
from alodial_workers import collect as collecting
from alodial_workers.collect import collect, process, recover, result_json, retry_orphans

keys = Keys()

T = TypeVar("T")
JSON = "application/json"
CALL = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])


def result(extid: str | int, dialstatus: str = "ANSWER", **more: Any) -> dict[str, Any]:
    return {
        "id": [101, 102],
        "from_number": ["712037006"],
        "to_number": ["994412860"],
        "trunk_number": "712037006",
        "begin_time": 1769500000,
        "answer_time": 1769500007,
        "end_time": 1769500060,
        "duration": 60,
        "dialstatus": dialstatus,
        "record": "https://cld.alovoice.uz/rec/1.mp3",
        "externalid": int(extid),
        "attempts": [{"number": "994412860", "status": dialstatus}],
        **more,
    }


class Plant:
    """A call store with calls in any state, an inbox to put bodies into, and what came of them."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store, self.redis = settings, store, store.redis
        self.queue = CallQueue(settings=settings, store=store)
        self._limits = settings.account("default")
        self._epoch = redis_checks.epoch(store.redis, keys)
        inbox.create_group(store.redis, keys)

    def enqueue(self, **options: Any) -> str:
        return self.queue.enqueue(CALL, **options).extid

    def armed(self, **options: Any) -> tuple[str, str]:
        """A call whose POST is under way: its extid and the token of who holds it."""
        extid = self.enqueue(**options)
        claim = self.store.run(
            call_transitions.claim(
                self.settings, "default", self._limits, epoch=self._epoch, room=1, horizon=1, attend=0
            )
        )
        (call,) = claim.calls
        assert call.extid == extid
        arming = call_transitions.Arming(extid, call.token, call.slot)
        (armed,) = self.store.run(
            call_transitions.arm(self.settings, self._limits, [arming], epoch=self._epoch, worker="w")
        )
        assert armed.outcome == "armed"
        return extid, call.token

    def settle(self, extid: str, token: str, outcome: Any = "taken") -> str:
        settling = call_transitions.Settling(extid, token, outcome, answer='{"code":"x"}', code="x")
        return self.store.run(call_transitions.settle(self.settings, self._limits, [settling]))[0]

    def submitted(self, **options: Any) -> str:
        extid, token = self.armed(**options)
        self.settle(extid, token)
        return extid

    def put(self, *bodies: bytes | Mapping[str, Any] | list[Any], content_type: str = JSON) -> None:
        for body in bodies:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.redis.xadd(keys.INBOX, {"b": raw, "t": content_type})

    def collect(self) -> int:
        return collect(self.store, self.settings, "reader")

    def state(self, extid: str) -> str:
        return self.queue.get(extid).state.value

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        rows: Any = self.redis.xrange(keys.EVENTS)
        events = [json.loads(fields[b"event"]) for _, fields in rows]
        return [event for event in events if kind in event["type"]]

    def terminal(self, extid: str) -> list[str]:
        ends = {f"alodial.call.{state}" for state in ENDS}
        return [e["type"] for e in self.events() if e["type"] in ends and e["data"]["extid"] == extid]

    def dead(self) -> list[dead_letters.DeadResult]:
        items = (dead_letters.find(self.redis, keys, id) for id in dead_letters.ids(self.store, limit=5000))
        return [item for item in items if item is not None]

    def waiting(self) -> int:
        return int(self.redis.xlen(keys.INBOX))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Without this structlog draws every local of a planned crash, which takes seconds."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def plant(settings: Settings, store: Store) -> Iterator[Plant]:
    plant = Plant(settings, store)
    yield plant
    plant.queue.waker.close()


@pytest.mark.parametrize(
    ("word", "disposition"),
    [
        ("ANSWER", "answered"),
        ("no answer", "no_answer"),
        ("BUSY", "busy"),
        ("CONGESTION", "congestion"),
        ("CHANUNAVAIL", "unavailable"),
        ("CANCEL", "canceled"),
        ("SOMETHING-NEW", "unknown"),
    ],
)
def test_a_result_completes_its_call_with_its_disposition(plant: Plant, word: str, disposition: str) -> None:
    extid, neighbour = plant.submitted(), plant.submitted()
    plant.put(result(extid, word))
    assert plant.collect() == 1
    record = plant.queue.get(extid)
    assert (record.state, record.disposition) == ("completed", disposition)
    (event,) = plant.events("call.completed")
    assert event["data"]["result"]["dialstatus"] == word
    assert plant.state(neighbour) == "submitted"
    assert plant.waiting() == 0


def test_an_unconfirmed_call_is_completed_by_its_result(plant: Plant) -> None:
    extid, token = plant.armed()
    plant.settle(extid, token, "unconfirmed")
    plant.put(result(extid))
    plant.collect()
    assert plant.terminal(extid) == ["alodial.call.completed"]


def test_a_result_that_comes_before_the_answer_completes_and_the_answer_does_not_take_it_back(plant: Plant) -> None:
    extid, token = plant.armed()
    plant.put(result(extid, "BUSY"))
    plant.collect()
    assert plant.state(extid) == "completed"
    for outcome in ("taken", "unconfirmed", "rejected", "retry"):
        assert plant.settle(extid, token, outcome) == "kept"
    record = plant.queue.get(extid)
    assert (record.state, record.disposition) == ("completed", "busy")
    assert record.attempts[0]["answer"] == {"code": "x"}
    assert plant.terminal(extid) == ["alodial.call.completed"]


def test_a_hundred_equal_results_at_once_give_one_event(plant: Plant) -> None:
    extid = plant.submitted()
    plant.put(*[result(extid)] * 60)
    form = (
        f"[]id=101&[]id=102&from_number[]=712037006&to_number=994412860&trunk_number=712037006&begin_time=1769500000"
        f"&answer_time=1769500007&end_time=1769500060&duration=60&dialstatus=ANSWER&externalid={extid}"
        "&record=https://cld.alovoice.uz/rec/1.mp3&attempts[0][number]=994412860&attempts[0][status]=ANSWER"
    )
    plant.put(*[form.encode()] * 40, content_type="application/x-www-form-urlencoded")
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda name=f"r{n}": done.append(collect(plant.store, plant.settings, name)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 100
    assert [event["type"] for event in plant.events("call.") if event["data"]["extid"] == extid][-1:] == [
        "alodial.call.completed"
    ]
    assert len(plant.events("completed")) == 1
    assert plant.events("corrected") == []
    assert (plant.waiting(), plant.dead()) == (0, [])


def test_a_conflicting_second_result_is_kept_beside_the_first_and_told(plant: Plant) -> None:
    extid = plant.submitted()
    plant.put(result(extid, "ANSWER"), result(extid, "BUSY"), result(extid, "BUSY"))
    plant.collect()
    record = plant.queue.get(extid)
    assert (record.state, record.disposition) == ("completed", "answered")
    assert record.attempts[0]["result"]["dialstatus"] == "ANSWER"
    assert record.attempts[0]["conflicting_result"]["dialstatus"] == "BUSY"
    assert len(plant.events("call.corrected")) == 1
    assert plant.terminal(extid) == ["alodial.call.completed"]


def test_a_result_after_the_timeout_completes_the_call_with_a_correction_and_no_second_end(plant: Plant) -> None:
    plant.settings = plant.settings.model_copy(update={"result_timeout": 0.001})
    extid = plant.submitted()
    while plant.state(extid) != "timed_out":
        plant.store.run(call_transitions.sweep(plant.settings))
    plant.put(result(extid, "NOANSWER"))
    plant.collect()
    record = plant.queue.get(extid)
    assert (record.state, record.disposition) == ("completed", "no_answer")
    assert plant.terminal(extid) == ["alodial.call.timed_out"]
    assert len(plant.events("call.corrected")) == 1


def test_a_result_for_a_call_that_was_never_posted_is_not_its_result(plant: Plant) -> None:
    extid = plant.enqueue()
    plant.put(result(extid))
    plant.collect()
    assert plant.state(extid) == "queued"
    assert plant.redis.zcard(keys.ORPHANS) == 1


def test_an_unknown_extid_is_kept_and_adopted_when_its_call_appears(plant: Plant) -> None:
    plant.put(result("777000111"))
    plant.collect()
    assert plant.waiting() == 0
    assert retry_orphans(plant.store, plant.settings, plant_now(plant)) == 0
    extid = plant.submitted(extid="777000111")
    assert retry_orphans(plant.store, plant.settings, plant_now(plant)) == 1
    assert plant.state(extid) == "completed"
    assert plant.redis.zcard(keys.ORPHANS) == 0
    assert plant.events("result.") == []


def plant_now(plant: Plant) -> int:
    return plant.store.server_ms()


def test_an_unknown_extid_is_given_up_after_its_time_kept_whole_and_told_once(plant: Plant) -> None:
    body = result("777000111")
    plant.put(body)
    plant.collect()
    later = plant_now(plant) + int(plant.settings.orphan_timeout * 1000) + 1000
    for _ in range(3):
        assert retry_orphans(plant.store, plant.settings, later) == 0
    (event,) = plant.events("result.unmatched")
    assert event["data"]["extid"] == "777000111"
    assert event["data"]["result"]["dialstatus"] == "ANSWER"
    (dead,) = plant.dead()
    assert json.loads(dead.body) == body
    assert dead.kind == "unmatched"


@pytest.mark.parametrize(
    "member", [b"{", b"[]", b'{"extid": "5"}', b"\xff", b'{"extid":"5","result":"{}","digest":"d"}']
)
def test_a_damaged_orphan_is_put_aside_and_the_others_have_their_turn(plant: Plant, member: bytes) -> None:
    plant.redis.zadd(keys.ORPHANS, {member: 1})
    plant.put(result("777000111"))
    plant.collect()
    plant.submitted(extid="777000111")
    assert retry_orphans(plant.store, plant.settings, plant_now(plant)) == 1
    assert plant.redis.zcard(keys.ORPHANS) == 0
    assert [dead.body for dead in plant.dead()] == [member]


@pytest.mark.parametrize("number", [1.7e12, "9007199254740993", -5, None, True, "12 34", "0123"])
def test_an_extid_that_is_not_exact_is_matched_to_nobody(plant: Plant, number: Any) -> None:
    extid = plant.submitted(extid="1234")
    body = json.dumps({**result(1), "externalid": number}).replace("1700000000000.0", "1.7e+12").encode()
    plant.put(body)
    plant.collect()
    assert plant.state(extid) == "submitted"
    (dead,) = plant.dead()
    assert (dead.kind, dead.body) == ("unmatched", body)
    assert len(plant.events("result.unmatched")) == 1


def test_what_cannot_be_read_is_kept_whole_told_and_replayed_after_a_fix(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    extid = plant.submitted()
    body = json.dumps(result(extid)).encode()
    plant.put(body)
    with monkeypatch.context() as broken:
        broken.setattr(collecting, "parse_results", lambda _body, _type: [Unreadable("a new form")])
        plant.collect()
    (dead,) = plant.dead()
    assert (dead.kind, dead.body, dead.content_type) == ("unreadable", body, JSON)
    (event,) = plant.events("result.unreadable")
    assert event["subject"] == dead.id
    dead_letters.replay(plant.redis, keys, dead)
    assert plant.dead() == []
    plant.collect()
    assert plant.state(extid) == "completed"


@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 50, b"[" * 50_000, b"{", b"null", b"<html>", "ж".encode("cp1251")])
def test_no_body_is_dropped(plant: Plant, body: bytes) -> None:
    plant.put(body)
    plant.collect()
    (dead,) = plant.dead()
    assert dead.body == body
    assert len(plant.events("result.")) == 1
    assert plant.waiting() == 0


def test_a_list_of_results_gives_each_to_its_call(plant: Plant) -> None:
    extids = [plant.submitted() for _ in range(30)]
    plant.put([*(result(extid) for extid in extids), result("777000111"), {"externalid": None}, "nonsense"])
    plant.collect()
    assert {plant.state(extid) for extid in extids} == {"completed"}
    assert plant.redis.zcard(keys.ORPHANS) == 1
    assert sorted(dead.kind for dead in plant.dead()) == ["unmatched", "unreadable"]


def test_a_list_without_any_extid_is_kept_once_and_not_once_for_each_entry(plant: Plant) -> None:
    body = json.dumps([{"dialstatus": "BUSY", "externalid": "x", "record": "y" * 200}] * 900).encode()
    plant.put(body)
    plant.collect()
    (dead,) = plant.dead()
    assert dead.body == body
    assert "899 more" in dead.reason
    assert len(plant.events("result.unmatched")) == 1


def test_one_of_a_list_that_nobody_knows_is_kept_byte_for_byte_and_replayed(plant: Plant) -> None:
    extid = plant.submitted()
    body = json.dumps([result(extid, odd=1), result("777000111", "BUSY", new_field="ж")], indent=3).encode("utf-16")
    plant.put(body, content_type="text/odd")
    plant.collect()
    retry_orphans(plant.store, plant.settings, plant_now(plant) + 10**7)
    (dead,) = plant.dead()
    assert (dead.body, dead.content_type) == (body, "text/odd")
    assert plant.redis.keys(f"{keys.ORPHANS}:*") == []
    plant.submitted(extid="777000111")
    dead_letters.replay(plant.redis, keys, dead)
    plant.collect()
    record = plant.queue.get("777000111")
    assert (record.state, record.disposition) == ("completed", "busy")
    assert record.attempts[0]["result"]["to_numbers"] == ["994412860"]
    assert len(plant.events("call.completed")) == 2
    assert plant.events("corrected") == []


def test_a_list_of_which_nobody_knows_several_is_kept_once_and_each_is_told(plant: Plant) -> None:
    extids = ["777000111", "777000112", "777000113"]
    plant.put([result(extid) for extid in extids])
    plant.collect()
    plant.submitted(extid=extids[1])
    assert retry_orphans(plant.store, plant.settings, plant_now(plant)) == 1
    for _ in range(2):
        retry_orphans(plant.store, plant.settings, plant_now(plant) + 10**7)
    (dead,) = plant.dead()
    assert [one["externalid"] for one in json.loads(dead.body)] == [int(extid) for extid in extids]
    told = plant.events("result.unmatched")
    assert {event["data"]["extid"] for event in told} == {extids[0], extids[2]}
    assert {event["subject"] for event in told} == {dead.id}
    assert len({event["id"] for event in told}) == 2
    assert plant.redis.keys(f"{keys.ORPHANS}:*") == []


def test_dead_letters_are_listed_without_their_bodies_and_go_with_them(plant: Plant) -> None:
    bodies = [b"\xff" * 200_000, b"{", b""]
    plant.put(*bodies)
    plant.collect()
    assert not any(b"body" in fields for _, fields in plant.redis.xrange(keys.DEAD))  # type: ignore[union-attr]
    page = plant.store.run(dead_letters.list_dead(preview=10))
    assert [(row.size, row.preview) for row in page.rows] == [(len(body), body[:10]) for body in reversed(bodies)]
    for row in page.rows:
        ttl = plant.redis.pttl(keys.dead_body(row.id))
        # An empty body is a key all the same.
        assert 0 < ttl <= inbox.DEAD_RETENTION_MS
        assert dead_letters.drop(plant.redis, keys, row.id)
    assert plant.redis.keys(f"{keys.DEAD}:*") == []


def test_a_dead_letter_of_an_older_version_is_listed_read_and_replayed(plant: Plant) -> None:
    fields = {"kind": "unreadable", "body": b"{odd", "type": JSON, "reason": "no JSON"}
    plant.redis.xadd(keys.DEAD, fields)  # type: ignore[arg-type]
    (row,) = plant.store.run(dead_letters.list_dead(preview=2)).rows
    assert (row.size, row.preview) == (4, b"{o")
    (dead,) = plant.dead()
    assert dead.body == b"{odd"
    dead_letters.replay(plant.redis, keys, dead)
    assert (plant.waiting(), plant.dead()) == (1, [])


def test_an_orphan_of_an_older_version_is_given_up_with_the_body_that_it_carries(plant: Plant) -> None:
    orphan = {"extid": "777000111", "result": "{}", "digest": "d", "disposition": "busy", "type": JSON, "body": "e30="}
    plant.redis.zadd(keys.ORPHANS, {json.dumps(orphan): 1})
    retry_orphans(plant.store, plant.settings, plant_now(plant))
    assert [dead.body for dead in plant.dead()] == [b"{}"]


class Dying(Store):
    """The store goes away right before the n-th script that is named, or before the n-th plain command."""

    def __init__(self, settings: Settings, script: str, after: int) -> None:
        super().__init__(settings)
        self._script, self._left = script, after

    def run(self, op: Operation[T]) -> T:
        if op.script == self._script:
            if self._left == 0:
                raise StoreUnavailable("away")
            self._left -= 1
        return super().run(op)

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if self._script == "call":
            if self._left == 0:
                raise StoreUnavailable("away")
            self._left -= 1
        return super().call(function, *args, **kwargs)


@pytest.mark.parametrize(("script", "after"), [("apply", 0), ("park", 0), ("park", 1), ("call", 2)])
def test_a_crash_anywhere_between_reading_and_acknowledging_means_only_that_it_is_read_again(
    plant: Plant, script: str, after: int
) -> None:
    extids = [plant.submitted() for _ in range(2)]
    plant.put(result(extids[0]), b"nonsense", result("777000111"), result(extids[1], "BUSY"))
    dying = Dying(plant.settings, script, after)
    with pytest.raises(StoreUnavailable):
        collect(dying, plant.settings, "first")
    dying.close()
    assert plant.waiting() > 0
    for _ in range(2):
        while recover(plant.store, plant.settings, "second", idle=0):
            pass
    assert plant.waiting() == 0
    assert [plant.terminal(extid) for extid in extids] == [["alodial.call.completed"]] * 2
    assert plant.events("corrected") == []
    assert len(plant.events("result.unreadable")) == len(plant.dead()) == 1
    assert plant.redis.zcard(keys.ORPHANS) == 1


def test_the_same_entry_processed_twice_does_everything_once(plant: Plant) -> None:
    extid = plant.submitted()
    plant.put(result(extid), b"nonsense", result("777000111"))
    entries = inbox.read_new(plant.redis, keys, "reader", 10)
    for _ in range(3):
        process(entries, plant.store, plant.settings)
    assert len(plant.events("call.completed")) == len(plant.dead()) == plant.redis.zcard(keys.ORPHANS) == 1


HUGE: list[dict[str, Any]] = [
    {"attempts": [{"number": "994412860", "text": "x" * 1900} for _ in range(90)]},
    {"attempts": {str(n): {"text": "ж" * 1900} for n in range(90)}},
    {"attempts": "\x01" * 100_000},
    {"from_number": ["\U0001f600" * 500] * 64, "to_number": ["\x00" * 500] * 64},
    {
        "id": [10**17] * 64,
        "trunk_number": "\x01" * 2000,
        "record": "https://x/" + "ж" * 1900,
        "dialstatus": "\x02" * 999,
    },
]


@pytest.mark.parametrize("more", HUGE)
def test_an_event_stays_under_20_kb_whatever_a_result_holds(plant: Plant, more: dict[str, Any]) -> None:
    metadata = {f"{'к' * 60}{n:02}": "ж" * 256 for n in range(16)}
    extid = plant.submitted(metadata=metadata, reference="ж" * 128)
    plant.put({**result(extid), **more}, {**result(1), **more, "externalid": "x"})
    plant.collect()
    assert plant.state(extid) == "completed"
    rows: Any = plant.redis.xrange(keys.EVENTS)
    assert max(len(fields[b"event"]) for _, fields in rows) < 20_000
    assert plant.events("completed")[0]["data"]["metadata"] == metadata
    assert len(plant.events("result.unmatched")) == 1


def test_a_usual_result_is_not_cut() -> None:
    result = CallResult(extid="1", attempts=[{"number": "994412860", "status": "BUSY"} for _ in range(20)])
    assert json.loads(result_json(result)) == result.public()


def test_a_result_that_was_cut_says_so() -> None:
    result = CallResult(extid="1", attempts=[{"text": "x" * 500} for _ in range(64)])
    attempts = json.loads(result_json(result))["attempts"]
    assert attempts[-1] == {"truncated": 64 - (len(attempts) - 1)}
    assert json.loads(result_json(CallResult(trunk_number="\x00" * 2000)))["truncated"] is True
