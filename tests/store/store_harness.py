"""The real scripts under a clock that the tests set, and a picture of the store that can be laid beside the model's."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import redis
from model import Account, Call, ModelStore, Seen

from alodial.settings import Settings
from alodial.store.client import Operation, Store
from alodial.store.keys import Keys
from alodial.store.scripts import Script, load_scripts, retention_ms
from alodial_schemas import ENDS

keys = Keys()

T = TypeVar("T")

CLOCK = keys.PREFIX + "test:clock"
MEMORY = keys.PREFIX + "test:memory"
FULL = "used_memory:95"
EPOCH = "epoch"
IDEMPOTENCY_KEYS = ("k1", "k2")
"""Those that the random lives of a store use."""
START = 1_800_000_000_000_000
"""Where the tests' clock begins, microseconds: a moment in January 2027."""


def _under_test_clock(script: Script) -> Script:
    """Redis' TIME cannot be set, so the text reads it from a key; bells do not run out by themselves: the clock stands still."""
    text = script.text.replace("redis.call('TIME')", "redis.call('LRANGE', P .. 'test:clock', 0, 1)")
    text = text.replace("redis.pcall('INFO', 'memory')", "redis.call('GET', P .. 'test:memory')")
    text = text.replace("if alone and not out_of_room then", "if false then")
    # So nothing remembers that there was room, and a call that comes alone asks each time.
    is_full = f"string.find(redis.call('GET', P .. 'test:memory') or '', '{FULL}', 1, true)"
    text = text.replace("there == 6", f"there == 4 and not {is_full}")
    text = re.sub(r"redis.call\('SET', P .. 'help:' .. account, .* or 250\)", "true", text)
    text = text.replace("'NX', 'PX', 1000)", "'NX')").replace("'1', 'PX', attend)", "'1')")
    return Script(script.name, text, hashlib.sha1(text.encode()).hexdigest())


