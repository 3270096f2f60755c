"""Work that one process at a time does for all of them: a lease, and a state that is saved with the events of its change."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import redis

from .answers import text
from .client import Arg, Operation
from .keys import Keys

Outcome = Literal["other", "held", "saved", "moved"]


class SharedWork(NamedTuple):
    """``outcome`` is ``other`` while another process has the lease, ``held`` after reading, ``saved``, or ``moved`` where the
    state is no longer that which was read. ``number`` counts the saved states; ``state`` is the last, "" for none."""

    outcome: Outcome
    number: int
    state: str


def _read(answer: list[Any]) -> SharedWork:
    outcome: Any = text(answer[0])
    return SharedWork(outcome, int(answer[1]), text(answer[2]))


def hold(work: str, process: str, *, lease: float) -> Operation[SharedWork]:
    """Takes or keeps the lease of ``work`` for so many seconds, and reads its state. 0 gives it back."""
    return Operation("shared", [work, process, round(lease * 1000), "", ""], _read)


def state_of(client: "redis.Redis", keys: Keys, work: str) -> str:
    """The state that was saved last, "" for none; takes no lease."""
    return text(client.hget(keys.shared_work(work), "state"))


def save(
    work: str, process: str, *, lease: float, number: int, state: str, events: Sequence[str] = ()
) -> Operation[SharedWork]:
    """Saves the state after the ``number``-th, with events (CloudEvents JSON), in one step and once."""
    args: list[Arg] = [work, process, round(lease * 1000), number, state, *events]
    return Operation("shared", args, _read)
