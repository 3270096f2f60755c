"""What holds calls back: the emergency stop, and pauses and breakers of accounts. ``lua/claim.lua`` and ``arm.lua`` obey it."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio as aioredis

from .answers import text
from .client import Operation
from .keys import Keys
from .server_clock import server_ms


@dataclass(frozen=True, slots=True)
class AccountHold:
    """An account that pauses for ``seconds`` more, for the reason ``why``; ``breaker`` when AloVoice refused its token, or
    with ``unreachable`` when no connection to AloVoice came about, with ``misaddressed`` when its address is wrong.
    """

    account: str
    seconds: float
    why: str
    breaker: bool
    unreachable: bool = False
    misaddressed: bool = False


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """An emergency stop that is on. ``actor`` and ``at`` (Unix ms) are "" and 0 when an older version wrote it."""

    reason: str
    actor: str = ""
    at: int = 0


def read_stop(value: bytes | None) -> EmergencyStop | None:
    """The stop from its Redis value; None when it is not on. A value that cannot be read stops as well."""
    if value is None:
        return None
    try:
        fields = json.loads(value)
        return EmergencyStop(str(fields["reason"]), str(fields["who"]), int(fields["at"]))
    except (ValueError, TypeError, LookupError):
        return EmergencyStop(text(value))


async def read_stop_async(client: "aioredis.Redis", keys: Keys) -> EmergencyStop | None:
    """The emergency stop that is on; None without one."""
    value: Any = await client.get(keys.STOP)
    return read_stop(value)


def stop(reason: str, actor: str) -> Operation[tuple[EmergencyStop, bool]]:
    """Turns the emergency stop on. Returns the stop that is on now, and whether it is this one."""

    def read(answer: list[Any]) -> tuple[EmergencyStop, bool]:
        return read_stop(answer[0]) or EmergencyStop(reason, actor), bool(answer[1])

    return Operation("stop", [reason, actor, secrets.token_hex(8)], read)


def stopped(client: "redis.Redis", keys: Keys) -> str | None:
    """The emergency stop's reason; None when it is not on."""
    value: Any = client.get(keys.STOP)
    stop = read_stop(value)
    return None if stop is None else stop.reason


def accounts(client: "redis.Redis", keys: Keys) -> set[str]:
    """The accounts that have had calls."""
    names: Any = client.smembers(keys.ACCOUNTS)
    return {name.decode() for name in names}


def held(client: "redis.Redis", keys: Keys) -> list[AccountHold]:
    """Accounts that pause now or whose breaker is open."""
    now_ms = server_ms(client)
    holds = []
    for name in sorted(accounts(client, keys)):
        values: Any = client.hmget(keys.account(name), "hold", "why", "brk", "bk")
        hold, why, breaker, kind = values
        if breaker is not None or (hold is not None and float(hold) > now_ms):
            left = max(0.0, (float(hold or 0) - now_ms) / 1000)
            holds.append(AccountHold(name, left, text(why), breaker is not None, kind == b"unsent", kind == b"address"))
    return holds
