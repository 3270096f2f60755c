"""``alodial logs``: the log lines of all processes on all machines.

The filters of ``alodial logs`` as they were typed, made into what the store looks for.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import is_text, moment
from .output import READER_LEFT, console, document, line, plain, safe, say
from .session import open_queue

if TYPE_CHECKING:
    from ..store.client import Store
    from ..store.log_stream import LogFilter, LogLine

Tell = Callable[["LogLine"], None]

COLOURS = {"debug": "dim", "info": "blue", "warning": "yellow", "error": "red", "critical": "bold red"}
SHORT = {"warning": "warn", "critical": "crit"}
MAX_EVENT = 22
NEWEST = 200
"""Lines without --since and --limit."""
AWAY = 0.5
"""Seconds between looks whether Redis is back."""
APART = frozenset({"timestamp", "level", "event", "logger", "worker", "exception", "stack"})
"""Fields that have a place of their own."""


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    call: Annotated[str | None, typer.Option(help="Only this call, by id or extid, with all its attempts.")] = None,
    extid: Annotated[str | None, typer.Option(help="Only this attempt.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Only calls of this campaign, by its id.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    worker: Annotated[str | None, typer.Option(help="Only processes whose name begins so: a host, or web.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and graver ones, such as warning.")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event; * stands for anything: 'call.*'.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 10m, 2h, 1d ago, or ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then, written as --since.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="So many of the newest; without --since 200.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each line as it was logged, one JSON document.")] = False,
) -> None:
    """Print the log lines of all workers and web processes on all machines, oldest first.

    Example: alodial logs --follow --level warning
    """
    if follow and until is not None:
        raise typer.BadParameter("--until: does not go with --follow, which has no end")
    begin, end, least = moment("--since", since), moment("--until", until), level_of(level)
    if begin is not None and end is not None and begin >= end:
        raise typer.BadParameter("--until: is not after --since")
    most = limit if limit is not None else (NEWEST if begin is None else None)
    with open_queue() as queue:
        wanted = filter_of(
            names_of(queue, call),
            extid=extid,
            campaign=campaign,
            account=account,
            worker=worker,
            level=least,
            event=event,
            since=begin,
            until=end,
        )
        tell = document_line if as_json else people_line(queue.settings.timezone)
        newest = _print_kept(queue.store, wanted, most, tell, asked=limit is not None)
        if follow:
            _follow(queue.store, wanted, newest, tell)


def _print_kept(store: "Store", wanted: "LogFilter", most: int | None, tell: Tell, *, asked: bool) -> str:
    """The newest lines that are kept, oldest first; answers the place behind them."""
    from ..store.log_stream import CHUNK, page

    found: list[LogLine] = []
    cursor: str | None = None
    newest = ""
    while True:
        left = sys.maxsize if most is None else most - len(found)
        got = store.call(page, wanted, cursor=cursor, limit=max(1, min(left, CHUNK)))  # called at once
        newest = newest or got.newest
        found += got.lines if left else []
        cursor = got.cursor
        if cursor is None or len(found) >= (most if most is not None else sys.maxsize):
            break
    for one in reversed(found):
        tell(one)
        if READER_LEFT.is_set():
            return newest
    if cursor is not None and not asked and found:
        say(f"hint: these are the newest {len(found)}; --since 1h or --limit 1000 shows more")
    return newest


def _follow(store: "Store", wanted: "LogFilter", position: str, tell: Tell) -> None:
    """Until nobody reads any more. Each line once, whatever becomes of the connection: the place moves with what was read."""
    from ..errors import StoreUnavailable
    from ..store.log_stream import after

    away = False
    while not READER_LEFT.is_set():
        try:
            lines, position = store.call(after, position, wanted)  # called at once
        except StoreUnavailable as exc:
            if not away:
                say(f"{exc}; waiting for it")
            away = True
            time.sleep(AWAY)
            continue
        if away:
            say("Redis is back")
            away = False
        for one in lines:
            tell(one)
            if READER_LEFT.is_set():
                return


def document_line(one: "LogLine") -> None:
    """For other programs."""
    document(one.fields)


def people_line(zone: str) -> Tell:
    """For people: time, level, event and fields on one line, in colours on a terminal; a traceback below it."""
    from zoneinfo import ZoneInfo

    there = ZoneInfo(zone)
    if not sys.stdout.isatty():
        # rich takes 100 times as long for a line, and a pipe wants no colours.
        return lambda one: line("\n".join(["  ".join(_cells(one.fields, there)).rstrip(), *_below(one.fields)]))
    out = console()

    def tell(one: "LogLine") -> None:
        clock, level, event, rest = map(safe, _cells(one.fields, there))
        colour = COLOURS.get(str(one.fields.get("level")), "default")
        out.print(f"[dim]{clock}[/dim]  [{colour}]{level}[/{colour}]  [bold]{event}[/bold]  {rest}")
        for row in _below(one.fields):
            out.print(f"[dim]{safe(row)}[/dim]")

    return tell


def _cells(fields: Mapping[str, Any], zone: tzinfo) -> tuple[str, str, str, str]:
    """Time, level and event, each as wide as in other lines, and the other fields."""
    level = str(fields.get("level", ""))
    parts = [f"{name}={_value(value)}" for name, value in fields.items() if name not in APART]
    if worker := fields.get("worker"):
        parts.append(f"worker={_value(worker)}")
    event = plain(str(fields.get("event", "")))
    return (
        _clock(fields.get("timestamp"), zone),
        f"{SHORT.get(level, level):<5}",
        f"{event:<{MAX_EVENT}}",
        " ".join(parts),
    )


def _below(fields: Mapping[str, Any]) -> list[str]:
    """A traceback's lines, set in."""
    texts = [str(fields[name]) for name in ("exception", "stack") if fields.get(name)]
    return [f"    {plain(row)}" for text in texts for row in text.split("\n")]


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not is_text(text):
        text = json.dumps(text)[1:-1]
    text = plain(text)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text


def _clock(timestamp: object, zone: tzinfo) -> str:
    """Day and time to the millisecond, in the installation's zone."""
    try:
        at = datetime.fromisoformat(str(timestamp)).astimezone(zone)
    except ValueError:
        return f"{'':<18}"
    return f"{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.log_stream import LogFilter


def level_of(text: str | None) -> str:
    """Raises BadParameter."""
    from ..store.log_stream import LEVELS

    word = (text or "").lower()
    if word and word not in LEVELS:
        raise typer.BadParameter(f"--level {text!r}: use one of {', '.join(LEVELS)}")
    return word


def names_of(queue: "CallQueue", call: str | None) -> frozenset[str]:
    """Every name that a call's lines may give it; its own if no such call is kept any more. Raises StoreUnavailable."""
    from ..store.find_call import find
    from ..store.log_stream import names_of_call

    return frozenset() if call is None else names_of_call(call, queue.store.call(find, call))


def filter_of(
    names: frozenset[str],
    *,
    extid: str | None,
    campaign: str | None,
    account: str | None,
    worker: str | None,
    level: str | None,
    event: str | None,
    since: int | None,
    until: int | None,
) -> "LogFilter":
    from ..store.log_stream import LogFilter

    return LogFilter(
        call=names,
        extid=extid or "",
        campaign=campaign or "",
        account=account or "",
        worker=worker or "",
        level=level or "",
        event=event or "",
        since=since,
        until=until,
    )
