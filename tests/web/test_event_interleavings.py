"""No order in which readers, the follower and Redis take turns loses a wake-up: the event loop's own order is shuffled."""

import asyncio
import json
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import supervision
from alodial.store.events import (
    Position,
    StreamEvent,
    events_after,
    newest,
    position_of,
    wait_for_events,
)
from alodial.web import event_follower
from alodial.web.event_follower import EventFollower
from alodial.web.event_reader import EventFilter, EventReader, StreamedEvent

EVENTS = 40
TURNS = 5_000
"""Of the loop until each reader must have every event: no clock ends a wait here, and no comment wakes anybody."""


class ShuffledLoop(asyncio.SelectorEventLoop):
    """Runs what is ready in any order."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]  # as CPython names it since 3.4
        rest = list(ready)
        self._dice.shuffle(rest)
        ready.clear()
        ready.extend(rest)
        super()._run_once()  # type: ignore[misc]  # as above


class Stream:
    """The store's stream of events: answers late, cut short, empty before its time, or not at all."""

    def __init__(self, dice: random.Random) -> None:
        self.settings = Settings(_env_file=None)
        self.rows: list[StreamEvent] = []
        self.is_calm = False
        self._dice = dice

    def append(self, owner: str) -> None:
        text = json.dumps({"type": "alodial.call.queued", "owner": owner})
        self.rows.append(StreamEvent(f"{1 + len(self.rows) // 3}-{len(self.rows) % 3}", text))

    def after(self, position: Position) -> list[StreamEvent]:
        return [row for row in self.rows if position_of(row.position) > position]

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        await self._pause()
        if not self.is_calm and self._dice.random() < 0.1:
            raise StoreUnavailable("away")
        if function is newest:
            answer: Any = self.rows[-1].position if self.rows else "0-0"
        elif function is wait_for_events:
            while not (answer := self.after(position_of(args[0]))[: args[1]]) and self._dice.random() < 0.9:
                await asyncio.sleep(0)
        else:
            assert function is events_after
            answer = self.after(position_of(args[0]))[: args[1]]
        await self._pause()
        return answer

    async def _pause(self) -> None:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)


async def read(follower: EventFollower, stream: Stream, dice: random.Random, seen: list[str]) -> None:
    """A reader that begins somewhere, leaves and comes back, and expects every event of its filter after its beginning once."""
    event_filter = EventFilter(dice.choice(["", "a", "b"]))
    begin = dice.choice(["now", "0-0"])
    place: Position | None = None
    expected_after: Position = (0, 0)
    while not stream.is_calm or place is None or any(wanted(stream, event_filter, place)):
        reader = EventReader(event_filter)
        follower.join(reader)
        try:
            if place is None:
                known = position_of(await stream.call(newest)) if begin == "now" else (0, 0)
                place = expected_after = known
            reader.position = place
            for _ in range(dice.randrange(1, 6)):
                if stream.is_calm and not any(wanted(stream, event_filter, place)):
                    break
                lines = (await follower.next_block(reader)).splitlines()
                seen += [line[4:].decode() for line in lines if line.startswith(b"id: ")]
                place = reader.position
                for _ in range(dice.randrange(3)):
                    await asyncio.sleep(0)
        except StoreUnavailable:
            pass
        finally:
            follower.leave(reader)
    assert seen == [row.position for row in wanted(stream, event_filter, expected_after)]


def wanted(stream: Stream, event_filter: EventFilter, place: Position) -> list[StreamEvent]:
    """The events after a place that the filter lets through."""
    return [row for row in stream.after(place) if event_filter.owner in ("", json.loads(row.event)["owner"])]


async def follow(dice: random.Random) -> None:
    stream = Stream(dice)
    follower = EventFollower(stream)  # type: ignore[arg-type]  # it has what a follower uses of a store
    readers = [asyncio.create_task(read(follower, stream, dice, [])) for _ in range(dice.randrange(1, 7))]
    for _ in range(EVENTS):
        stream.append(dice.choice("ab"))
        for _ in range(dice.choice([0, 0, 1, 8])):
            await asyncio.sleep(0)
    stream.is_calm = True
    for owner in "ab":  # so that each reader that still waits is to be woken
        stream.append(owner)
    for _ in range(TURNS):
        if all(task.done() for task in readers):
            break
        await asyncio.sleep(0)
    stuck = [task for task in readers if not task.done()]
    for task in stuck:
        task.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    for task in readers:
        if not task.cancelled() and (error := task.exception()):
            raise error
    assert not stuck, f"{len(stuck)} readers wait for events that are there"


def without_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause and no comment, and bounds so small that a few events reach them."""
    bounds: dict[str, float] = {"READ_COUNT": 3, "WAKE_COUNT": 1, "WINDOW_BYTES": 1000}
    for name, value in {"WAKE_INTERVAL": 0, "WAKE_PAUSE": 0, "PING_INTERVAL": 1e9, **bounds}.items():
        monkeypatch.setattr(event_follower, name, value)
    monkeypatch.setattr(supervision, "AWAY_PAUSE", 0)


@pytest.mark.parametrize("seed", range(4))
def test_each_reader_gets_each_event_once_in_whatever_order_all_take_turns(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    without_clocks(monkeypatch)
    for run in range(25):
        loop = ShuffledLoop(random.Random(f"{seed} {run}"))
        try:
            loop.run_until_complete(follow(random.Random(f"{run} {seed}")))
        finally:
            loop.close()


class BrokenFilter(EventFilter):
    """A filter that fails while the follower hands events out."""

    def block(self, events: Iterable[StreamedEvent]) -> bytes:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("event_filter", "text"),
    [
        (BrokenFilter("a"), "{}"),
        (EventFilter(types=frozenset({"x"})), '{"type": ["x"]}'),
        (EventFilter("a"), "[" * 5000),
        (EventFilter("a"), "7"),
    ],
)
def test_whoever_was_not_reached_when_a_hand_out_failed_is_woken_at_once(
    monkeypatch: pytest.MonkeyPatch, event_filter: EventFilter, text: str
) -> None:
    """Its events are in the window and are not read again: it waited for the next comment, 15 seconds."""
    without_clocks(monkeypatch)

    async def work() -> None:
        stream = Stream(random.Random(1))
        stream.is_calm = True
        follower = EventFollower(stream)  # type: ignore[arg-type]  # it has what a follower uses of a store
        seen: list[bytes] = []

        async def take(reader: EventReader) -> None:
            while True:
                seen.append(await follower.next_block(reader))

        readers = [EventReader(event_filter), EventReader(EventFilter())]
        tasks = []
        for reader in readers:  # in this order the follower hands out, too
            follower.join(reader)
            tasks.append(asyncio.create_task(take(reader)))
            for _ in range(TURNS):
                if reader.filter in follower._waiting:
                    break
                await asyncio.sleep(0)
        stream.rows.append(StreamEvent("1-0", text))
        for _ in range(TURNS):
            if any(seen):
                break
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        for reader in readers:
            follower.leave(reader)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert b"".join(seen) == b"id: 1-0\ndata: %s\n\n" % text.encode()

    asyncio.run(work())
