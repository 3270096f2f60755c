"""What a command works with: the queue of the settings, and the name of the person at the terminal."""

import os
import pwd
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..calls.queue import CallQueue


def open_queue() -> "CallQueue":
    """Returns the queue of the settings. Its log lines go to standard error: standard output is for the command's result."""
    from ..calls.queue import CallQueue

    quiet_logs()
    return CallQueue()


def quiet_logs() -> None:
    """Sends this process's log lines to standard error."""
    import structlog

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def current_actor() -> str:
    """Returns the actor for the audit and the activity log, such as ``cli:aziza``: the system's user, not what USER says."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"
