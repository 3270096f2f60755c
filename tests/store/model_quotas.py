"""The limits of API keys as the model of the store keeps them, and random lives of calls under such limits."""

import json
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from alodial.store.keys import Keys
from alodial.store.new_calls import NewCall

keys = Keys()

if TYPE_CHECKING:
    import redis

DAY_MS = 86_400_000


@dataclass(slots=True)
class Quotas:
    """Calls of each key by day (its first ms), and the last times at which a key called a number, newest first, ms.

    ``live`` are its calls that have not ended, ``turns`` when the next call of a key and priority may become ready, microseconds.
    """

    placed: Counter[tuple[str, int]] = field(default_factory=Counter)
    rung: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    live: Counter[str] = field(default_factory=Counter)
    turns: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Self:
        rung = {name: list(times) for name, times in self.rung.items()}
        return type(self)(self.placed.copy(), rung, self.live.copy(), dict(self.turns))

    def hold(self, quota: str, change: int) -> None:
        """A call was stored (1) or ended (-1)."""
        waiting, size, _ = store_limits(quota)
        if waiting or size:
            self.live[quota.split(maxsplit=1)[0]] += change

    def next_turn(self, turn: tuple[str, int], now: int) -> int:
        """When this call may become ready, ms; ``now`` is in microseconds."""
        queue, gap = turn
        at = max(now, self.turns.get(queue, 0))
        self.turns[queue] = at + gap
        return at // 1000

    def redial(self, call: NewCall, now: int) -> tuple[int, bool]:
        """From when a redial may go, ms, and whether it is counted; ``now`` is in microseconds."""
        ms = now // 1000
        name, daily, *_ = (call.quota.partition(";")[0] or "- 0").split()
        today = ms - ms % DAY_MS
        if int(daily) and self.placed[name, today] >= int(daily):
            return today + DAY_MS, False
        if int(daily):
            self.placed[name, today] += 1
        turn = turn_of(call)
        return (self.next_turn(turn, now) if turn else 0), True

    def take(self, quota: str, body: str, ms: int) -> tuple[str, int] | None:
        """Counts a call, or says which limit it would exceed and in how many seconds there is room."""
        waiting, _, _ = store_limits(quota)
        name, *limits = quota.partition(";")[0].split()
        if waiting and self.live[name] >= waiting:
            return "waiting_calls", 60
        daily, cap, seconds, *_ = (*map(int, limits), 0, 0)
        today = ms - ms % DAY_MS
        if daily and self.placed[name, today] >= daily:
            return "daily_calls", math.ceil((today + DAY_MS - ms) / 1000)
        recipients = recipients_of(body) if cap else []
        for number in recipients:
            times = self.rung.get((name, number), [])
            if len(times) >= cap and ms - times[cap - 1] < seconds * 1000:
                return "recipient_cap", math.ceil(seconds - (ms - times[cap - 1]) / 1000)
        if daily:
            self.placed[name, today] += 1
        for number in recipients:
            self.rung[name, number] = [ms, *self.rung.get((name, number), [])][:cap]
        return None

    def picture(self) -> dict[str, Any]:
        days = {f"{name}:{day}": str(count) for (name, day), count in self.placed.items() if count}
        live = {f"{name} waiting": count for name, count in self.live.items() if count}
        return days | live | {f"{name}:{number}": times for (name, number), times in self.rung.items()}


def store_limits(quota: str) -> tuple[int, int, int]:
    """How many calls of a key may wait, how many bytes it may store, and microseconds between its calls; 0 for no limit."""
    waiting, size, gap = (quota.partition(";")[2] or "0 0 0").split()
    return int(waiting), int(size), int(gap)


def turn_of(call: NewCall) -> tuple[str, int] | None:
    """The line in which a call waits for its turn, and the gap in it; None without a rate."""
    gap = store_limits(call.quota)[2]
    return (f"{call.quota.split(maxsplit=1)[0]}:{call.priority}", gap) if gap else None


def recipients_of(body: str) -> list[str]:
    """The numbers that a call is for: not its first phone, but where that is connected with a queue."""
    call = json.loads(body)
    callto = call.get("callto", [])
    if isinstance(callto, str):
        return [callto]
    return [leg["phone"] for leg in callto if "phone" in leg] or [call["callfrom"]["phone"]]


def kept(client: "redis.Redis") -> dict[str, Any]:
    """What Redis keeps of it, in the same form."""
    prefix, picture = f"{keys.PREFIX}quota:", {}
    for name in client.scan_iter(f"{prefix}*"):
        text = name.decode().removeprefix(prefix)
        if client.type(name) == b"list":
            picture[text] = [int(at) for at in client.lrange(name, 0, -1)]
        else:
            picture[text] = client.get(name).decode()
    for name in client.scan_iter(f"{keys.PREFIX}held:*"):
        if count := int(client.hget(name, "c") or 0):
            picture[f"{name.decode().removeprefix(f'{keys.PREFIX}held:')} waiting"] = count
    return picture


PHONES = ("+998901112233", "+998901112244", "+998712037006")
QUOTAS = (
    "a 2",
    "a 0 1 60 0 0",
    "b 3 2 60 1 60",
    "b 0 2 3600 0 0",
    "c 1 1 86400 0 0",
    "d 0;2 0 0",
    "e 0;0 0 30000000",
    "",
)
BODIES = (
    '{"callto":"+998901112233","ivrid":222}',
    '{"callto":"+998901112244","ivrid":222}',
    '{"callfrom":{"phone":"+998712037006"},"callto":[{"phone":"+998901112233"}]}',
    '{"callfrom":{"phone":"+998901112233"},"callto":[{"phone":"+998712037006"},{"phone":"+998901112244"}]}',
    '{"callfrom":{"phone":"+998901112244"},"callto":[{"queue":"6000"}]}',
)
PAUSES = (1, 1, 999, 20_000, 59_999, 60_000, 3_599_999, 43_200_000, DAY_MS)


def live_under_quotas(pair: Any, seed: int, steps: int = 18) -> None:
    """Calls of some keys at random moments; the model and Redis agree about each answer and about what was counted."""
    rng = random.Random(seed)
    made: list[NewCall] = []
    for step in range(steps):
        batch: list[NewCall] = []
        for at in range(rng.choice((1, 2, 3))):
            extid = str(1000 + 10 * step + at)
            call = NewCall(extid, f"id-{extid}", rng.choice(BODIES), digest="d", quota=rng.choice(QUOTAS))
            batch.append(call._replace(not_before=rng.choice(("", "", pair.model.ms + 60_000))))
        if made and rng.random() < 0.3:
            again = rng.choice(made)
            batch.append(again._replace(id=f"again-{again.extid}-{step}", quota=rng.choice(QUOTAS)))
        made += batch
        pair.extids += [call.extid for call in batch if call.extid not in pair.extids]
        pair.enqueue(batch)
        if rng.random() < 0.5:
            pair.cancel()
        pair.pace()
        assert kept(pair.store.redis) == pair.model.quotas.picture(), f"seed {seed}, step {step}"
        pair.pass_time(rng.choice(PAUSES))