class ClockedStore(Store):
    """A store whose scripts see :meth:`set_clock` instead of Redis' TIME."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(settings, **options)
        self._scripts = {
            name: _under_test_clock(script) for name, script in load_scripts(*retention_ms(settings)).items()
        }
        assert all("'TIME'" not in script.text for script in self._scripts.values())
        self.ran: list[str] = []

    def run(self, op: Operation[T]) -> T:
        self.ran.append(op.script)
        return super().run(op)

    def begin(self, now: int) -> None:
        self.redis.flushdb()
        self.redis.set(keys.EPOCH, EPOCH)
        self.set_clock(now)

    def save(self) -> dict[bytes, Any]:
        """All keys and what they hold, as of now."""
        names: Any = self.redis.keys()
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.dump(name)
                pipe.pttl(name)
            answers = pipe.execute()
        # A machine that stands still for a while finds keys gone that it has just listed.
        return {name: (answers[2 * i], max(0, answers[2 * i + 1])) for i, name in enumerate(names) if answers[2 * i]}

    def restore(self, saved: dict[bytes, Any]) -> None:
        """Goes back to what was saved."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.flushdb()
            for name, (value, expires_in) in saved.items():
                pipe.restore(name, expires_in, value)
            pipe.execute()

    def set_full(self, full: bool) -> None:
        """Whether the scripts take Redis for full."""
        used = FULL if full else "used_memory:50"
        self.redis.set(MEMORY, f"# Memory\r\n{used}\r\nmem_not_counted_for_evict:1\r\nmaxmemory:100\r\n")

    def set_clock(self, now: int, *, attended: bool = True) -> None:
        """``now`` in microseconds; ``attended`` when pacers looked at the clock all the time until then."""
        with self.redis.pipeline() as pipe:
            pipe.delete(CLOCK)
            pipe.rpush(CLOCK, now // 1_000_000, now % 1_000_000)
            if attended:
                pipe.set(keys.PREFIX + "seen", now // 1000)
            pipe.execute()


def spares_of(op: Operation[Any]) -> list[str]:
    """The extids that an operation brought along for redials."""
    texts = [str(arg) for arg in op.args]
    if op.script == "settle":
        return texts[11 + 7 :: 9]
    if op.script == "apply":
        return texts[4::7]
    return texts[5:] if op.script == "sweep" else []


Picture = dict[str, Any]


def _scores(rows: list[tuple[bytes, float]]) -> dict[str, int]:
    return {member.decode(): int(score) for member, score in rows}


def _seen(text: str | None) -> Seen | None:
    if text is None:
        return None
    outcome: Any = {"c": "completed", "r": "redial", "x": "corrected", "k": "kept"}[text[-1]]
    digest, _, spare = text[:-1].rpartition(":")
    return Seen(digest, spare, outcome)


def _record(raw: dict[bytes, bytes]) -> Picture:
    text = {name.decode(): value.decode() for name, value in raw.items()}
    n = int(text.get("n", 1))
    return {
        "state": text["s"],
        "version": int(text.get("v", 0)),
        "attempt": n,
        "token": text.get("tok", ""),
        "tries": int(text.get("rt", 0)),
        "crashes": int(text["cr"]) if "cr" in text else None,
        "alone": text.get("al", ""),
        "refusals": tuple(map(int, text["ta"].split())) if "ta" in text else None,
        "settled": tuple(text["st"].split(" ", 1)) if "st" in text else None,
        "disposition": text.get("dp"),
        "reason": text.get("why"),
        "timeline": [tuple((*entry.split(" ", 2), "")[:3]) for entry in text["tl"].split(";")],
        "attempts": [
            (
                text.get(f"x{i}") if i > 1 else None,
                text[f"a{i}"].split(" ")[0] if f"a{i}" in text else None,
                text.get(f"d{i}"),
                _seen(text.get(f"h{i}")),
                _seen(text.get(f"k{i}")),
                text.get(f"o{i}"),
            )
            for i in range(1, n + 1)
        ],
    }


def _key(x: bytes | None, ttl: int) -> tuple[str, str] | None:
    """What an idempotency key names, and whether it runs out by itself."""
    return None if x is None else (x.decode(), "for its call's life" if ttl == -1 else "running out")


def _modelled(call: Call) -> Picture:
    return {
        "state": call.state.value,
        "version": call.version,
        "attempt": call.attempt,
        "token": call.token,
        "tries": call.tries,
        "crashes": call.crashes,
        "alone": call.alone,
        "refusals": call.refusals,
        "settled": call.settled,
        "disposition": call.disposition,
        "reason": call.reason,
        "timeline": [(state, str(ms), note) for state, ms, note in call.timeline],
        "attempts": [
            (
                a.extid if i > 1 else None,
                None if a.armed is None else str(a.armed),
                a.disposition,
                a.first,
                a.other,
                a.answer,
            )
            for i, a in sorted(call.attempts.items())
        ],
    }


def _account(raw: dict[bytes, bytes]) -> Account:
    text = {name.decode(): value.decode() for name, value in raw.items()}
    return Account(
        int(text.get("tat", 0)),
        int(text.get("turn", 0)),
        int(text.get("hold", 0)),
        text.get("why", ""),
        int(text.get("brk", 0)),
        text.get("probe", ""),
        text.get("bk", ""),
        "tk" in text,
        text.get("ar", ""),
        int(text.get("ak", 0)),
        int(text.get("un", 0)),
        int(text.get("uo", 0)),
        int(text.get("ou", 0)),
        int(text.get("rl", 0)),
        text.get("tt", ""),
    )


def event_row(json_text: bytes) -> tuple[Any, ...]:
    event = json.loads(json_text)
    data = event["data"]
    kind = event["type"].removeprefix("alodial.call.")
    return (event["id"], kind, event["subject"], data["extid"], data["state"], data["disposition"], data["attempt"])


def picture(client: "redis.Redis", extids: Iterable[str], accounts: Iterable[str]) -> Picture:
    """All that the scripts keep, as plain values."""
    extids, accounts = list(extids), list(accounts)
    levels = [(a, p) for a in accounts for p in keys.PRIORITY_LETTERS.values()]
    queues: list[tuple[str, ...]] = [*levels, *((*level, owner) for level in levels for owner in ("shop", "crm"))]
    with client.pipeline(transaction=False) as pipe:
        for x in extids:
            pipe.hgetall(keys.record(x))
        for name in (keys.DUE, keys.PREFIX + "exp", keys.LEASE, keys.AWAIT, *map(keys.channels, accounts)):
            pipe.zrange(name, 0, -1, withscores=True)
        for queue in queues:
            pipe.lrange(f"{keys.PREFIX}q:{':'.join(queue)}", 0, -1)
        for level in levels:
            pipe.lrange(f"{keys.PREFIX}turns:{':'.join(level)}", 0, -1)
        for a in accounts:
            pipe.hgetall(keys.account(a))
            pipe.lrange(f"{keys.PREFIX}starts:{a}", 0, -1)
            pipe.exists(f"{keys.PREFIX}bell:{a}")
        for name in IDEMPOTENCY_KEYS:
            pipe.get(f"{keys.PREFIX}k:{name}")
            pipe.pttl(f"{keys.PREFIX}k:{name}")
        pipe.lrange(keys.WOKEN, 0, -1)
        pipe.hgetall(keys.COUNTS)
        pipe.xrange(keys.EVENTS)
        answers = iter(pipe.execute())
    calls = {x: _record(fields) for x in extids if (fields := next(answers))}
    due, exp, lease, awaiting = (_scores(next(answers)) for _ in range(4))
    channels = {a: used for a in accounts if (used := _scores(next(answers)))}
    ready = {name: [x.decode() for x in queue] for name in queues if (queue := next(answers))}
    turns = {level: [owner.decode() for owner in owners] for level in levels if (owners := next(answers))}
    limits, starts, bells = {}, {}, []
    for a in accounts:
        if (account := _account(next(answers))) != Account():
            limits[a] = account
        if times := next(answers):
            starts[a] = [int(time) for time in times]
        if next(answers):
            bells.append(a)
    names = {name: found for name in IDEMPOTENCY_KEYS if (found := _key(next(answers), next(answers)))}
    return {
        "calls": calls,
        "due": due,
        "exp": exp,
        "lease": lease,
        "await": awaiting,
        "channels": channels,
        "ready": ready,
        "turns": turns,
        "starts": starts,
        "accounts": limits,
        "bells": sorted(bells),
        "keys": names,
        "woken": [name.decode() for name in next(answers)],
        "counts": {state.decode(): int(n) for state, n in next(answers).items() if int(n)},
        "events": [event_row(fields[b"event"]) for _, fields in next(answers)],
    }


def modelled(model: ModelStore) -> Picture:
    """The same of the model."""
    return {
        "calls": {x: _modelled(call) for x, call in model.calls.items()},
        "due": dict(model.due),
        "exp": dict(model.exp),
        "lease": dict(model.lease),
        "await": dict(model.awaiting),
        "channels": {a: dict(used) for a, used in model.channels.items() if used},
        "ready": {name: list(queue) for name, queue in model.ready.items() if queue},
        "turns": {level: list(owners) for level, owners in model.turns.items() if owners},
        "starts": {a: list(starts) for a, starts in model.starts.items() if starts},
        "accounts": {a: account for a, account in model.accounts.items() if account != Account()},
        "counts": {state: n for state, n in model.counts.items() if n},
        "woken": list(model.woken),
        "bells": sorted(a for a, until in model.bells.items() if until > model.ms),
        "keys": {
            name: (x, "for its call's life" if x in model.calls and model.calls[x].state not in ENDS else "running out")
            for name, x in model.keys.items()
        },
        "events": [tuple(event) for event in model.events],
    }
