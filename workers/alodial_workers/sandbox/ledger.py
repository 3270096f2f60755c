"""The sandbox's own record: which numbers rang, how often, and when each POST arrived. Bounded; drops the oldest."""

import json
import os
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from .call_request import CallRequest
from .simulation import CallPlan, PlannedStep


@dataclass(slots=True)
class LedgerCall:
    """A POST that rang. `begun` is Unix seconds; `time_scale` real seconds for each simulated one; `played` counts the
    steps that have happened."""

    id: int
    key: str
    request: CallRequest
    plan: CallPlan
    begun: float
    time_scale: float
    played: int = 0
    done: bool = False
    hung_up: bool = False

    def at(self, step: PlannedStep) -> float:
        """Unix seconds at which a step happens."""
        return self.begun + step.after * self.time_scale

    @property
    def ended(self) -> bool:
        """Whether its last step has happened. In manual play the last step so far may not be the end."""
        steps = self.plan.steps
        return self.played == len(steps) and steps[-1].event == "ended"

    @property
    def past(self) -> Iterable[PlannedStep]:
        """The steps that have happened."""
        return self.plan.steps[: self.played]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A POST to /requestcall, accepted or not; both clocks at the moment its head was read."""

    monotonic: float
    wall: float
    extid: str | None
    outcome: str


@dataclass(slots=True)
class Ledger:
    """What the sandbox received and did. `file` gets a line for each POST that rings, before its answer.

    `limit` is how many calls, arrivals and counted extids stay in memory.
    """

    limit: int
    file: Path | None = None
    posts: int = 0
    rung: int = 0
    dropped: int = 0
    in_progress: int = 0
    concurrent: int = 0
    peak_concurrent: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    callbacks: Counter[str] = field(default_factory=Counter)
    arrivals: deque[Arrival] = field(init=False)
    _calls: deque[LedgerCall] = field(default_factory=deque)
    _by_key: dict[str, list[LedgerCall]] = field(default_factory=dict)
    _posts_of: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _fd: int | None = None

    def __post_init__(self) -> None:
        self.arrivals = deque(maxlen=self.limit)
        if self.file is not None:
            self._fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        """Closes the ledger file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def arrived(self, monotonic: float, wall: float, extid: str | None, outcome: str) -> None:
        """Notes a POST and its outcome."""
        self.posts += 1
        self.arrivals.append(Arrival(monotonic, wall, extid, outcome))

    def count_post(self, key: str) -> int:
        """Counts a POST of an extid, refused ones included; returns its number, from 1."""
        nth = self._posts_of.get(key, 0) + 1
        self._posts_of[key] = nth
        if len(self._posts_of) > self.limit:
            self._posts_of.popitem(last=False)
        return nth

    def begin(self, call: LedgerCall) -> None:
        """Notes that the phones ring; in the file first, whose line survives a kill of the process."""
        if self._fd is not None:
            to = [recipient.number for recipient in call.request.recipients]
            line = {"at": call.begun, "extid": call.key, "first": call.request.first, "to": to}
            os.write(self._fd, json.dumps(line).encode() + b"\n")
        self.rung += 1
        self._calls.append(call)
        self._by_key.setdefault(call.key, []).append(call)
        self.in_progress += 1
        self.concurrent += 1
        self.peak_concurrent = max(self.peak_concurrent, self.concurrent)
        if len(self._calls) > self.limit:
            self._drop_oldest()

    def hang_up(self, call: LedgerCall) -> None:
        """Notes that a call's channel is free, which it is before its result is delivered: the next call may come at once."""
        if not call.hung_up:
            call.hung_up = True
            self.concurrent -= 1

    def finish(self, call: LedgerCall) -> None:
        """Notes that a call is over, and its result delivered or given up."""
        self.hang_up(call)
        call.done = True
        self.in_progress -= 1

    def calls_of(self, key: str) -> list[LedgerCall]:
        """Every call kept for an extid, oldest first."""
        return self._by_key.get(key, [])

    def calls_after(self, call_id: int, limit: int) -> list[LedgerCall]:
        """Up to `limit` kept calls whose id is above `call_id`, oldest first."""
        return list(islice((call for call in self._calls if call.id > call_id), limit))

    def summary(self) -> dict[str, object]:
        """The answer to GET /sandbox/ledger. `extids` and `rings` cover the kept calls; `dropped` counts the others."""
        rings = Counter(
            step.number
            for call in self._calls
            for step in call.past
            if step.event == "ringing" and step.number is not None
        )
        return {
            "posts": self.posts,
            "rung": self.rung,
            "extids": {key: len(calls) for key, calls in self._by_key.items()},
            "rings": dict(rings),
            "troubles": dict(self.troubles),
            "callbacks": dict(self.callbacks),
            "in_progress": self.in_progress,
            "peak_concurrent": self.peak_concurrent,
            "limit": self.limit,
            "dropped": self.dropped,
        }

    def _drop_oldest(self) -> None:
        oldest = self._calls.popleft()
        self.dropped += 1
        rest = [call for call in self._by_key[oldest.key] if call is not oldest]
        if rest:
            self._by_key[oldest.key] = rest
        else:
            del self._by_key[oldest.key]


def timeline(calls: list[LedgerCall]) -> list[dict[str, object]]:
    """The entries of all calls of one extid, in the order in which they happened."""
    steps = [(call.at(step), step) for call in calls for step in call.past]
    if len(calls) > 1:
        steps.sort(key=lambda entry: entry[0])
    return [
        {"at": iso(at), "party": step.party, "number": step.number, "event": step.event, "file": step.file}
        for at, step in steps
    ]


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
