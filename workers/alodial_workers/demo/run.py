"""The demo from its first line to its exit code."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.text import Text

from alodial.calls.queue import CallQueue
from alodial.errors import AlodialError
from alodial.testing.interruptions import end_as_ctrl_c
from alodial_schemas import State

from . import report
from .campaign import ACCOUNT, run_campaign
from .enqueue import place
from .scenarios import INITIATOR, UNREADY, DemoCall, demo_calls
from .stack import ProcessStack, StackDown
from .verify import compare
from .watch import calls_table, watch_calls

_PROVIDER_TIMEOUT: Final = 3.0
# Columns where there is no terminal to ask.
_WIDTH: Final = 130
# Seconds after its deadline within which a call is swept to its end, twice what it takes.
_SWEEP: Final = 10.0
_SANDBOX: Final = (
    *("--announce", "initiator=welcome.wav", "--announce", "recipient=connecting.wav"),
    *("--announce", "next=trying-next.wav", "--announce", "failed=nobody.wav"),
)


def run(*, calls: int, speed: float, keep: bool) -> int:
    """As :func:`alodial_workers.demo.run_demo`."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if calls < 1 or not 1 <= speed <= 10_000:
        console.print("error: --calls must be at least 1 and --speed 1 to 10000", style="red")
        return 2
    chosen = demo_calls(calls)
    end_as_ctrl_c()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="alodial-demo-") as folder,
            console.status("starting Redis, the sandbox, web and a worker") as status,
            # A worker waits for its POSTs in progress and settles them, up to 5 s after the provider's deadline.
            ProcessStack(
                Path(folder),
                _values(Path(folder), speed),
                sandbox=("--speed", str(speed), *_SANDBOX),
                grace=_PROVIDER_TIMEOUT + 6.0,
            ) as stack,
            CallQueue(settings=stack.settings) as queue,
        ):
            stack.start_worker()
            status.stop()
            report.headline(console, stack, len(chosen), speed)
            good = _show(chosen, stack, queue, console, speed)
            if keep:
                _stay(stack, console)
            else:
                console.print(report.NEXT_STEPS, highlight=False)
            return 0 if good else 1
    except (AlodialError, OSError, httpx.HTTPError) as exc:
        console.print(Text(f"error: {exc}", style="bold red"))
        if isinstance(exc, StackDown):
            console.print(Text(exc.tail, style="dim"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; every process of the demo has been stopped")
        return 130


def _values(folder: Path, speed: float) -> dict[str, Any]:
    limits = {"calls_per_second": 40, "max_concurrent_calls": 40}
    return {
        "calls_per_second": 10,
        "max_concurrent_calls": 10,
        "provider_timeout": _PROVIDER_TIMEOUT,
        "durability": "fsync",
        # The longest call takes under 200 simulated seconds; 6 s more for a busy machine.
        "result_timeout": 6.0 + 200.0 / speed,
        "accounts": {UNREADY: {}, ACCOUNT: {"token": "sandbox", **limits}},
        "own_numbers": INITIATOR,
        "upload_dir": str(folder / "uploads"),
    }


def _show(chosen: Sequence[DemoCall], stack: ProcessStack, queue: CallQueue, console: Console, speed: float) -> bool:
    # The call whose result never comes takes longest, so it goes first.
    order = sorted(chosen, key=lambda call: call.end is not State.TIMED_OUT)
    placed = sorted((place(call, stack, queue) for call in order), key=lambda placed: chosen.index(placed.call))
    # At most 10 calls at once, and the call whose result never comes keeps one channel.
    timeout = stack.settings.result_timeout * 2 + _SWEEP + len(placed) * (0.2 + 10 / speed)
    good = watch_calls(placed, stack, queue, console, timeout)
    report.title(console, "How the calls ended")
    console.print(calls_table(placed, console))
    console.print("Not shown: failed, the end of a call that AloVoice refused ten times (docs/states.md).", style="dim")
    good &= report.checks(console, report.surprises(placed))
    detailed = next(call for call in placed if call.call.detailed)
    report.both_sides(console, detailed, stack)
    events = list(queue.events("demo", start="0", block=0))
    report.show_events(console, events, detailed.record.id)
    report.title(console, "The sandbox's ledger compared with our records")
    good &= report.checks(console, compare(stack, placed, events))
    good &= run_campaign(stack, queue, console)
    text = "Every call ended as it was announced. Every row of the campaign ended."
    text = text if good else "Not everything ended as it was announced; see above."
    console.print(Text(f"\n{text}\n", style="bold green" if good else "bold red"))
    return good


def _stay(stack: ProcessStack, console: Console) -> None:
    try:
        report.how_to_call(console, stack)
        while True:
            stack.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nstopping every process of the demo")
