"""What stops an account and what does not: one odd call, a wrong token, a provider out of reach, a pause without a time."""

import pytest
from pydantic import SecretStr
from test_limits import Harness

from alodial.store import call_transitions
from alodial.store.call_transitions import Claimed, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import ENDS

keys = Keys()

DAY = 86_400


def state(harness: Harness, extid: str) -> str:
    value = harness.store.redis.hget(keys.record(extid), "s")
    assert value is not None
    return value.decode()


def reason(harness: Harness, extid: str) -> bytes | None:
    return harness.store.redis.hget(keys.record(extid), "why")


def go(harness: Harness, bad: set[str], *, room: int = 20) -> list[str]:
    """One round of a worker: all that may go, in flight together; ``bad`` are refused with 403."""
    harness.pace()
    calls = harness.claim(room).calls
    armed = [call for call in calls if harness.arm(call).outcome == "armed"]
    for call in armed:
        harness.settle(call, "auth" if call.record in bad else "taken")
    return [call.record for call in armed]


@pytest.mark.parametrize("priority", ["u", "n"])
def test_one_call_that_is_refused_stops_nobody_and_is_ended(server: EmbeddedRedis, priority: str) -> None:
    harness = Harness(server)
    (odd,) = harness.enqueue(priority=priority)
    others = harness.enqueue(300)
    sent: list[str] = []
    for _ in range(20):
        sent += go(harness, {odd})
    assert {*others} <= {*sent}, "nobody waited"
    assert state(harness, odd) == "scheduled"
    for _ in range(2):
        harness.later(900)
        harness.enqueue(3)
        go(harness, {odd})
    assert (state(harness, odd), reason(harness, odd)) == ("rejected", b"token_refused_repeatedly")
    assert harness.store.redis.hget(keys.account("default"), "hold") is None


