"""What a command works with: the queue of the settings, and the name of the person at the terminal."""

import os
import pwd
import sys
from typing import TYPE_CHECKING

from .output import say

if TYPE_CHECKING:
    from ..calls.queue import CallQueue


def open_queue() -> "CallQueue":
    """Returns the queue of the settings. Its log lines go to standard error: standard output is for the command's result."""
    from ..calls.queue import CallQueue

    quiet_logs()
    return CallQueue()


def campaign_id(queue: "CallQueue", name: str) -> str:
    """Returns the id of the campaign with this name; the text itself for an id, or where there is no such campaign."""
    from ..errors import NotFound
    from ..store.call_facts import NO_VALUE

    if name in ("", NO_VALUE) or len(name) == 36:
        return name
    try:
        return queue.campaigns.get(name).id
    except NotFound as exc:
        say(f"warning: {exc}")
        return name


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
