"""What keeps calls back: the emergency stop, pauses and breakers of accounts."""

from dataclasses import dataclass
from typing import Any

import redis

from . import keys


@dataclass(frozen=True, slots=True)
class Pause:
    """An account that waits ``seconds`` more; ``breaker`` when AloVoice refused its token."""

    account: str
    seconds: float
    why: str
    breaker: bool


def stopped(client: "redis.Redis") -> str | None:
    """The emergency stop's reason; None when it is not on."""
    value: Any = client.get(keys.STOP)
    return None if value is None else value.decode("utf-8", "replace")


def accounts(client: "redis.Redis") -> set[str]:
    """The accounts that had calls."""
    names: Any = client.smembers(keys.ACCOUNTS)
    return {name.decode() for name in names}


def held(client: "redis.Redis") -> list[Pause]:
    """Accounts that pause now."""
    at: Any = client.time()
    now_ms = int(at[0]) * 1000 + int(at[1]) // 1000
    found = []
    for name in sorted(accounts(client)):
        values: Any = client.hmget(keys.account(name), "hold", "why", "brk")
        hold, why, breaker = values
        if breaker is not None or (hold is not None and float(hold) > now_ms):
            left = max(0.0, (float(hold or 0) - now_ms) / 1000)
            found.append(Pause(name, left, (why or b"").decode(), breaker is not None))
    return found
