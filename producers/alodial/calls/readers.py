"""Readers of events: their names, and how long each read waits."""

import os
import secrets
import socket
from collections.abc import Iterator

from alodial_schemas import FieldProblem

from ..errors import InvalidCall


def reader_name(group: str) -> str:
    """Returns a name of its own for a reader of events. Raises InvalidCall for a group without a name."""
    if not group.strip():
        raise InvalidCall([FieldProblem("group", "missing", "is missing", "give the group a name, such as billing")])
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def waits(block: float | None, redis_timeout: float) -> Iterator[float]:
    """Yields the seconds that each read waits for an event, until ``block`` seconds are over; for ever when None."""
    waited = 0.0
    while block is None or waited < block or waited == 0:
        # Redis answers before the socket's own timeout, which would look like an outage.
        wait = min(1.0, redis_timeout / 2, block - waited if block else 1.0)
        yield wait
        waited += wait
        if block == 0:
            return
