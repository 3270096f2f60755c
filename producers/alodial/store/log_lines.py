"""Log lines of all processes, from one capped stream: by pages, newest first, and as they come.

A line is one JSON document as it was logged, with its secrets taken out and its numbers masked before it came here.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import redis
import redis.asyncio as aioredis

from . import keys
from .log_filter import LogFilter
from .steps import Steps, run, run_async

CHUNK: Final = 1000
"""Lines of one round trip: about 300 kB and 2 ms."""
SCANNED: Final = 20_000
"""Lines looked at for one page; a filter that finds few goes on with the cursor."""

EARLY: Final = 60_000
LATE: Final = 3_600_000
"""ms by which a line's own time may differ from Redis' time of its coming: clocks that are set apart; and lines that
waited while Redis was away."""


class LogLine(NamedTuple):
    """``id`` is its place in the stream, ``text`` the JSON of ``fields``."""

    id: str
    text: str
    fields: dict[str, Any]


class LogPage(NamedTuple):
    """Lines, newest first. ``cursor`` leads to older ones and is None at the end; ``newest`` is the place from which
    :func:`after` goes on."""

    lines: list[LogLine]
    cursor: str | None
    newest: str


def _fitting(rows: Iterable[Any], wanted: LogFilter) -> Iterator[LogLine]:
    for at, fields in rows:
        raw = fields.get(b"l", b"")
        if wanted.may_fit(raw) and (line := _line(at, raw)) is not None and wanted.fits(line.fields):
            yield line


def _line(at: bytes, raw: bytes) -> LogLine | None:
    """None for what is no line of ours."""
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return LogLine(at.decode(), raw.decode("utf-8", "replace"), found) if isinstance(found, dict) else None


def _page(wanted: LogFilter, cursor: str | None, limit: int, scanned: int) -> Steps[LogPage]:
    upper = "+" if wanted.until is None else str(wanted.until + LATE)
    lower = "-" if wanted.since is None else str(max(0, wanted.since - EARLY))
    if cursor:
        upper = f"({cursor}"
    newest, lines = "", list[LogLine]()
    for _ in range(-(-scanned // CHUNK)):
        (rows,) = yield [("XREVRANGE", keys.LOGS, upper, lower, "COUNT", CHUNK)]
        newest = newest or (rows[0][0].decode() if rows else "0-0")
        for line in _fitting(rows, wanted):
            lines.append(line)
            if len(lines) == limit:
                return LogPage(lines, line.id, newest)
        if len(rows) < CHUNK:
            return LogPage(lines, None, newest)
        upper = f"({rows[-1][0].decode()}"
    return LogPage(lines, upper[1:], newest)


def page(
    client: "redis.Redis",
    wanted: LogFilter,
    *,
    cursor: str | None = None,
    limit: int = 200,
    scanned: int = SCANNED,
) -> LogPage:
    """Up to ``limit`` lines of a filter behind a cursor, looking at ``scanned`` of them."""
    return run(client, _page(wanted, cursor, limit, scanned))


async def page_async(
    client: "aioredis.Redis",
    wanted: LogFilter,
    *,
    cursor: str | None = None,
    limit: int = 200,
    scanned: int = SCANNED,
) -> LogPage:
    """As :func:`page`."""
    return await run_async(client, _page(wanted, cursor, limit, scanned))


def after(client: "redis.Redis", position: str, wanted: LogFilter, *, block: int = 500) -> tuple[list[LogLine], str]:
    """The next lines behind a place, oldest first, and the place behind them; waits ``block`` ms for the first."""
    found: Any = client.xread({keys.LOGS: position}, count=CHUNK, block=block)
    if not found:
        return [], position
    streams = found.items() if isinstance(found, dict) else found
    rows = [row for _, entries in streams for row in entries]
    return list(_fitting(rows, wanted)), rows[-1][0].decode()


def lost(client: "redis.Redis") -> int:
    """Lines of the last day that did not get here."""
    return int(client.get(keys.LOGS_LOST) or 0)


async def lost_async(client: "aioredis.Redis") -> int:
    """As :func:`lost`."""
    return int(await client.get(keys.LOGS_LOST) or 0)


async def news_async(client: "aioredis.Redis", position: str, wanted: LogFilter) -> bool:
    """Are there lines of a filter behind a place? True too for more than one chunk of others, so that the place moves on."""
    rows: Any = await client.xrange(keys.LOGS, min=f"({position}", count=CHUNK)
    return len(rows) == CHUNK or any(True for _ in _fitting(rows, wanted))
