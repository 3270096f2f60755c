"""A plain call that comes alone is stored in fewer steps, and with the same result as any other."""

from typing import Any

import pytest
import redis
from changed_script import changed, places
from store_harness import EPOCH, START, ClockedStore

from alodial.calls.prepare import prepare
from alodial.settings import Settings
from alodial.store import call_transitions, client, script_connections
from alodial.store.call_transitions import NewCall
from alodial.store.client import Store
from alodial.store.enqueue import enqueue_calls
from alodial.store.keys import Keys
from alodial_schemas import State, TwoWayCall

keys = Keys()

SHORT = "if there == 4 and"
"""Where the script decides to take the short way; under the test's clock nothing remembers that there is room."""


def new_call(extid: str, **changes: Any) -> NewCall:
    call = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])
    row = prepare(call, Settings(_env_file=None))  # type: ignore[call-arg]  # pydantic-settings' own
    return row._replace(**{"extid": extid, "id": f"id-{extid}", **changes})


CALLS = [
    new_call("100000000000001"),
    new_call("100000000000002", reference='order "17"'),
    new_call("100000000000003", reference="заказ"),
    new_call("100000000000016"),  # lists are trimmed
    new_call("100000000000005", priority="u"),
    new_call("100000000000006", expires_at=START // 1000 + 60_000),
    new_call("100000000000007", body='{"callto":"+998712037006","ivrid":222,"fromline":"+998712037006"}'),
    new_call("100000000000008"),  # a list that is about to end, and the account's that begins
    new_call("100000000000001"),  # it is there
    new_call("100000000000001", id="another"),
]


def held(client: "redis.Redis") -> dict[str, Any]:
    """What all keys hold, without the ids of streams, and the minutes for which they do."""
    result: dict[str, Any] = {}
    names: Any = client.keys()
    for name in sorted(names):
        kind: Any = client.type(name)
        value: Any
        match kind:
            case b"hash":
                value = list(client.hgetall(name).items())  # type: ignore[union-attr]  # not awaitable here
            case b"list":
                value = client.lrange(name, 0, -1)
            case b"set":
                value = client.smembers(name)
            case b"zset":
                value = client.zrange(name, 0, -1, withscores=True)
            case b"stream":
                value = [fields for _, fields in client.xrange(name)]  # type: ignore[union-attr]  # as above
            case _:
                value = client.get(name)
        life: Any = client.ttl(name)
        result[name.decode()] = kind, value, (life + 30) // 60
    return result


def stored(store: ClockedStore, settings: Settings) -> tuple[list[Any], dict[str, Any]]:
    """The rows of all calls, each enqueued alone, and what Redis holds after them."""
    store.begin(START)
    rows = []
    for moment, call in enumerate(CALLS):
        store.set_clock(START + moment * 61_000_000)  # each in a minute of its own
        store.redis.rpush(keys.by_number("2860", initiator=False), "forgotten")
        if call.extid == "100000000000002":
            store.redis.expire(keys.by_number("7006", initiator=True), 400 * 86_400)
        if call.extid == "100000000000008":
            store.redis.expire(keys.by_number("6909", initiator=False), 1000)
            store.redis.delete(keys.ready("default", "normal"), keys.ACCOUNTS)
        rows.append(store.run(call_transitions.enqueue([call], settings, deadline=START // 1000 + 10_000_000)))
    assert store.redis.get(keys.EPOCH) == EPOCH.encode()
    return rows, held(store.redis)


def test_the_short_way_writes_and_answers_what_the_long_one_does(settings: Settings) -> None:
    short, long = ClockedStore(settings), ClockedStore(settings)
    assert places(long._scripts["enqueue"], SHORT) == 1
    long._scripts["enqueue"] = changed(long._scripts["enqueue"], SHORT, "if false and")
    assert stored(short, settings) == stored(long, settings)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("call('HINCRBY', P .. 'counts', 'queued', 1)", ""),
        ("call('XADD', P .. 'index', '*', 'x', x)\n    for", "for"),
        ("or call('PTTL', list) < RETAIN + SPARE", ""),
        ("or call('PTTL', list) < RETAIN + SPARE", "or true"),
        ("and tonumber(string.sub(x, -2)) % 16 ~= 0", ""),
        (", 'r', reference", ""),
        ("if call('HINCRBY', hour, 'c', 1) == 1 then call('PEXPIRE', hour, 8 * DAY + 3600000) end", ""),
        ("call('SADD', P .. 'accounts', 'default')", ""),
    ],
)
def test_a_bug_in_the_short_way_is_found(settings: Settings, part: str, instead: str) -> None:
    short, long = ClockedStore(settings), ClockedStore(settings)
    assert places(short._scripts["enqueue"], part) == 1
    short._scripts["enqueue"] = changed(short._scripts["enqueue"], part, instead)
    long._scripts["enqueue"] = changed(long._scripts["enqueue"], SHORT, "if false and")
    assert stored(short, settings) != stored(long, settings)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (CALLS[0], 1),
        (CALLS[1], 1),
        (CALLS[3], [[], 1]),
        (CALLS[4], [[], 1]),
        (CALLS[5], [[], 1]),
    ],
)
def test_plain_calls_take_the_short_way(store: Store, settings: Settings, call: NewCall, answer: object) -> None:
    """The first call has rung the bell, and Redis was seen to have room: for 10 ms, within which one of a few calls comes."""
    operation = call_transitions.enqueue([call], settings)
    answers = []

    def read(said: Any) -> Any:
        answers.append(said)
        return said

    for n in range(200):
        store.run(call_transitions.enqueue([new_call("1000000000003" + f"{n:02}"[-2:])], settings))
        store.redis.delete(keys.record(call.extid))
        store.run(call_transitions.Operation("enqueue", operation.args, read))
        if answers[-1] == answer:
            return
    pytest.fail(f"never {answer}: {answers[-3:]}")


