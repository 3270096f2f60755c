"""What the sandbox saw with its own eyes, beside what alodial's records say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alodial.calls.queue import CallQueue
from alodial_schemas import ENDS, Event, State

from .enqueue import Placed
from .http_get import ask
from .stack import House

_TERMINAL = frozenset(f"alodial.call.{state}" for state in ENDS)


@dataclass(frozen=True, slots=True)
class Testimony:
    """The sandbox's ledger against ours. ``rang`` counts POSTs that rang phones, ``twice`` attempts with more than one."""

    posts: int
    rang: int
    twice: int
    peak: int
    unknown: int
    """POSTs that rang for no attempt that our records know."""
    missing: int
    """Attempts that our records call taken and the sandbox never rang."""

    @property
    def clean(self) -> bool:
        return not (self.twice or self.unknown or self.missing)


def hear(house: House, placed: Sequence[Placed]) -> Testimony:
    """Compares both. Raises OSError when the sandbox does not answer."""
    ledger = ask(house.sandbox_port, "GET", "/sandbox/ledger").body
    rung: dict[str, int] = ledger["extids"]
    # A rejected attempt was POSTed and rang nobody.
    ours = {
        attempt["extid"]
        for one in placed
        if one.record.state is not State.REJECTED
        for attempt in one.record.attempts
        if attempt["submitted_at"]
    }
    return Testimony(
        posts=ledger["posts"],
        rang=ledger["rung"],
        twice=sum(times > 1 for times in rung.values()),
        peak=ledger["peak_concurrent"],
        unknown=len(rung.keys() - ours),
        missing=len(ours - rung.keys()),
    )


def sandbox_timeline(house: House, extid: str) -> list[dict[str, Any]]:
    """Whom the sandbox rang for one attempt, and what they heard."""
    timeline: list[dict[str, Any]] = ask(house.sandbox_port, "GET", f"/sandbox/calls/{extid}").body["timeline"]
    return timeline


def told(queue: CallQueue) -> list[Event]:
    """Every event so far, read as any reader would."""
    return list(queue.events("demo", start="0", block=0))


def ends_told_wrongly(events: Sequence[Event], placed: Sequence[Placed]) -> int:
    """How many calls did not get exactly one event for their end."""
    ends = Counter(event.subject for event in events if event.type in _TERMINAL)
    return sum(ends[one.id] != 1 for one in placed)
