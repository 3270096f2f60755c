"""Log lines of all processes, from one capped stream: by pages, newest first, and as they come.

A line is one JSON document as it was logged, with its secrets taken out and its numbers masked before it came here.

Which log lines are wanted, looked at twice: by bytes, which is quick, and what is left by its fields.

Log lines into the stream of all processes, each once although an answer of Redis may be lost.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import redis
import redis.asyncio as aioredis

from . import keys
from .records import CallRecord
from .sansio import Steps, run, run_async

CHUNK: Final = 1000
"""Lines of one round trip: about 300 kB and 2 ms."""
SCANNED: Final = 20_000
"""Lines looked at for one page; a filter that finds few goes on with the cursor."""

EARLY: Final = 60_000
LATE: Final = 3_600_000
"""ms by which a line's own time may differ from Redis' time of its coming: clocks that are set apart; and lines that
waited while Redis was away."""


LEVELS: Final = ("debug", "info", "warning", "error", "critical")
CALL_FIELDS: Final = ("call_id", "extid", "record")
"""Where a line names its call: by its id, by an attempt's extid, or by the first attempt's."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Only lines that fit every field that is given. ``level`` is the least, ``worker`` a name or its beginning, ``event``
    a pattern such as ``call.*``; ``call`` are names of one call: its id and its attempts' extids. ``since`` and ``until``
    are Unix ms of when the line was written."""

    call: frozenset[str] = frozenset()
    extid: str = ""
    campaign: str = ""
    account: str = ""
    worker: str = ""
    level: str = ""
    event: str = ""
    since: int | None = None
    until: int | None = None
    _needles: tuple[tuple[bytes, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        needles = [_spelled(self.call)] if self.call else []
        needles += [_spelled([text]) for text in (self.extid, self.campaign, self.account, self.worker) if text]
        if self.level in LEVELS[1:]:
            needles.append(tuple(f'"level":"{name}"'.encode() for name in LEVELS[LEVELS.index(self.level) :]))
        plain = self.event.partition("*")[0].partition("?")[0].partition("[")[0]
        if plain:
            needles.append(_spelled([plain]))
        object.__setattr__(self, "_needles", tuple(needles))

    def may_fit(self, line: bytes) -> bool:
        """False for a line that certainly does not fit; its JSON need not be read."""
        return all(any(needle in line for needle in one) for one in self._needles)

    def fits(self, fields: Mapping[str, Any]) -> bool:
        """Does the line with these fields fit?"""
        if self.call and not any(str(fields.get(name, "")) in self.call for name in CALL_FIELDS):
            return False
        if any(wanted and str(fields.get(name, "")) != wanted for name, wanted in self._exact()):
            return False
        if self.worker and not str(fields.get("worker", "")).startswith(self.worker):
            return False
        if self.level and rank(fields.get("level")) < LEVELS.index(self.level):
            return False
        if self.event and not fnmatchcase(str(fields.get("event", "")), self.event):
            return False
        return (self.since is None and self.until is None) or self._in_time(fields)

    def _exact(self) -> tuple[tuple[str, str], ...]:
        return ("extid", self.extid), ("campaign", self.campaign), ("account", self.account)

    def _in_time(self, fields: Mapping[str, Any]) -> bool:
        at = written_at(fields)
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def rank(level: object) -> int:
    """How grave a level is, from 0; one that nobody knows counts as info."""
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else 1


def written_at(fields: Mapping[str, Any]) -> int | None:
    """Unix ms of when the line was written, by its process's clock; None without a readable one."""
    try:
        at = datetime.fromisoformat(fields["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _spelled(texts: Iterable[str]) -> tuple[bytes, ...]:
    """As the texts stand within a line's JSON."""
    return tuple(json.dumps(text)[1:-1].encode() for text in texts)


def names_of_call(asked: str, record: CallRecord | None) -> frozenset[str]:
    """Every name that lines may give a call: its id and the extids of all its attempts; as asked when it is not known."""
    if record is None:
        return frozenset({asked})
    extids = {str(one["extid"]) for one in record.attempts if one.get("extid")}
    return frozenset({record.id, record.extid}) | extids


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


LOOKED_BACK: Final = 5000
"""Lines looked through for our own last one, after an answer was lost: those of ten processes' batches."""
LOST_KEPT: Final = 86_400


class LogWriter:
    """Writes the lines of one process. Raises what redis-py raises; then the same call is made again."""

    def __init__(self, client: "redis.Redis", process: str, keep: int) -> None:
        self._client = client
        self._process = process.encode()
        self._keep = keep
        self._unsure = False

    def append(self, first: int, lines: Sequence[bytes], lost: int = 0) -> int:
        """Adds lines with the numbers ``first``, ``first`` + 1, ...; those that are there already are left out.

        ``lost`` is how many more were lost since the last time, for the count that people see. Answers how many of these
        lines were refused while others were taken: a Redis at its limit of memory may do so.
        """
        skip = max(0, self._last() + 1 - first) if self._unsure else 0
        self._unsure = True
        with self._client.pipeline(transaction=False) as pipe:
            for number, line in enumerate(lines[skip:], first + skip):
                pipe.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    "XADD", keys.LOGS, "MAXLEN", "~", self._keep, "*", "l", line, "p", self._process, "n", number
                )
            answers = pipe.execute(raise_on_error=False)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused and len(refused) == len(answers):
            raise refused[0]
        self._unsure = False
        if lost + len(refused):
            with self._client.pipeline() as pipe:
                pipe.incrby(keys.LOGS_LOST, lost + len(refused))
                pipe.expire(keys.LOGS_LOST, LOST_KEPT)
                pipe.execute()
        return len(refused)

    def _last(self) -> int:
        """The number of the newest line of this process that is there; -1 without one."""
        rows: Any = self._client.xrevrange(keys.LOGS, count=LOOKED_BACK)
        for _, fields in rows:
            if fields.get(b"p") == self._process:
                return int(fields[b"n"])
        return -1