def test_two_odd_calls_in_a_row_pause_the_account_and_the_probe_is_another_call(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    odd = harness.enqueue(2, priority="u")
    others = harness.enqueue(5)
    assert go(harness, {*odd}, room=2) == odd
    assert harness.claim().status == "hold"
    harness.later(60)
    assert go(harness, {*odd}) == others[:1]
    assert {*go(harness, {*odd})} == {*others[1:], *odd}, "the breaker closed, and whoever waited for it goes"
    for _ in range(12):
        harness.later(900)
        harness.enqueue(1)
        go(harness, {*odd})
    assert {state(harness, extid) for extid in odd} == {"rejected"}


def test_a_wrong_token_ends_no_call_and_resume_sends_them_at_once(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    calls = harness.enqueue(40)
    posts = 0
    for _ in range(30):
        posts += len(go(harness, {*calls}))
        harness.later(120)
    assert not {state(harness, extid) for extid in calls} & ENDS
    assert posts < 40, "one at a time tries again"
    harness.store.run(call_transitions.resume("default"))
    assert {*go(harness, set(), room=50)} == {*calls}


def test_a_call_alone_whose_token_is_refused_is_resumed_at_once(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    (alone,) = harness.enqueue()
    for _ in range(6):
        assert go(harness, {alone}) == [alone]
        assert go(harness, {alone}) == []
        harness.later(900)
    assert state(harness, alone) == "scheduled"
    go(harness, {alone})
    harness.store.run(call_transitions.resume())
    assert go(harness, set()) == [alone]
    assert state(harness, alone) == "submitted"


def unreached(harness: Harness, *, room: int = 10) -> list[Claimed]:
    """One round in which no connection comes about."""
    harness.pace()
    calls = harness.claim(room).calls
    for call in calls:
        harness.settle(call, "unsent", delay=1)
    return calls


def test_an_hour_without_a_connection_fails_no_call_and_they_go_when_it_is_back(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    calls = harness.enqueue(60)
    tried = 0
    for _ in range(3600):
        tried += len(unreached(harness))
        harness.later(1)
    assert {state(harness, extid) for extid in calls} <= {"queued", "scheduled"}
    assert tried < 100, "1, 2, 4 s and then once a minute"
    held = harness.claim()
    assert held.status == "hold"
    assert held.wait <= 60
    harness.later(60)
    first = harness.take()
    assert harness.arm(first).outcome == "armed"
    assert harness.settle(first, "taken") == "submitted"
    harness.pace()
    rest = harness.claim(100).calls
    assert len(rest) == 59
    assert {call.tries for call in rest} == {0}, "no try was used up"


def test_a_single_call_is_tried_again_after_1_2_4_seconds_up_to_a_minute(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue()
    answers = []
    for _ in range(3):
        harness.pace()
        answers.append(harness.settle(harness.take(), "unsent", delay=1))
        harness.later(1)
    assert answers == ["scheduled", "scheduled", "unsent:opened"]
    for pause in (2, 4, 8, 16, 32, 60, 60):
        assert harness.settle(harness.take(), "unsent") == "queued"
        assert harness.claim().wait == pause
        harness.later(pause)


def test_connections_that_fail_now_and_then_open_no_breaker(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(30)
    for n in range(30):
        harness.pace()
        call = harness.take()
        if n % 3 < 2:
            assert harness.settle(call, "unsent", delay=1) == "scheduled"
        else:
            harness.arm(call)
            harness.settle(call, "retry", delay=1)


def test_any_answer_shows_that_the_provider_is_within_reach(server: EmbeddedRedis) -> None:
    for outcome in ("taken", "rejected", "unconfirmed", "retry", "auth"):
        harness = Harness(server)
        harness.enqueue(8)
        for _ in range(3):
            harness.settle(harness.take(), "unsent", delay=1)
        assert harness.claim().status == "hold"
        harness.later(1)
        harness.submit(outcome)  # type: ignore[arg-type]  # one of SettleOutcome
        assert len(harness.claim(9).calls) == 5, outcome


def test_after_a_day_out_of_reach_calls_without_an_end_of_their_own_fail(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    (ending,) = harness.enqueue(expires_at=harness.now // 1000 + 3 * DAY * 1000)
    old = harness.enqueue(5)
    for _ in range(23):
        unreached(harness)
        harness.later(3600)
    assert {state(harness, extid) for extid in old} == {"queued"}
    harness.later(2 * 3600)
    young = harness.enqueue(3)
    sent: list[str] = []
    while calls := harness.claim(9).calls:
        for call in calls:
            harness.arm(call)
            harness.settle(call, "taken")
            sent.append(call.record)
    assert sent == [ending, *young], "also behind the first call that went"
    assert {(state(harness, extid), reason(harness, extid)) for extid in old} == {("failed", b"provider_unreachable")}


def test_after_an_outage_of_a_day_the_first_probe_ends_what_waited_too_long(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    old = harness.enqueue(5)
    for _ in range(26):
        unreached(harness)
        harness.later(3600)
    assert {state(harness, extid) for extid in old} == {"failed"}


def test_a_refusal_for_now_without_a_time_pauses_the_account_1_s_doubling_to_30_until_a_call_is_taken(
    server: EmbeddedRedis,
) -> None:
    harness = Harness(server, max_tries=100)
    harness.enqueue(40)
    for pause in (1, 2, 4, 8, 16, 30, 30):
        batch = harness.claim(3).calls
        for call in batch:
            harness.arm(call)
        for call in batch:
            harness.settle(call, "retry", delay=9, hold=-1)
        assert harness.claim().wait == pause, "three refusals at once are one step"
        harness.later(pause)
    harness.submit("taken")
    harness.submit("retry", delay=9, hold=-1)
    assert harness.claim().wait == 1


def astray(harness: Harness, wrong: set[str], *, room: int = 20) -> list[str]:
    """One round of a worker; ``wrong`` are answered 404."""
    harness.pace()
    calls = [call for call in harness.claim(room).calls if harness.arm(call).outcome == "armed"]
    for call in calls:
        harness.settle(call, "address" if call.record in wrong else "taken")
    return [call.record for call in calls]


def test_a_wrong_address_ends_no_call_and_they_go_once_it_is_right(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    calls = harness.enqueue(300)
    posts = 0
    for _ in range(600):
        posts += len(astray(harness, {*calls}))
        harness.later(1)
    assert not {state(harness, extid) for extid in calls} & ENDS
    assert posts < 40, "one at a time tries again, after 5, 10, 20, 40 and then 60 s"
    harness.later(60)
    sent = astray(harness, set())
    assert len(sent) == 1, "the probe"
    for _ in range(30):
        sent += astray(harness, set())
    assert sorted(sent) == sorted(calls), "each once, and none waits on"
    assert {harness.store.redis.hget(keys.record(extid), "rt") for extid in calls} == {None}, "no try was used up"


def test_the_first_404_stops_the_account_and_resume_tries_again_at_once(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    (first, second) = harness.enqueue(2)
    harness.arm(call := harness.take())
    assert harness.settle(call, "address") == "address:opened"
    assert (state(harness, first), state(harness, second)) == ("scheduled", "queued")
    assert (harness.claim().status, harness.claim().wait) == ("hold", 5)
    harness.store.run(call_transitions.resume("default"))
    assert {*astray(harness, set())} == {first, second}


def test_once_a_call_was_taken_at_the_address_404_is_the_call_s_own(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    odd, *others = harness.enqueue(4)
    assert astray(harness, {odd}, room=1) == [odd]
    harness.later(5)
    assert astray(harness, {odd}) == others[:1], "another call is the probe"
    assert {*astray(harness, {odd})} == {odd, *others[1:]}
    assert (state(harness, odd), reason(harness, odd)) == ("rejected", b"code")
    assert {state(harness, extid) for extid in others} == {"submitted"}


@pytest.mark.parametrize("change", [{"provider_url": "https://other.example"}, {"provider_token": "another-token"}])
def test_a_new_address_or_token_is_doubted_until_a_call_is_taken_there(
    server: EmbeddedRedis, change: dict[str, str]
) -> None:
    harness = Harness(server)
    harness.enqueue(3)
    harness.submit("taken")
    harness.settings = harness.settings.model_copy(
        update={name: SecretStr(value) if name.endswith("token") else value for name, value in change.items()}
    )
    harness.limits = harness.settings.account("default")
    assert harness.submit("address") == "address:opened"
    harness.later(5)
    assert harness.submit("taken") == "submitted"
    harness.enqueue(1)
    harness.pace()
    harness.later(2)
    assert harness.submit("address") == "rejected"


def test_redirects_leave_their_calls_unconfirmed_and_stop_the_account(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(9)
    call = harness.take()
    harness.arm(call)
    item = Settling(call.record, call.token, "unconfirmed", answer="{}", code="status_308")
    assert harness.store.run(call_transitions.settle(harness.settings, harness.limits, [item])) == ["unconfirmed"]
    assert harness.claim(9).status == "hold"


def test_a_refused_token_shows_that_the_address_is_right(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(9)
    harness.submit("address")
    harness.later(5)
    harness.submit("auth")
    assert harness.store.redis.hget(keys.account("default"), "bk") is None
    harness.submit("taken")


@pytest.fixture
def server(redis_server: EmbeddedRedis) -> EmbeddedRedis:
    return redis_server
