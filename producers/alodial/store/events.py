"""The event stream: reading it as a member of a group, following it from a place of one's own, and a call's events in it.

A place is a stream id such as ``1767000000000-3``; its first part is the time of the event in Unix ms, by Redis' clock.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import redis
import redis.asyncio as aioredis
from redis.exceptions import RedisError, ResponseError

from .answers import number, text
from .client import Operation, Store
from .keys import Keys
from .redis_errors import is_forbidden, is_group_existing
from .sansio import Command, Steps, run

BATCH: Final = 500
"""Events of one answer to a reader without a group."""

GROUP_BATCH: Final = 100
"""Events that a member of a group takes at once."""

RECLAIM_MS: Final = 60_000
"""After so long an event that a member took and did not acknowledge goes to another member."""

MAX_TIMES: Final = 30
"""The last changes of a call whose events are looked for."""

WITHIN_MS: Final = 20
"""An entry's own clock may be read this much after the script's: a script of 250 calls takes 5 ms."""

ENTRIES: Final = 300
"""Of one change. At 5,000 calls a second 20 ms hold about 200 events."""


Position = tuple[int, int]
"""A place that can be compared with others: Unix ms, and a number within them."""


class StreamEvent(NamedTuple):
    """One event: its id in the stream, and the CloudEvents JSON."""

    position: str
    event: str


def _read(rows: Iterable[Any]) -> list[StreamEvent]:
    """Entries of an answer; those that were trimmed meanwhile have no fields and are left out."""
    return [StreamEvent(text(at), text(fields[b"event"])) for at, fields in rows if fields]


def position_of(text: str) -> Position:
    """A place in a form that can be compared, from its text; a time alone is the place before its first event."""
    at, _, number = text.partition("-")
    return int(at), int(number or 0)


def position_text(position: Position) -> str:
    """A place as Redis takes it."""
    return f"{position[0]}-{position[1]}"


@contextmanager
def ignore_existing_group() -> Iterator[None]:
    """Passes over the error of a group that exists already."""
    try:
        yield
    except ResponseError as exc:
        if not is_group_existing(exc):
            raise


def create_group(client: "redis.Redis", keys: Keys, group: str, start: str) -> None:
    """Creates a group of readers unless it exists. It begins after ``start``: ``0`` for the oldest event, ``$`` for the next."""
    with ignore_existing_group():
        client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)


async def create_group_async(client: "aioredis.Redis", keys: Keys, group: str, start: str) -> None:
    """As :func:`create_group`."""
    with ignore_existing_group():
        await client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)


def read_group(client: "redis.Redis", keys: Keys, group: str, reader: str, block: float) -> list[StreamEvent]:
    """The next events that no member of the group has taken; waits up to ``block`` seconds for the first."""
    rows: Any = client.xreadgroup(group, reader, {keys.EVENTS: ">"}, GROUP_BATCH, max(1, int(block * 1000)))
    return _read(rows[0][1]) if rows else []


async def read_group_async(
    client: "aioredis.Redis", keys: Keys, group: str, reader: str, block: float
) -> list[StreamEvent]:
    """As :func:`read_group`."""
    rows: Any = await client.xreadgroup(group, reader, {keys.EVENTS: ">"}, GROUP_BATCH, max(1, int(block * 1000)))
    return _read(rows[0][1]) if rows else []


def reclaim(client: "redis.Redis", keys: Keys, group: str, reader: str) -> list[StreamEvent]:
    """Takes over events that other members took a minute ago or earlier and did not acknowledge."""
    return _read(client.xautoclaim(keys.EVENTS, group, reader, RECLAIM_MS, count=GROUP_BATCH)[1])


async def reclaim_async(client: "aioredis.Redis", keys: Keys, group: str, reader: str) -> list[StreamEvent]:
    """As :func:`reclaim`."""
    return _read((await client.xautoclaim(keys.EVENTS, group, reader, RECLAIM_MS, count=GROUP_BATCH))[1])


def acknowledge(client: "redis.Redis", keys: Keys, group: str, position: str) -> None:
    """Records that the group is done with an event."""
    client.xack(keys.EVENTS, group, position)


async def acknowledge_async(client: "aioredis.Redis", keys: Keys, group: str, position: str) -> None:
    """As :func:`acknowledge`."""
    await client.xack(keys.EVENTS, group, position)


def leave_group(client: "redis.Redis", keys: Keys, group: str, reader: str) -> None:
    """Takes the reader out of the group, unless it leaves unacknowledged events for others. Ignores a Redis that is away."""
    with suppress(RedisError, OSError):
        if not client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            client.xgroup_delconsumer(keys.EVENTS, group, reader)


async def leave_group_async(client: "aioredis.Redis", keys: Keys, group: str, reader: str) -> None:
    """As :func:`leave_group`."""
    with suppress(RedisError, OSError):
        if not await client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            await client.xgroup_delconsumer(keys.EVENTS, group, reader)


_UNBOUNDED: Final = 10**15

ALARM_SHARE: Final = 0.5
"""Of a bound on unread events, from which on a group's backlog is reported."""

