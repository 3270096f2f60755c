"""A request that is sent twice, or beside another one like it, makes one campaign and rings nobody twice."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from campaign_harness import Harness, phone, request

from alodial.campaigns.errors import CampaignDuplicate, CampaignKeyConflict, CampaignNotFound, CampaignRetried
from alodial.campaigns.records import CampaignRecord
from alodial.do_not_call import DoNotCall
from alodial.store import campaign_transitions, campaigns
from alodial.store.client import Operation
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

ROWS = [phone(n) for n in range(700)]


def rung_once(harness: Harness) -> None:
    harness.ring_all("busy")
    twice = {row for row, count in Counter(row.numbers for row in harness.rung).items() if count > 1}
    assert not twice


def test_again_with_the_same_key_is_the_same_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    submit = harness.front.submit
    first = submit(ROWS, request(), actor="test", again=True, idempotency_key="k")
    second = submit(ROWS, request(), actor="test", again=True, idempotency_key="k")
    assert (second.id, first.repeated, second.repeated) == (first.id, False, True)
    assert "repeated" not in second.to_dict()
    rung_once(harness)
    third = submit(ROWS, request(), actor="test", again=True, idempotency_key="k")
    assert (third.id, third.state) == (first.id, "completed")
    assert submit(ROWS, request(), actor="test", again=True, idempotency_key="k", scope="b").id != first.id


def test_a_key_with_another_request_is_refused(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    first = harness.front.submit(ROWS, request(), actor="test", idempotency_key="k")
    with pytest.raises(CampaignKeyConflict, match=first.id):
        harness.front.submit(ROWS[:9], request(), actor="test", idempotency_key="k")


@pytest.mark.parametrize(("rows", "script"), [(700, "create"), (9, "create"), (700, "append"), (9, "append")])
def test_a_key_that_is_used_between_the_look_and_the_act_counts_too(
    redis_server: EmbeddedRedis, rows: int, script: str
) -> None:
    harness = Harness(redis_server)
    other = harness.submit(1, name="other")
    made: list[CampaignRecord] = []

    def act(rows: int) -> CampaignRecord:
        if script == "create":
            return harness.front.submit(ROWS[:rows], request(), actor="test", again=True, idempotency_key="k")
        return harness.front.add(other, ROWS[:rows], actor="test", again=True, idempotency_key="k")

    before(harness, script, lambda: made.append(act(700)))
    if rows == 700:
        record = act(rows)
        assert (record.id, record.repeated) == (made[0].id, True)
        assert sum(harness.campaign(id).number("tot") for id in {other, record.id}) == 701
    else:
        with pytest.raises(CampaignKeyConflict):
            act(rows)


def test_an_abandoned_draft_leaves_nothing_behind(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    before(harness, "append", _interrupt, 2)
    with pytest.raises(Interrupted):
        harness.front.submit(ROWS, request(), actor="test", idempotency_key="k")
    names: Any = [name for name in harness.store.redis.keys(f"{keys.PREFIX}*") if not re.search(rb":campaigns$", name)]
    lasting = [name for name in names if harness.store.redis.pttl(name) == -1]
    assert {name.decode().removeprefix(keys.PREFIX) for name in lasting} == {"epoch", "seen", "test:clock"}


def test_a_key_lives_as_long_as_its_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.front.submit(ROWS[:5], request(), actor="test", idempotency_key="k")
    names: Any = harness.store.redis.keys(f"{keys.PREFIX}g[frk]:*")
    assert len(names) == 3
    assert {harness.store.redis.pttl(name) for name in names} == {-1}
    rung_once(harness)
    assert {round(harness.store.redis.pttl(name) / 1000) for name in names} == {round(harness.settings.call_retention)}


def test_a_retry_is_made_once(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(700)
    harness.ring_all("busy")
    harness.rung.clear()
    first = harness.front.retry_failed(campaign, actor="test", idempotency_key="k")
    assert harness.front.retry_failed(campaign, actor="test", idempotency_key="k").id == first.id
    with pytest.raises(CampaignRetried, match=first.id):
        harness.front.retry_failed(campaign, actor="test", idempotency_key="another")
    with pytest.raises(CampaignRetried, match=first.id):
        harness.front.retry_failed(campaign, actor="test")
    rung_once(harness)
    assert len(harness.rung) == 700
    assert harness.front.retry_failed(first.id, actor="test").rows["good"] == 700


def test_a_clone_with_the_same_key_is_the_same(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5)
    first = harness.front.clone(campaign, actor="test", idempotency_key="k")
    assert harness.front.clone(campaign, actor="test", idempotency_key="k").id == first.id
    assert harness.front.clone(campaign, actor="test").id != first.id
    with pytest.raises(CampaignKeyConflict):
        harness.front.clone(campaign, actor="test", new_name="other", idempotency_key="k")


def test_rows_are_added_once_for_a_key(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5)
    more = [phone(n) for n in range(5, 9)]
    for _ in range(3):
        record = harness.front.add(campaign, more, actor="test", again=True, idempotency_key="k")
    assert (record.repeated, record.rows["good"]) == (True, 9)
    with pytest.raises(CampaignKeyConflict):
        harness.front.add(campaign, ROWS[20:30], actor="test", idempotency_key="k")
    rung_once(harness)
    assert harness.front.add(campaign, more, actor="test", again=True, idempotency_key="k").repeated


class Interrupted(Exception):
    """A process that ends in the middle."""


def before(harness: Harness, script: str, action: Callable[[], Any], number: int = 1) -> None:
    """Does something right before the harness's store runs this script for the n-th time."""
    run, seen = harness.store.run, Counter[str]()

    def watched(op: Operation[Any]) -> Any:
        seen[op.script] += 1
        if op.script == script and seen[script] == number:
            action()
        return run(op)

    harness.store.run = watched  # type: ignore[method-assign]


