"""What keeps calls back: the emergency stop, pauses and breakers of accounts."""

import json
from dataclasses import dataclass
from typing import Any

import redis

from . import keys


@dataclass(frozen=True, slots=True)
class AccountHold:
    """An account that waits ``seconds`` more; ``breaker`` when AloVoice refused its token."""

    account: str
    seconds: float
    why: str
    breaker: bool


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """The emergency stop. ``actor`` and ``at`` (Unix ms) are "" and 0 for one that an older version pulled."""

    reason: str
    actor: str = ""
    at: int = 0


def read_stop(value: bytes | None) -> EmergencyStop | None:
    """As it stands in the store; None when it is not on. Whatever stands there stops."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    try:
        told = json.loads(text)
        return EmergencyStop(str(told["reason"]), str(told["who"]), int(told["at"]))
    except (ValueError, TypeError, LookupError):
        return EmergencyStop(text)


def stop(client: "redis.Redis", reason: str, actor: str) -> tuple[EmergencyStop, bool]:
    """Pulls it: the one that is on now, and whether it was this one."""
    at: Any = client.time()
    told = json.dumps({"reason": reason, "who": actor, "at": int(at[0]) * 1000 + int(at[1]) // 1000})
    pulled = bool(client.set(keys.STOP, told, nx=True))
    value: Any = client.get(keys.STOP)
    return read_stop(value) or EmergencyStop(reason, actor), pulled


def stopped(client: "redis.Redis") -> str | None:
    """The emergency stop's reason; None when it is not on."""
    value: Any = client.get(keys.STOP)
    stop = read_stop(value)
    return None if stop is None else stop.reason


def accounts(client: "redis.Redis") -> set[str]:
    """The accounts that had calls."""
    names: Any = client.smembers(keys.ACCOUNTS)
    return {name.decode() for name in names}


def held(client: "redis.Redis") -> list[AccountHold]:
    """Accounts that pause now."""
    at: Any = client.time()
    now_ms = int(at[0]) * 1000 + int(at[1]) // 1000
    found = []
    for name in sorted(accounts(client)):
        values: Any = client.hmget(keys.account(name), "hold", "why", "brk")
        hold, why, breaker = values
        if breaker is not None or (hold is not None and float(hold) > now_ms):
            left = max(0.0, (float(hold or 0) - now_ms) / 1000)
            found.append(AccountHold(name, left, (why or b"").decode(), breaker is not None))
    return found
