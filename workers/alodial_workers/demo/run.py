"""The demo from its first line to its exit code."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from alodial.calls.queue import CallQueue
from alodial.errors import AlodialError
from alodial_schemas import State

from . import report
from .campaign import show_campaign
from .enqueue import Placed, place
from .scenarios import DemoCall, cast
from .stack import House, HouseDown
from .verify import ends_told_wrongly, hear, sandbox_timeline, told
from .watch import Board, Lines, follow

WELL = "Every call ended as it was announced. Every row of the campaign came to its end."
_WIDTH = 130
"""Columns where there is no terminal to ask."""

_SWEEP = 10.0
"""Seconds beyond its deadline until a call must have been swept to its end, twice what it takes."""


def play(*, calls: int, speed: float, keep: bool) -> int:
    """As :func:`alodial_workers.demo.run_demo`."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if calls < 1 or not 1 <= speed <= 10_000:
        console.print("error: --calls must be at least 1 and --speed 1 to 10000", style="red")
        return 2
    chosen = cast(calls)
    try:
        with (
            _sigterm_as_ctrl_c(),
            console.status("starting Redis, the sandbox, web and a worker") as status,
            House(speed) as house,
            CallQueue(settings=house.settings) as queue,
        ):
            status.stop()
            return _show(chosen, house, queue, console, keep=keep)
    except HouseDown as exc:
        console.print(Text(f"error: {exc}", style="bold red"))
        console.print(Text(exc.tail, style="dim"), soft_wrap=True)
        return 1
    except (AlodialError, OSError) as exc:
        console.print(Text(f"error: {exc}", style="bold red"))
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started has been ended")
        return 130


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the house as orderly as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(chosen: Sequence[DemoCall], house: House, queue: CallQueue, console: Console, *, keep: bool) -> int:
    console.print(report.headline(house, len(chosen)))
    # The call whose result never comes is awaited longest, so it goes first.
    order = sorted(chosen, key=lambda call: call.end is not State.TIMED_OUT)
    by_call = {id(call): place(call, house, queue) for call in order}
    placed = [by_call[id(call)] for call in chosen]
    done = _follow(placed, house, queue, console)
    console.print(report.outcomes(placed, console.width))
    right = _witnesses(placed, house, queue, console)
    if surprises := report.surprises(placed):
        console.print(surprises)
    kept = show_campaign(house, queue, console)
    good = done and right and kept and not surprises
    verdict = WELL if good else "Not everything went as announced, see above."
    console.print(Text(f"{verdict}\n", style="bold green" if good else "bold red"))
    if keep:
        _stay(house, console)
    else:
        report.what_next(console)
    return 0 if good else 1


def _follow(placed: Sequence[Placed], house: House, queue: CallQueue, console: Console) -> bool:
    # A channel is taken for a call's length, 10 of them at once, and one stays with the call whose result never comes.
    within = house.result_timeout * 2 + _SWEEP + len(placed) * (0.2 + 10 / house.speed)
    if not console.is_terminal:
        done = follow(placed, house, queue, Lines(console), within)
        console.print()
        return done
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return follow(placed, house, queue, Board(live), within)


def _witnesses(placed: Sequence[Placed], house: House, queue: CallQueue, console: Console) -> bool:
    star = next(one for one in placed if one.call.star)
    console.print(report.both_sides(star, sandbox_timeline(house, star.record.extid)))
    events = told(queue)
    console.print(report.events_counted(events))
    for event in events:
        if event.subject == star.id and event.type == "alodial.call.completed":
            report.one_event(console, event)
    said, wrongly = hear(house, placed), ends_told_wrongly(events, placed)
    console.print(report.testimony(said, wrongly))
    return said.clean and not wrongly


def _stay(house: House, console: Console) -> None:
    path = house.folder / "env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in house.environment().items()))
    try:
        report.how_to_call(console, house, str(path))
        while True:
            house.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nending everything that was started")
