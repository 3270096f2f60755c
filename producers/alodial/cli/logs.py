"""``alodial logs``: prints the log lines of all processes on all machines."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import check_choice, is_utf8, parse_time
from .output import READER_LEFT, console, document, line, plain, safe, say
from .session import open_queue

if TYPE_CHECKING:
    from ..store.client import Store
    from ..store.log_stream import LogFilter, LogLine

LinePrinter = Callable[["LogLine"], None]

COLOURS = {"debug": "dim", "info": "blue", "warning": "yellow", "error": "red", "critical": "bold red"}
SHORT = {"warning": "warn", "critical": "crit"}
EVENT_WIDTH = 22
DEFAULT_LINES = 200
"""Lines without --since and --limit."""
RETRY_AFTER = 0.5
"""Seconds between two tries to read while Redis is away."""
OWN_PLACE = frozenset({"timestamp", "level", "event", "logger", "worker", "exception", "stack"})
"""Fields that are not printed among the others."""


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines.")] = False,
    call: Annotated[str | None, typer.Option(help="Only this call, by id or extid, with all its attempts.")] = None,
    extid: Annotated[str | None, typer.Option(help="Only this attempt.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Only calls of this campaign, by its id.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    worker: Annotated[str | None, typer.Option(help="Only processes whose name begins so: a host, or web.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and above, such as warning.")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event; * matches anything: 'call.*'.")] = None,
    since: Annotated[str | None, typer.Option(help="Lines from then on: 10m, 2h or 1d ago, or ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Lines before then, written as --since.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="The newest lines only; 200 without --since.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each line as it was logged, one JSON document.")] = False,
) -> None:
    """Print the log lines of all workers and web processes.

    They come from all machines, oldest first.

    Example: alodial logs --follow --level warning
    """
    from ..store.log_stream import LEVELS, LogFilter

    if follow and until is not None:
        raise typer.BadParameter("--until: does not go with --follow, which has no end")
    begin, end, min_level = parse_time("--since", since), parse_time("--until", until), (level or "").lower()
    if min_level:
        check_choice("--level", min_level, tuple(LEVELS))
    if begin is not None and end is not None and begin >= end:
        raise typer.BadParameter("--until: is not after --since")
    max_lines = limit if limit is not None else (DEFAULT_LINES if begin is None else sys.maxsize)
    with open_queue() as queue:
        log_filter = LogFilter(
            call=_names_of_call(queue.store, call),
            extid=extid or "",
            campaign=campaign or "",
            account=account or "",
            worker=worker or "",
            level=min_level,
            event=event or "",
            since=begin,
            until=end,
        )
        print_line = _print_json if as_json else _text_printer(queue.settings.timezone)
        newest = _print_stored(queue.store, log_filter, max_lines, print_line, with_hint=limit is None)
        if follow:
            _follow(queue.store, log_filter, newest, print_line)


def _names_of_call(store: "Store", call: str | None) -> frozenset[str]:
    """Every name that the lines of a call may have; its own if the call is not stored any more."""
    from ..store.find_call import find
    from ..store.log_stream import names_of_call

    return frozenset() if call is None else names_of_call(call, store.call(find, call))


def _print_stored(
    store: "Store", log_filter: "LogFilter", max_lines: int, print_line: LinePrinter, *, with_hint: bool
) -> str:
    """Prints the newest stored lines, oldest first. Returns the position after them."""
    from ..store.log_stream import CHUNK, page

    lines: list[LogLine] = []
    cursor: str | None = None
    newest = ""
    while True:
        left = max_lines - len(lines)
        chunk = store.call(page, log_filter, cursor=cursor, limit=max(1, min(left, CHUNK)))
        newest = newest or chunk.newest
        lines += chunk.lines if left else []
        cursor = chunk.cursor
        if cursor is None or len(lines) >= max_lines:
            break
    for log_line in reversed(lines):
        print_line(log_line)
        if READER_LEFT.is_set():
            return newest
    if not lines and max_lines:
        say("no log line matches")
    if cursor is not None and with_hint and lines:
        say(f"hint: these are the newest {len(lines)} lines; --since 1h or --limit 1000 shows more")
    return newest


def _follow(store: "Store", log_filter: "LogFilter", position: str, print_line: LinePrinter) -> None:
    """Prints new lines until nobody reads them. Each comes once, also when Redis was away in between."""
    from ..errors import StoreUnavailable
    from ..store.log_stream import after

    away = False
    while not READER_LEFT.is_set():
        try:
            lines, position = store.call(after, position, log_filter)
        except StoreUnavailable as exc:
            if not away:
                say(f"{exc}; trying again")
            away = True
            time.sleep(RETRY_AFTER)
            continue
        if away:
            say("Redis is back")
            away = False
        for log_line in lines:
            print_line(log_line)
            if READER_LEFT.is_set():
                return


def _print_json(log_line: "LogLine") -> None:
    document(log_line.fields)


def _text_printer(zone_name: str) -> LinePrinter:
    """Returns what prints a line for people: time, level, event and fields, in colours on a terminal; tracebacks below."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(zone_name)
    if not sys.stdout.isatty():
        # rich takes 100 times as long for a line, and a pipe needs no colours.
        return lambda log_line: line(
            "\n".join(["  ".join(_cells(log_line.fields, zone)).rstrip(), *_traceback(log_line)])
        )
    out = console()

    def print_line(log_line: "LogLine") -> None:
        clock, level, event, rest = map(safe, _cells(log_line.fields, zone))
        colour = COLOURS.get(str(log_line.fields.get("level")), "default")
        out.print(f"[dim]{clock}[/dim]  [{colour}]{level}[/{colour}]  [bold]{event}[/bold]  {rest}")
        for row in _traceback(log_line):
            out.print(f"[dim]{safe(row)}[/dim]")

    return print_line


def _cells(fields: Mapping[str, Any], zone: tzinfo) -> tuple[str, str, str, str]:
    """Time, level and event, each as wide as in other lines, and the other fields."""
    level = str(fields.get("level", ""))
    parts = [f"{name}={_value(value)}" for name, value in fields.items() if name not in OWN_PLACE]
    if worker := fields.get("worker"):
        parts.append(f"worker={_value(worker)}")
    event = plain(str(fields.get("event", "")))
    clock = _clock(fields.get("timestamp"), zone)
    return clock, f"{SHORT.get(level, level):<5}", f"{event:<{EVENT_WIDTH}}", " ".join(parts)


def _traceback(log_line: "LogLine") -> list[str]:
    texts = [str(log_line.fields[name]) for name in ("exception", "stack") if log_line.fields.get(name)]
    return [f"    {plain(row)}" for text in texts for row in text.split("\n")]


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not is_utf8(text):
        text = json.dumps(text)[1:-1]
    text = plain(text)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text


def _clock(timestamp: object, zone: tzinfo) -> str:
    """Day and time to the millisecond, in the installation's zone."""
    try:
        at = datetime.fromisoformat(str(timestamp)).astimezone(zone)
    except ValueError:
        return f"{'':<22}"
    return f"{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} {at:%Z}"