EVENT_BYTES: Final = 500
"""Of an event in the stream, where Redis does not say what the stream takes."""


class Trimmed(NamedTuple):
    """``held`` when events were kept because a group has not read them yet.

    ``dropped`` counts those that went unread nevertheless, because they were too old or too many; ``groups`` missed them.
    """

    removed: int
    length: int
    held: bool
    dropped: int
    groups: list[str]


def trim(
    keep: int, step: int = 5000, *, max_age: float | None = None, max_length: int = _UNBOUNDED
) -> Operation[Trimmed]:
    """Removes up to ``step`` of the oldest events beyond ``keep``, but none that a group has not acknowledged.

    Such an event goes when it is older than ``max_age`` seconds, or while there are more than ``max_length`` of them.
    """
    age = _UNBOUNDED if max_age is None else round(max_age * 1000)

    def read(answer: list[Any]) -> Trimmed:
        removed, length, held, dropped = (int(part) for part in answer[:4])
        return Trimmed(removed, length, bool(held), dropped, [text(name) for name in answer[4]])

    return Operation("trim", [keep, step, age, max_length], read)


def length_within(client: "redis.Redis", keys: Keys, max_bytes: int) -> int:
    """How many events fit into so many bytes, by what the stream takes now."""
    length: Any = client.xlen(keys.EVENTS)
    if not length:
        return max_bytes // EVENT_BYTES
    try:
        taken: Any = client.memory_usage(keys.EVENTS)
    except ResponseError as exc:
        if not is_forbidden(exc):
            raise
        taken = None
    return max(1, int(max_bytes / (taken / length))) if taken else max_bytes // EVENT_BYTES


@dataclass(frozen=True, slots=True)
class UnreadEvents:
    """Events that are kept for a group that has not read them. ``oldest`` and ``max_age`` are in seconds."""

    group: str
    count: int
    oldest: float
    max_count: int
    max_age: float

    @property
    def share(self) -> float:
        """How much of the nearer bound is used up; at 1 the oldest events are dropped."""
        return max(self.count / max(1, self.max_count), self.oldest / max(1.0, self.max_age))


def unread_events(raw: Mapping[bytes, bytes], now_ms: int) -> UnreadEvents | None:
    """Reads what the last trimming of the stream wrote down; None when no group holds anything back."""
    if b"since" not in raw:
        return None
    return UnreadEvents(
        group=text(raw.get(b"group")),
        count=number(raw.get(b"length")),
        oldest=max(0.0, (now_ms - number(raw[b"since"])) / 1000),
        max_count=number(raw.get(b"most")),
        max_age=number(raw.get(b"age")) / 1000,
    )


def read_unread(client: "redis.Redis", keys: Keys, now_ms: int) -> UnreadEvents | None:
    """As :func:`unread_events`."""
    raw: Any = client.hgetall(keys.EVENTS_HELD)
    return unread_events(raw, now_ms)


