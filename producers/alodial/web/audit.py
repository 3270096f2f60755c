"""Records the acts of keys and people. Every request that changes something is recorded, whichever route it has."""

import asyncio
import time
from typing import Any, Final

import redis
import structlog
from starlette.requests import Request
from starlette.types import Scope

from alodial_schemas import mask_numbers

from ..api_keys import ApiKey
from ..errors import AlodialError
from ..store import audit
from ..store.client import AsyncStore

MAX_TARGET: Final = 200

NOT_ACTS: Final = frozenset({"/v1/calls", "/v1/calls/batch", "/v1/campaigns/check"})
"""Routes that place calls, whose records say by themselves which key placed them, and the one that only reads a file."""

EXPORTS: Final = ("results.csv", "results.xlsx", "problems.csv", "problems.xlsx")
"""The ends of routes that hand out whole lists."""

log = structlog.get_logger("alodial.audit")


def is_act(method: str, route: str) -> bool:
    """Whether a request of this method and route is recorded."""
    if method in ("GET", "HEAD"):
        return route.endswith(EXPORTS)
    return method != "OPTIONS" and route not in NOT_ACTS


class AuditWriter:
    """Writes the acts of one process, one after another: all chain to the same head. Own keys wait for their like alone."""

    def __init__(self, store: AsyncStore, keep: int) -> None:
        self._store = store
        self._keep = keep
        self._writing = {False: asyncio.Lock(), True: asyncio.Lock()}

    async def record(self, *, own: bool = False, **fields: Any) -> None:
        """Writes an act that was done. A store that takes nothing more loses the entry, which is logged, and never the act."""
        entry = audit.entry(int(time.time() * 1000), **fields)
        try:
            async with self._writing[own]:
                hash = await audit.write_async(self._store, entry, own=own, keep=self._keep)
        except (AlodialError, redis.RedisError):
            log.error("audit.write_failed", act=entry.act, actor=entry.actor, target=mask_numbers(entry.target))
        else:
            log.info("audit.written", act=entry.act, actor=entry.actor, hash=hash)


def name_target(request: Request, *names: str) -> None:
    """Says to what a request is done, where its path does not say it."""
    request.state.audit_target = names


async def record_request(scope: Scope, api_key: ApiKey) -> None:
    """Records a request of a program that was answered, if it is an act."""
    route = getattr(scope.get("route"), "path", "")
    if not is_act(scope["method"], route):
        return
    request = Request(scope)
    names = [str(value) for value in scope.get("path_params", {}).values()]
    names += request.scope.get("state", {}).get("audit_target", ())
    target = mask_numbers(" ".join(filter(None, names))[: 4 * MAX_TARGET])[:MAX_TARGET]
    writer: AuditWriter = request.app.state.context.audit
    await writer.record(
        own=api_key.own,
        actor=api_key.actor,
        address=request.client.host if request.client else "",
        act=f"{scope['method']} {route}",
        target=target,
        via="api",
    )