@pytest.mark.parametrize("wait", [None, ("WAIT", 0, 100)])
def test_no_number_is_sent_as_a_signal_while_hiredis_makes_text_of_it_ends_the_process(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, wait: client.Wait | None
) -> None:
    sent: list[Any] = []
    pack = script_connections._packed

    def packed(words: Any) -> bytes:
        sent.append(words)
        return pack(words)

    monkeypatch.setattr(client, "confirmation", lambda *_: wait)
    monkeypatch.setattr(script_connections, "_packed", packed)
    enqueue_calls(store, CALLS[:1])
    enqueue_calls(store, [new_call("100000000000099", not_before=1_900_000_000_000, on_unconfirmed="redial")])
    enqueue_calls(store, [new_call("100000000000098", expires_at=1_900_000_000_000)])
    store.run(call_transitions.sweep(settings))
    assert len(sent) >= 4
    assert not any(isinstance(word, int | float) for words in sent for word in words)


def test_its_answer_is_read(settings: Settings) -> None:
    operation = call_transitions.enqueue(CALLS[:1], settings)
    extid = CALLS[0].extid
    assert operation.read(1) == ([], [call_transitions.Enqueued("created", extid, f"id-{extid}", State.QUEUED, extid)])


def test_after_the_deadline_nothing_is_stored(store: Store, settings: Settings) -> None:
    with pytest.raises(call_transitions.LateEnqueue):
        store.run(call_transitions.enqueue(CALLS[:1], settings, deadline=1))
    assert not store.redis.exists(keys.record(CALLS[0].extid))


def test_a_call_that_is_stored_before_an_error_is_claimed(settings: Settings) -> None:
    store = ClockedStore(settings)
    store.begin(START)
    store.run(call_transitions.enqueue(CALLS[:1], settings))
    store.redis.delete(keys.INDEX)
    store.redis.set(keys.INDEX, "no stream")
    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        store.run(call_transitions.enqueue(CALLS[1:2], settings))
    assert store.redis.lrange(keys.ready("default", "normal"), 0, -1) == [b"100000000000001", b"100000000000002"]
    assert store.redis.hget(keys.COUNTS, "queued") == b"2"
