"""Opens the queue for a command."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..queue import CallQueue


def open_queue() -> "CallQueue":
    """The queue of these settings. Its log lines go to standard error: standard output belongs to what was asked for."""
    import structlog  # noqa: PLC0415  # --help need not load it

    from ..queue import CallQueue  # noqa: PLC0415  # as above

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return CallQueue()
