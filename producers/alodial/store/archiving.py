"""What the archiver reads of the store, and what it leaves there: its state, and a shorter life of what it has committed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import redis

from .answers import number, text
from .client import Arg, Operation
from .events import StreamEvent, ignore_existing_group
from .keys import Keys

GROUP: Final = "archive"
"""The group of the event stream: nothing is trimmed before it was archived."""

READER: Final = "archiver"
"""Its only member: the process that has the lease, so that the next one takes over what the last one did not finish."""

STATE_KEPT: Final = 40 * 86400
"""Seconds for which the state stays after the archiver ended."""


class EndedCall(NamedTuple):
    """A record in the archive: the extid under which the store keeps it, its version, and its end in Unix ms."""

    extid: str
    version: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """How far the archive is. ``lag`` is the age in seconds of the oldest change that it may not have; ``error`` why it waits.

    ``trouble`` is the code of that: unavailable, full, or "".
    """

    lag: float
    calls: int
    url: str
    error: str = ""
    trouble: str = ""


def create_group(client: "redis.Redis", keys: Keys) -> None:
    """Creates the group unless it exists; it begins with the oldest event that is kept."""
    with ignore_existing_group():
        client.xgroup_create(keys.EVENTS, GROUP, id="0", mkstream=True)


def read_events(client: "redis.Redis", keys: Keys, count: int, block: float, *, pending: bool) -> list[StreamEvent]:
    """The next events, or with ``pending`` those that were read before and not acknowledged. Entries without a text were
    trimmed meanwhile. Waits up to ``block`` seconds for the first."""
    start = "0" if pending else ">"
    rows: Any = client.xreadgroup(
        GROUP, READER, {keys.EVENTS: start}, count, None if pending else max(1, int(block * 1000))
    )
    entries: Any = rows[0][1] if rows else []
    return [StreamEvent(text(at), text((fields or {}).get(b"event"))) for at, fields in entries]


def acknowledge(client: "redis.Redis", keys: Keys, positions: Sequence[str]) -> None:
    """Records that the archive has these events."""
    if positions:
        client.xack(keys.EVENTS, GROUP, *positions)


def lost_events(client: "redis.Redis", keys: Keys) -> int:
    """How many events were dropped before every group had read them, lately."""
    return number(client.get(keys.EVENTS_LOST))


def listed_calls(client: "redis.Redis", keys: Keys, after: str, count: int) -> tuple[list[str], str]:
    """The extids of up to ``count`` calls in the order of their creation, behind a place in that list; and the last place."""
    rows: Any = client.xrange(keys.INDEX, min=f"({after}" if after else "-", count=count)
    return [text(fields[b"x"]) for _, fields in rows], text(rows[-1][0]) if rows else after


def raw_records(client: "redis.Redis", keys: Keys, extids: Sequence[str]) -> list[Mapping[bytes, bytes]]:
    """The records of these calls as they are kept, in one round trip; empty for one that is gone."""
    with client.pipeline(transaction=False) as pipe:
        for extid in extids:
            pipe.hgetall(keys.record(extid))
        answer: Any = pipe.execute()
    return list(answer)


def shorten(calls: Iterable[EndedCall], life: float) -> Operation[list[bool]]:
    """Lets records of committed calls go ``life`` seconds after their end, unless they have changed since.

    What makes a repeated request the same call stays behind for as long as the record was to be kept.
    """
    args: list[Arg] = [int(life * 1000)]
    for call in calls:
        args += call

    def read(answer: list[Any]) -> list[bool]:
        return [bool(done) for done in answer]

    return Operation("archived", args, read)


def restore(records: Iterable[tuple[str, Mapping[bytes, bytes]]], life: float) -> Operation[list[bool]]:
    """Puts records of archived calls back for ``life`` seconds, by the extid under which the store kept them. False for a call
    whose campaign is gone."""
    args: list[Arg] = [int(life * 1000)]
    for extid, fields in records:
        args += [extid, 2 * len(fields), *(part for pair in fields.items() for part in pair)]

    def read(answer: list[Any]) -> list[bool]:
        return [bool(here) for here in answer]

    return Operation("restore", args, read)


def audit_after(client: "redis.Redis", keys: Keys, last: str, count: int, *, own: bool) -> list[tuple[str, str, str]]:
    """Up to ``count`` acts behind an id of the audit: id, entry and hash."""
    rows: Any = client.xrange(keys.audit(own=own), min=f"({last}" if last else "-", count=count)
    return [(text(at), text(fields.get(b"e")), text(fields.get(b"h"))) for at, fields in rows]


def write_state(client: "redis.Redis", keys: Keys, state: ArchiveState, now_ms: int) -> None:
    """Writes down how far the archive is."""
    fields: dict[Any, Any] = {
        "read": now_ms - int(state.lag * 1000),
        "calls": state.calls,
        "url": state.url,
        "error": state.error[:300],
        "trouble": state.trouble,
    }
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.ARCHIVE, mapping=fields)
        pipe.expire(keys.ARCHIVE, STATE_KEPT)
        pipe.execute()


def write_trouble(client: "redis.Redis", keys: Keys, error: str, trouble: str, now_ms: int) -> None:
    """Writes down why the archive waits; how far it is stays as it was, and begins now where it could never begin."""
    fields: dict[Any, Any] = {"error": error[:300], "trouble": trouble}
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.ARCHIVE, mapping=fields)
        pipe.hsetnx(keys.ARCHIVE, "read", str(now_ms))
        pipe.expire(keys.ARCHIVE, STATE_KEPT)
        pipe.execute()


def archive_state(raw: Mapping[bytes, bytes], now_ms: int) -> ArchiveState | None:
    """Reads what :func:`write_state` wrote; None where no archiver ever ran."""
    if b"read" not in raw:
        return None
    return ArchiveState(
        lag=max(0.0, (now_ms - number(raw[b"read"])) / 1000),
        calls=number(raw.get(b"calls")),
        url=text(raw.get(b"url")),
        error=text(raw.get(b"error")),
        trouble=text(raw.get(b"trouble")),
    )


def read_state(client: "redis.Redis", keys: Keys, now_ms: int) -> ArchiveState | None:
    """As :func:`archive_state`."""
    raw: Any = client.hgetall(keys.ARCHIVE)
    return archive_state(raw, now_ms)