@pytest.mark.parametrize(("script", "number"), [("append", 1), ("append", 2), ("finish", 1), ("drop", 1)])
def test_two_submissions_at_once_with_a_do_not_call_entry_between_make_one_campaign_that_stays(
    redis_server: EmbeddedRedis, script: str, number: int
) -> None:
    harness = Harness(redis_server)
    made: list[CampaignRecord] = []

    def rival() -> None:
        DoNotCall(harness.store).remove([phone(3)])
        made.append(harness.front.submit(ROWS, request(), actor="rival", again=True))

    # An interrupted submission had read the list without the number: whoever comes now finds another chunk.
    before(harness, "finish", _interrupt)
    with pytest.raises(Interrupted):
        harness.front.submit(ROWS, request(), actor="test", again=True)
    del harness.store.run
    harness.forbid(phone(3))
    before(harness, script, rival, number)
    made.append(harness.front.submit(ROWS, request(), actor="test", again=True))
    del harness.store.run
    assert {record.id for record in made} == {made[0].id}
    assert harness.campaign(made[0].id).state == "running"
    rung_once(harness)
    assert 699 <= len(harness.rung) <= 700
    harness.check(made[0].id)


def _interrupt() -> None:
    raise Interrupted


@pytest.mark.parametrize("act", ["submit", "retry"])
def test_further_rows_of_another_reading_that_come_right_before_the_start_are_not_called_in_this_one(
    redis_server: EmbeddedRedis, act: str
) -> None:
    harness = Harness(redis_server)
    rows = [phone(n) for n in range(501)]
    late: list[Operation[Any]] = []

    def ask() -> CampaignRecord:
        if act == "submit":
            return harness.front.submit(rows, request(), actor="test", again=True)
        return harness.front.retry_failed(old, actor="test")

    def keep_back(op: Operation[Any]) -> Any:
        if op.script == "append" and op.args[1] == 1:
            late.append(op)
            raise Interrupted
        return type(harness.store).run(harness.store, op)

    if act == "retry":
        old = harness.submit(rows)
        calls = harness.ring_all("busy")
    # A rival has read all rows and is about to append the last of them; meanwhile that number goes.
    harness.store.run = keep_back  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        ask()
    del harness.store.run
    if act == "retry":
        harness.result(next(call.extid for call in calls if phone(500)[1:] in call.body))
    else:
        harness.forbid(phone(500))
    harness.rung.clear()
    before(harness, "finish", lambda: harness.store.run(late[0]))
    record = ask()
    assert (record.state, record.rows["good"], harness.campaign(record.id).fields["tot"]) == ("running", 500, "500")
    del harness.store.run
    rung_once(harness)
    assert {number for row in harness.rung for number in row.numbers} == {phone(n) for n in range(500)}


def test_a_campaign_that_runs_cannot_be_dropped(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5, paused=True)
    assert harness.store.run(campaign_transitions.drop(campaign, "x")).outcome == "kept"
    harness.resume(campaign)
    assert harness.store.run(campaign_transitions.drop(campaign, "x")) == ("kept", "running")
    rung_once(harness)
    assert harness.store.run(campaign_transitions.drop(campaign, "x")) == ("kept", "completed")


