"""Ctrl-C while processes are started and stopped: it may come at any moment, and none of them may be left behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENDINGS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


def end_as_ctrl_c() -> None:
    """Has SIGTERM, and a terminal that is closed, end this process as Ctrl-C does; not where they are ignored (``nohup``)."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets such a signal wait until the block has ended: a process whose start it broke off would have no name to stop it by."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: handler
        for number in ENDINGS
        if callable(handler := signal.getsignal(number))  # what is ignored or ends us at once stays so
    }
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
