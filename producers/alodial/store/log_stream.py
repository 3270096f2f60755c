"""The log lines of all processes, in one capped stream: filtered, read by pages and as they come, and written.

A line is one JSON document as it was logged; secrets and numbers were masked before it comes here. A filter is applied
twice: quickly to a line's bytes, then to the fields of what is left.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import hiredis
import redis
import redis.asyncio as aioredis
from redis.exceptions import ResponseError

from .answers import number, text
from .keys import Keys
from .records import CallRecord
from .redis_errors import is_lost
from .sansio import Steps, run, run_async
from .script_connections import POOL_ARGUMENTS

CHUNK: Final = 1000
"""Lines of one round trip: about 300 kB and 2 ms."""

MAX_SCANNED: Final = 20_000
"""Lines read for one page; a filter that matches few goes on with the cursor."""

EARLY: Final = 60_000
LATE: Final = 3_600_000
"""Ms by which a line's own time may lie after or before Redis' time of its arrival: clocks differ, and lines wait while
Redis is away."""

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

CALL_FIELDS: Final = ("call_id", "extid", "record")
"""Fields that name a call: by its id, by an attempt's extid, or by the first attempt's."""

REPEAT_SCAN: Final = 5000
"""Lines searched for a process's own last line, after an answer was lost: those of ten processes' batches."""

LOST_KEPT: Final = 86_400


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Passes lines that match every field set.

    ``level`` is the lowest, ``worker`` a name or its start, ``event`` a pattern such as ``call.*``. ``call`` are names
    of one call: its id and its attempts' extids. ``since`` and ``until`` are Unix ms of when the line was written.
    """

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
        needles = [_json_texts(self.call)] if self.call else []
        needles += [_json_texts([name]) for name in (self.extid, self.campaign, self.account, self.worker) if name]
        if self.level in LEVELS[1:]:
            needles.append(tuple(f'"level":"{name}"'.encode() for name in LEVELS[LEVELS.index(self.level) :]))
        plain = self.event.partition("*")[0].partition("?")[0].partition("[")[0]
        if plain:
            needles.append(_json_texts([plain]))
        object.__setattr__(self, "_needles", tuple(needles))

    def may_match(self, line: bytes) -> bool:
        """False for a line that certainly does not match; its JSON need not be read."""
        return all(any(needle in line for needle in alternatives) for alternatives in self._needles)

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """Whether the line with these fields matches."""
        exact = (("extid", self.extid), ("campaign", self.campaign), ("account", self.account))
        if self.call and not any(str(fields.get(name, "")) in self.call for name in CALL_FIELDS):
            return False
        if any(value and str(fields.get(name, "")) != value for name, value in exact):
            return False
        if self.worker and not str(fields.get("worker", "")).startswith(self.worker):
            return False
        if self.level and _rank(fields.get("level")) < LEVELS.index(self.level):
            return False
        if self.event and not fnmatchcase(str(fields.get("event", "")), self.event):
            return False
        return (self.since is None and self.until is None) or self._in_time(fields)

    def _in_time(self, fields: Mapping[str, Any]) -> bool:
        at = _written_at(fields)
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def _rank(level: object) -> int:
    """The position of a level from 0; an unknown one counts as info."""
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else 1