def test_many_equal_submissions_and_retries_at_once_make_one_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    found: list[str] = []

    def at_once(act: Callable[[], CampaignRecord]) -> set[str]:
        found.clear()

        def one() -> None:
            try:
                found.append(act().id)
            except CampaignDuplicate as exc:
                found.append(exc.id)

        threads = [threading.Thread(target=one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 6
        return set(found)

    (first,) = at_once(lambda: harness.front.submit(ROWS, request(), actor="test", idempotency_key="k", again=True))
    rung_once(harness)
    assert len(harness.rung) == 700
    harness.rung.clear()
    at_once(lambda: harness.front.retry_failed(first, actor="test"))
    assert len(campaigns.live(harness.store.redis, keys)) == 1
    rung_once(harness)
    assert len(harness.rung) == 700


def test_a_submission_goes_on_after_an_interruption_with_another_key(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    before(harness, "append", _interrupt, 2)
    with pytest.raises(Interrupted):
        harness.front.submit(ROWS, request(), actor="test", idempotency_key="a")
    del harness.store.run
    record = harness.front.submit(ROWS, request(), actor="test", idempotency_key="b")
    assert harness.front.submit(ROWS, request(), actor="test", idempotency_key="a").id == record.id
    assert len(campaigns.page(harness.store.redis, keys, None, 9).ids) == 1


def test_changes_of_two_people_at_once_are_both_made(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5)
    before(harness, "steer", lambda: harness.front.change(campaign, actor="other", weight=7, channels=3))
    record = harness.front.change(campaign, actor="test", pace=2.5)
    assert (record.request["policy"]["pace"], record.request["policy"].get("weight")) == (2.5, 7)
    stored = harness.campaign(campaign)
    assert (stored.fields["pace"], stored.fields["w"], stored.fields["ch"]) == ("2.5", "7", "3")


def test_rows_added_by_two_people_at_once_are_both_counted(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5)
    more = [phone(n) for n in range(10, 13)]
    before(harness, "append", lambda: harness.front.add(campaign, [phone(n) for n in range(20, 24)], actor="other"))
    record = harness.front.add(campaign, more, actor="test")
    assert record.rows == {"file": 12, "good": 12, "bad": 0, "duplicate": 0, "suppressed": 0}
    rung_once(harness)
    assert len(harness.rung) == 12


def test_a_do_not_call_scope_is_any_name_of_a_campaign_and_must_exist(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3, name="spring")
    dnc = DoNotCall(harness.store)
    assert dnc.add([phone(0)], scope="spring") == 1
    assert dnc.add([phone(0), phone(1)], scope=campaign[:8]) == 1
    assert [entry.number for entry in dnc.find(phone(1), scopes=("", "spring"))] == [phone(1)]
    assert sorted(entry.number for entry in dnc.every(scope=campaign)) == [phone(0), phone(1)]
    for act in (
        lambda: dnc.add([phone(2)], scope="sprnig"),
        lambda: dnc.add_lines([phone(2)], scope="sprnig"),
        lambda: dnc.remove([phone(2)], scope="sprnig"),
        lambda: dnc.find(phone(2), scopes=("sprnig",)),
        lambda: dnc.count(scope="sprnig"),
        lambda: dnc.page(scope="sprnig"),
        lambda: list(dnc.every(scope="sprnig")),
    ):
        with pytest.raises(CampaignNotFound):
            act()
    assert len(harness.ring_all()) == 1
    assert [row.numbers for row in harness.rung] == [(phone(2),)]


def test_clone_and_retry_carry_the_campaigns_own_list_along(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(4)
    harness.forbid(phone(0), scope=campaign)
    copy = harness.front.clone(campaign, actor="test")
    harness.ring_all("busy")
    harness.forbid(phone(1), scope=campaign)
    retry = harness.front.retry_failed(campaign, actor="test")
    dnc = DoNotCall(harness.store)
    assert (dnc.count(scope=copy.id), dnc.count(scope=retry.id)) == (1, 2)
    harness.rung.clear()
    harness.resume(copy.id)
    harness.ring_all("busy")
    rung = Counter(row.campaign for row in harness.rung)
    assert rung == {copy.id: 3, retry.id: 2}
    assert phone(0) not in {row.numbers[0] for row in harness.rung}
    assert harness.store.redis.pttl(keys.do_not_call(campaign)) > 0
