"""The generation of the store: which server it is on, and what workers do after it moved to another one.

A failover, and a restart after a power failure, may forget the last changes: a call that was just POSTed is ready again.
So each server that becomes the primary begins a generation (``lua/primary.lua``). Workers that know another generation
neither claim nor arm; each repeats its POSTs of the last moments (``lua/repeat.lua``) before any of them claims again. A server
that has forgotten more than they remember holds an old backup: the emergency stop is pulled.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from redis.exceptions import ConnectionError, NoScriptError, ResponseError

from ..settings import AccountSettings, Settings
from .answers import text
from .call_transitions import courtesy, lease_seconds
from .client import Arg, Operation
from .keys import keys_of
from .primary_pool import OnConnect
from .redis_errors import is_forbidden
from .scripts import load_scripts, retention_ms

QUARANTINE = 3.0
"""Seconds without claims after Sentinel named another primary: longer than an answer that named the old one counts
(:data:`~.sentinel.CONFIRMED_FOR`), and one second for a POST that was about to leave."""

PATIENCE = 15.0
"""Seconds that claims wait for a worker which has not repeated its POSTs: then it counts as dead."""

Repeated = Literal["armed", "kept", "unknown"]


class Generation(NamedTuple):
    """``wait`` is in seconds until claims go on, at most; 0 when they do. ``now`` is the store's clock, and ``was`` when a worker
    asked last before this generation, as the store knows it; Unix ms, 0 where that is not known.
    """

    number: str
    wait: float
    now: int
    was: int


def _generation(answer: Any) -> Generation:
    return Generation(str(int(answer[0])), int(answer[1]) / 1000, int(answer[2]), int(answer[3]))


def met(run_id: str, quarantine: float) -> Operation[Generation]:
    """Says that the server with this run id is the primary; the first worker to do so begins a generation."""
    args: list[Arg] = ["met", run_id, round(quarantine * 1000), round(PATIENCE * 1000)]
    return Operation("primary", args, _generation)


def repeated(worker: str, generation: str = "") -> Operation[Generation]:
    """Says that a worker has repeated its POSTs in this generation. Returns the one in force; "" only asks for it."""
    return Operation("primary", ["done", worker, generation], _generation)


class Posted(NamedTuple):
    """A call that was armed: its record, the token of its claim, the number of its attempt."""

    record: str
    token: str
    attempt: int


def repeat_posts(
    settings: Settings, limits: AccountSettings, worker: str, items: Sequence[Posted]
) -> Operation[list[Repeated]]:
    """Moves calls to submitting that the store takes for ready though they were POSTed. All items are of one account."""
    channel = round(settings.channel_timeout * 1000) if limits.max_concurrent_calls else 0
    args: list[Arg] = [worker, round(lease_seconds(settings) * 1000), channel, *courtesy(settings, limits)]
    for item in items:
        args += item
    return Operation("repeat", args, lambda answer: [text(row) for row in answer])  # type: ignore[misc]  # the script's own words


def introduce(settings: Settings) -> OnConnect:
    """Returns what a worker does on each new connection to the store: it begins a generation where the server is another.

    Raises redis-py's ConnectionError while the majority of Sentinels does not confirm the server. Where Redis does not
    allow INFO, no generation is begun.
    """
    script = load_scripts(*retention_ms(settings))["primary"]
    keys = keys_of(settings)

    async def on_connect(connection: Any) -> None:
        watcher = getattr(connection, "watcher", None)
        if watcher is not None and not (watcher.view.confirmed and watcher.view.generation == connection.generation):
            raise ConnectionError("the majority of Sentinels does not confirm this primary")
        try:
            await connection.send_command("INFO", "server")
            info = await connection.read_response()
        except ResponseError as exc:
            if not is_forbidden(exc):
                raise
            return
        found = re.search(rb"^run_id:(\w+)", bytes(info), re.MULTILINE)
        if found is None:
            return
        operation = met(found[1].decode(), 0 if watcher is None else QUARANTINE)
        for command, body in (("EVALSHA", script.sha), ("EVAL", script.text)):
            try:
                await connection.send_command(command, body, 2, keys.PREFIX, keys.EVENTS, *operation.args)
                await connection.read_response()
                return
            except NoScriptError:
                continue

    return on_connect
