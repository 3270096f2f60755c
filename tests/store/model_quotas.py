"""The limits of API keys as the model of the store keeps them, and random lives of calls under such limits."""

import json
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from alodial.store import keys
from alodial.store.new_calls import NewCall

if TYPE_CHECKING:
    import redis

DAY_MS = 86_400_000


@dataclass(slots=True)
class Quotas:
    """Calls of each key by day (its first ms), and the last times at which a key called a number, newest first, ms."""

    placed: Counter[tuple[str, int]] = field(default_factory=Counter)
    rung: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def copy(self) -> Self:
        return type(self)(self.placed.copy(), {name: list(times) for name, times in self.rung.items()})

    def take(self, quota: str, body: str, ms: int) -> tuple[str, int] | None:
        """Counts a call, or says which limit it would exceed and in how many seconds there is room."""
        name, *limits = quota.split()
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
        return days | {f"{name}:{number}": times for (name, number), times in self.rung.items()}


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
    return picture


PHONES = ("+998901112233", "+998901112244", "+998712037006")
QUOTAS = ("a 2", "a 0 1 60 0 0", "b 3 2 60 1 60", "b 0 2 3600 0 0", "c 1 1 86400 0 0", "")
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
            batch.append(NewCall(extid, f"id-{extid}", rng.choice(BODIES), digest="d", quota=rng.choice(QUOTAS)))
        if made and rng.random() < 0.3:
            again = rng.choice(made)
            batch.append(again._replace(id=f"again-{again.extid}-{step}", quota=rng.choice(QUOTAS)))
        made += batch
        pair.extids += [call.extid for call in batch if call.extid not in pair.extids]
        pair.enqueue(batch)
        assert kept(pair.store.redis) == pair.model.quotas.picture(), f"seed {seed}, step {step}"
        pair.pass_time(rng.choice(PAUSES))
