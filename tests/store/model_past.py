"""Calls whose records left Redis for the archive: what is known of them, and lives in which their requests come again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from model_values import Call

from alodial.archive.rows import PASSING
from alodial.store.archiving import EndedCall, restore, shorten
from alodial.store.call_transitions import NewCall
from alodial.store.keys import Keys
from alodial.store.scripts import retention_ms
from alodial_schemas import ENDS

keys = Keys()

DAY = 86_400_000
BUCKET = 1_048_573
"""Extids that are so far from each other are kept in one hash."""


@dataclass(slots=True)
class Past:
    """Calls that are remembered, with the day from which they are not."""

    calls: dict[str, tuple[Call, int]] = field(default_factory=dict)

    def copy(self) -> "Past":
        return Past(dict(self.calls))

    def remember(self, call: Call, ended: int, retain: int, keep: int) -> None:
        kept = keep if call.new.key and not call.new.spare else max(retain, keep)
        self.calls[call.new.extid] = (replace(call), (ended + kept) // DAY + 1)

    def get(self, x: str, ms: int) -> Call | None:
        call, until = self.calls.get(x, (None, 0))
        return call if ms // DAY < until else None


def archive(pair: Any, calls: Sequence[EndedCall], life: float) -> None:
    """Runs the operation on both sides."""
    op = shorten(calls, life)
    pair.agree(op, pair.store.run(op), pair.model.archive(calls, *retention_ms(pair.config)))


class Left(NamedTuple):
    """A call that left, and its record as the archive keeps it."""

    call: Call
    fields: dict[bytes, bytes]


def leave(pair: Any, x: str) -> Left:
    """The record and what leads to it expire, as the operation has asked Redis for."""
    call = pair.model.calls.pop(x)
    fields = {
        name: value for name, value in pair.store.redis.hgetall(keys.record(x)).items() if name.decode() not in PASSING
    }
    redials = [alias for alias, (record, _) in pair.model.aliases.items() if record == x]
    for alias in redials:
        del pair.model.aliases[alias]
    pair.store.redis.delete(keys.record(x), *map(keys.alias, redials))
    pair.left[call.state.value] += 1
    pair.held = [claimed for claimed in pair.held if claimed.record != x]
    del pair.now["calls"][x]
    for attempt in call.attempts.values():
        pair.posted.pop(attempt.extid, None)
    passing: dict[str, Any] = {"token": "", "crashes": None, "alone": "", "settled": None, "unknown": None}
    return Left(replace(call, **passing, attempts=dict(call.attempts)), fields)


def come_back(pair: Any, left: Left) -> None:
    """A result came for a call that had left: it is put back and the result applied."""
    x, version = left.call.new.extid, left.call.version
    if x not in pair.model.calls:
        pair.left[left.call.state.value] -= 1
    op = restore([(x, left.fields)], 3600)
    pair.agree(op, pair.store.run(op), pair.model.restore([left.call]))
    pair.apply(extid=pair.choose([attempt.extid for attempt in left.call.attempts.values()]))
    if pair.model.calls[x] is left.call:
        life = pair.store.redis.pttl(keys.record(x))
        assert life > 3_600_000 if left.call.version > version else 0 < life <= 3_600_000


def forget_names(pair: Any) -> None:
    """What leads to calls that nobody remembers has expired: keys, and extids that are another's on the wire."""
    model, client = pair.model, pair.store.redis
    for (space, shown), x in list(model.own_extids.items()):
        if model.remembered(x, lasting=True) is None:
            del model.own_extids[space, shown]
            client.delete(keys.own_extid(space, shown))
    for name, x in list(model.keys.items()):
        if model.remembered(x, lasting=True) is None:
            del model.keys[name]
            client.delete(f"{keys.PREFIX}k:{name}")


REDIAL = '{"max_attempts":2,"delays":{"busy":[1]}}'
EXTIDS = ("101", str(101 + BUCKET), str(101 + 2 * BUCKET), "999999999999999")


def id_of(extid: str, number: int) -> str:
    """An id as the product makes them: it ends with the extid."""
    word = (0b10 << 62) | (number << 50) | int(extid)
    text = f"{word:016x}"
    return f"0199aa00-{number:04x}-7{number % 4096:03x}-{text[:4]}-{text[4:]}"


def live_past(pair: Any, seed: int, steps: int = 30) -> None:
    """Calls are placed, end and leave for the archive; their requests and others come again, for longer than they are known."""
    rng = random.Random(seed)
    pair.extids += EXTIDS
    gone: dict[str, Left] = {}
    for step in range(steps):
        batch = []
        for at in range(rng.choice((1, 2))):
            number = step * 2 + at
            owner, tenant = rng.choice((("", ""), ("shop", ""), ("shop", "1"), ("crm", "1")))
            extid = rng.choice(EXTIDS)
            key = "" if tenant else rng.choice(("", "", "k1", "k2"))
            ours = str(500_000_000_000_000 + number)
            pair.extids.append(ours)
            call = NewCall(extid, id_of(extid, number), "{}", digest=rng.choice(("d1" * 8, "d2" * 8)), key=key)
            if key and rng.random() < 0.3:
                call = call._replace(extid=ours, id=id_of(ours, number))
            else:
                call = call._replace(spare=f"{ours} {id_of(ours, number)}")
            batch.append(call._replace(owner=owner, tenant=tenant, redial=rng.choice(("", REDIAL))))
        pair.enqueue(batch)
        for _ in range(rng.choice((0, 0, 1, 2))):
            pair.pass_time(2000)
            pair.fail()
        if rng.random() < 0.4:
            pair.cancel()
        listed = {x for queue in pair.model.ready.values() for x in queue}  # until a claim meets them
        over = [x for x, call in pair.model.calls.items() if call.state in ENDS and x not in listed]
        if over and rng.random() < 0.7:
            chosen = rng.sample(over, rng.randint(1, len(over)))
            versions = {x: pair.model.calls[x].version for x in chosen}
            stale = rng.choice((0, 0, 0, 1))
            archive(pair, [EndedCall(x, v - stale, pair.model.ms) for x, v in versions.items()], 3600)
            if not stale:
                gone |= {left.call.new.id: left for left in (leave(pair, x) for x in chosen)}
        if gone and rng.random() < 0.5:
            come_back(pair, gone.pop(rng.choice(list(gone))))
        if rng.random() < 0.2:
            pair.owner.clear()
            pair.pass_time(rng.choice((1, 2, 20, 31)) * DAY)
            pair.sweep()
            forget_names(pair)