async def newest(client: "aioredis.Redis", keys: Keys) -> str:
    """The id of the last event; ``0-0`` when there was none yet."""
    rows: Any = await client.xrevrange(keys.EVENTS, count=1)
    return text(rows[0][0]) if rows else "0-0"


async def events_after(client: "aioredis.Redis", keys: Keys, position: str, count: int) -> list[StreamEvent]:
    """Up to ``count`` events after a place, oldest first."""
    return _read(await client.xrange(keys.EVENTS, min=f"({position}", count=count) or ())


async def wait_for_events(
    client: "aioredis.Redis", keys: Keys, position: str, count: int, seconds: float
) -> list[StreamEvent]:
    """As :func:`events_after`, and waits up to so many seconds for the first."""
    rows: Any = await client.xread({keys.EVENTS: position}, count=count, block=max(1, int(seconds * 1000)))
    return _read(rows[0][1]) if rows else []


async def wait_for_event(client: "aioredis.Redis", keys: Keys, position: str, seconds: float) -> bool:
    """True once there is an event after a place, False after so many seconds without one."""
    return bool(await client.xread({keys.EVENTS: position}, count=1, block=max(1, int(seconds * 1000))))


async def lost_after(client: "aioredis.Redis", keys: Keys, position: str) -> str:
    """The oldest event that is kept, when a reader's last one is older than that and gone; "" otherwise."""
    exact = position if "-" in position else f"{position}-0"
    if await client.xrange(keys.EVENTS, min=exact, max=exact, count=1):
        return ""
    first: Any = await client.xrange(keys.EVENTS, count=1)
    if not first:
        return ""
    oldest = text(first[0][0])
    return oldest if position_of(exact) < position_of(oldest) else ""


def _range(client: "redis.Redis", keys: Keys, position: str) -> list[StreamEvent]:
    rows: Any = client.xrange(keys.EVENTS, min=f"({position}", count=BATCH)
    return _read(rows)


def _newest(client: "redis.Redis", keys: Keys) -> str:
    rows: Any = client.xrevrange(keys.EVENTS, count=1)
    return text(rows[0][0]) if rows else "0-0"


def _wait(client: "redis.Redis", keys: Keys, position: str) -> None:
    # Half a second is well below the socket's own timeout, which would look like an outage.
    client.xread({keys.EVENTS: position}, count=1, block=500)


def read_events(store: Store, start: str, *, follow: bool) -> Iterator[str]:
    """CloudEvents JSON after ``start``: ``0``, ``now`` or the id of the last event seen.

    ``follow`` goes on for ever, waiting for new events. Raises StoreUnavailable.
    """
    position = store.call(_newest) if start == "now" else start
    while True:
        batch = store.call(_range, position)
        for position, event in batch:  # noqa: B007  # the last place goes on
            yield event
        if len(batch) == BATCH:
            continue
        if not follow:
            return
        store.call(_wait, position)


def _call_events(keys: Keys, id: str, times: Iterable[int]) -> Steps[list[dict[str, Any]]]:
    latest = sorted(set(times))[-MAX_TIMES:]
    commands: list[Command] = [("XRANGE", keys.EVENTS, str(ms), str(ms + WITHIN_MS), "COUNT", ENTRIES) for ms in latest]
    answers = (yield commands) if commands else []
    subject = f'"subject":"{id}"'.encode()
    events: dict[bytes, dict[str, Any]] = {}
    for rows in answers:
        for position, fields in rows:
            raw = fields.get(b"event", b"")
            if position in events or subject not in raw:
                continue
            try:
                event = json.loads(raw)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("subject") == id:
                events[position] = event
    return list(events.values())


def call_events(client: "redis.Redis", keys: Keys, id: str, times: Iterable[int]) -> list[dict[str, Any]]:
    """The events of the call with this id that are still in the stream, oldest first.

    Each was written in the moment of a change that the call's timeline knows: ``times``, Unix ms.
    """
    return run(client, _call_events(keys, id, times))
