"""Opens the queue for a command.

Who sits at this terminal.
"""

import getpass
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..calls.queue import CallQueue


def open_queue() -> "CallQueue":
    """The queue of these settings. Its log lines go to standard error: standard output belongs to what was asked for."""
    import structlog

    from ..calls.queue import CallQueue

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return CallQueue()


def current_actor() -> str:
    """Whose name the activity log gets."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"