def _written_at(fields: Mapping[str, Any]) -> int | None:
    """Unix ms of when the line was written, by its process's clock; None without a readable time."""
    try:
        at = datetime.fromisoformat(fields["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _json_texts(texts: Iterable[str]) -> tuple[bytes, ...]:
    """The bytes of each text within a line's JSON."""
    return tuple(json.dumps(value)[1:-1].encode() for value in texts)


def names_of_call(name: str, record: CallRecord | None) -> frozenset[str]:
    """Every name that lines may give a call: its id and all its attempts' extids; ``name`` alone without a record."""
    if record is None:
        return frozenset({name})
    extids = {str(attempt["extid"]) for attempt in record.attempts if attempt.get("extid")}
    return frozenset({record.id, record.extid, record.wire_extid}) | extids


class LogLine(NamedTuple):
    """``id`` is the line's place in the stream, ``text`` the JSON of ``fields``."""

    id: str
    text: str
    fields: dict[str, Any]


class LogPage(NamedTuple):
    """Lines, newest first. ``cursor`` leads to older ones and is None at the end; ``newest`` is the place from which
    :func:`after` goes on."""

    lines: list[LogLine]
    cursor: str | None
    newest: str


def _matching(rows: Iterable[Any], filter: LogFilter) -> Iterator[LogLine]:
    for at, entry in rows:
        raw = entry.get(b"l", b"")
        if not filter.may_match(raw):
            continue
        try:
            fields = json.loads(raw)
        except ValueError:
            continue
        if isinstance(fields, dict) and filter.matches(fields):
            yield LogLine(text(at), text(raw), fields)


def _page(keys: Keys, filter: LogFilter, cursor: str | None, limit: int) -> Steps[LogPage]:
    upper = "+" if filter.until is None else str(max(1, filter.until + LATE))
    lower = "-" if filter.since is None else str(max(0, filter.since - EARLY))
    if cursor:
        upper = f"({cursor}"
    newest, lines = "", list[LogLine]()
    for _ in range(MAX_SCANNED // CHUNK):
        (rows,) = yield [("XREVRANGE", keys.LOGS, upper, lower, "COUNT", CHUNK)]
        newest = newest or (text(rows[0][0]) if rows else "0-0")
        for line in _matching(rows, filter):
            lines.append(line)
            if len(lines) == limit:
                return LogPage(lines, line.id, newest)
        if len(rows) < CHUNK:
            return LogPage(lines, None, newest)
        upper = f"({text(rows[-1][0])}"
    return LogPage(lines, upper[1:], newest)


def page(
    client: "redis.Redis", keys: Keys, filter: LogFilter, *, cursor: str | None = None, limit: int = 200
) -> LogPage:
    """Up to ``limit`` lines that match, older than ``cursor``, among the next 20,000 lines."""
    return run(client, _page(keys, filter, cursor, limit))


async def page_async(
    client: "aioredis.Redis", keys: Keys, filter: LogFilter, *, cursor: str | None = None, limit: int = 200
) -> LogPage:
    """As :func:`page`."""
    return await run_async(client, _page(keys, filter, cursor, limit))


def after(
    client: "redis.Redis", keys: Keys, position: str, filter: LogFilter, *, block: int = 500
) -> tuple[list[LogLine], str]:
    """The next lines after a place that match, oldest first, and the place to go on from; waits ``block`` ms for lines."""
    answer: Any = client.xread({keys.LOGS: position}, count=CHUNK, block=block)
    if not answer:
        return [], position
    rows = answer[0][1]
    return list(_matching(rows, filter)), text(rows[-1][0])


async def has_news_async(client: "aioredis.Redis", keys: Keys, position: str, filter: LogFilter) -> bool:
    """Whether lines after a place match. True as well for a whole chunk of others, so that the place moves on."""
    rows: Any = await client.xrange(keys.LOGS, min=f"({position}", count=CHUNK)
    return len(rows) == CHUNK or any(True for _ in _matching(rows, filter))


async def lost_async(client: "aioredis.Redis", keys: Keys) -> int:
    """How many lines of the last day did not reach the stream."""
    return number(await client.get(keys.LOGS_LOST))


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as exc:
        return exc


class LogWriter:
    """Writes the lines of one process, each once although an answer of Redis may be lost.

    ``keep`` is about how many lines of all processes the stream holds.
    """

    def __init__(self, client: "redis.Redis", keys: Keys, process: str, keep: int) -> None:
        self._client = client
        self._keys = keys
        self._process = process.encode()
        self._keep = keep
        self._unsure = False

    def append(self, first: int, lines: Sequence[bytes], lost: int = 0) -> int:
        """Adds lines with the numbers ``first``, ``first`` + 1, ...; leaves out those that are there already.

        ``lost`` is how many more were lost since the last call. Returns how many of these lines were refused while
        others were taken: a Redis at its limit of memory may do so. Raises redis-py's errors; then repeat the call.
        """
        skip = max(0, self._last() + 1 - first) if self._unsure else 0
        self._unsure = True
        answers = self._add(first + skip, lines[skip:])
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused and len(refused) == len(answers):
            raise refused[0]
        self._unsure = False
        if lost + len(refused):
            with self._client.pipeline() as pipe:
                pipe.incrby(self._keys.LOGS_LOST, lost + len(refused))
                pipe.expire(self._keys.LOGS_LOST, LOST_KEPT)
                pipe.execute()
        return len(refused)

    def _add(self, first: int, lines: Sequence[bytes]) -> list[Any]:
        """Redis' answers to the lines, errors among them. A pipeline packs each line in Python, at ten times the cost."""
        pool: Any = self._client.connection_pool
        connection = pool.get_connection(*POOL_ARGUMENTS)
        words = ("XADD", self._keys.LOGS, "MAXLEN", "~", self._keep, "*", "l")
        try:
            commands: list[Any] = [
                (*words, line, "p", self._process, "n", number) for number, line in enumerate(lines, first)
            ]
            connection.send_packed_command([b"".join(map(hiredis.pack_command, commands))])
            answers = [_answer(connection) for _ in commands]
            if any(isinstance(answer, Exception) and is_lost(answer) for answer in answers):
                connection.disconnect()
            return answers
        except BaseException:
            connection.disconnect()  # its answers are still under way
            raise
        finally:
            pool.release(connection)

    def _last(self) -> int:
        """The number of this process's newest line in the stream; -1 without one."""
        rows: Any = self._client.xrevrange(self._keys.LOGS, count=REPEAT_SCAN)
        for _, fields in rows:
            if fields.get(b"p") == self._process:
                return int(fields[b"n"])
        return -1
