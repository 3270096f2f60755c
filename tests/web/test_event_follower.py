"""One reader of the event stream in a web process serves all readers of GET /v1/events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alodial.settings import Settings
from alodial.store.client import AsyncStore
from alodial.store.events import position_of
from alodial.store.keys import Keys
from alodial.web import event_follower
from alodial.web.context import ABORT
from alodial.web.event_follower import MAX_READERS, PING_INTERVAL, EventFollower
from alodial.web.event_reader import EventFilter, EventReader
from alodial.web.problems import Refusal
from alodial.web.routes.events import EventStream

keys = Keys()

ALL = EventFilter()


def event(n: int, owner: str = "billing") -> str:
    """An event of an owner, in the form of the store."""
    return json.dumps(
        {"type": "alodial.call.queued", "owner": owner, "subject": str(n), "data": {"campaign_id": None}, "n": n}
    )


def numbers(block: bytes) -> list[int]:
    """The numbers of the events in what a reader was sent."""
    return [json.loads(line[6:])["n"] for line in block.splitlines() if line.startswith(b"data: ")]


class Stage:
    """A follower on a real store, and readers that keep what they were sent."""

    def __init__(self, settings: Settings) -> None:
        self.store = AsyncStore(settings)
        self.follower = EventFollower(self.store)
        self.tasks: list[asyncio.Task[None]] = []

    def join(self, event_filter: EventFilter = ALL, position: str = "0-0") -> tuple[EventReader, list[int]]:
        reader, seen = EventReader(event_filter), list[int]()
        reader.position = position_of(position)
        self.follower.join(reader)
        self.read(reader, seen)
        return reader, seen

    def read(self, reader: EventReader, seen: list[int]) -> None:
        async def run() -> None:
            while not self.follower.closing:
                seen.extend(numbers(await self.follower.next_block(reader)))

        self.tasks.append(asyncio.create_task(run()))

    async def write(self, *events: str) -> None:
        async with self.store.redis.pipeline(transaction=False) as pipe:
            for text in events:
                pipe.xadd(keys.EVENTS, {"event": text})
            await pipe.execute()


@asynccontextmanager
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    here = Stage(settings)
    try:
        yield here
    finally:
        here.follower.close()
        for task in [*here.tasks, *here.follower._tasks]:
            task.cancel()
        await asyncio.gather(*here.tasks, *here.follower._tasks, return_exceptions=True)
        await here.store.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


def test_the_reads_of_redis_do_not_grow_with_the_readers(settings: Settings) -> None:
    async def reads(readers: int) -> int:
        async with stage(settings) as here:
            await here.store.redis.flushall()
            seen = [here.join()[1] for _ in range(readers)]
            await until(lambda: len(here.follower._waiting.get(ALL, ())) == readers)
            await here.store.redis.config_resetstat()
            for n in range(5):
                await here.write(event(n))
                await until(lambda n=n: all(row[-1:] == [n] for row in seen))  # type: ignore[misc]  # bound at once
            stats = await here.store.redis.info("commandstats")
            assert seen == [[0, 1, 2, 3, 4]] * readers
            assert "cmdstat_xrange" not in stats
            return int(stats["cmdstat_xread"]["calls"])

    # A read that waits ends after a second without an event, so that a slow machine may count some more.
    assert asyncio.run(reads(200)) < asyncio.run(reads(1)) + 50


def test_each_reader_gets_its_owners_events_alone_and_a_comment_tells_it_the_place(settings: Settings) -> None:
    async def work() -> None:
        async with stage(settings) as here:
            (_, billing), (sales, sold) = here.join(EventFilter("billing")), here.join(EventFilter("sales"))
            _, everything = here.join()
            await here.write(*(event(n, "sales" if n == 3 else "billing") for n in range(6)))
            await until(lambda: len(everything) == 6 and len(billing) == 5 and sold == [3])
            await until(lambda: sales.is_waiting and sales.position == here.follower._end)
            assert billing == [0, 1, 2, 4, 5]
            assert sales.ping() == b": ping\nid: %d-%d\n\n" % sales.position

    asyncio.run(work())


def test_a_reader_that_fell_out_of_the_window_misses_nothing_and_gets_nothing_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_follower, "WINDOW_BYTES", 20_000)

    async def work() -> None:
        async with stage(settings) as here:
            _, quick = here.join()
            await until(lambda: here.follower.covers((0, 0)))
            slow = EventReader(ALL)
            here.follower.join(slow)
            for start in range(0, 600, 100):
                await here.write(*(event(n) for n in range(start, start + 100)))
                await until(lambda start=start: len(quick) == start + 100)  # type: ignore[misc]  # bound at once
            assert not here.follower.covers(slow.position)
            assert here.follower._bytes <= 20_000 + 100 * 200
            caught_up: list[int] = []
            here.read(slow, caught_up)
            await here.write(*(event(n) for n in range(600, 650)))
            await until(lambda: len(caught_up) >= 650 and len(quick) >= 650)
            assert caught_up == quick == list(range(650))

    asyncio.run(work())


def test_the_next_reader_of_a_full_process_gets_503_and_one_that_leaves_makes_room(settings: Settings) -> None:
    async def work() -> None:
        async with stage(settings) as here:
            readers = [EventReader(ALL, "key") for _ in range(MAX_READERS)]
            for reader in readers:
                here.follower.join(reader)
            with pytest.raises(Refusal) as refused:
                here.follower.join(EventReader(ALL))
            assert refused.value.status == 503
            assert refused.value.headers["Retry-After"]
            here.follower.leave(readers[0])
            with pytest.raises(Refusal) as refused:
                here.follower.join(EventReader(ALL, "key"), MAX_READERS - 1)
            assert (refused.value.status, refused.value.limit) == (429, "event_streams")
            here.follower.join(EventReader(ALL))

    asyncio.run(work())


def test_a_reader_that_takes_nothing_is_cut_off_and_its_connection_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def work() -> None:
        async with stage(settings) as here:
            reader = EventReader(ALL)
            here.follower.join(reader)
            scope = {"type": "http", "extensions": {ABORT: {"abort": lambda: ended.append("aborted")}}}
            answer = asyncio.create_task(EventStream(here.follower, reader)(scope, receive, send))
            await until(lambda: reader.sending > 0)
            await here.follower._look_after()
            assert not answer.done()
            monkeypatch.setattr(event_follower, "SEND_TIMEOUT", 0.0)
            await until(lambda: asyncio.get_running_loop().time() > reader.sending)
            await here.follower._look_after()
            await asyncio.wait_for(answer, 15)
            assert ended == ["aborted"]
            assert not here.follower._readers

    asyncio.run(work())


def test_a_comment_comes_after_some_time_without_an_event(settings: Settings) -> None:
    async def work() -> None:
        async with stage(settings) as here:
            reader = EventReader(ALL)
            here.follower.join(reader)
            block = asyncio.create_task(here.follower.next_block(reader))
            await until(lambda: reader.is_waiting or block.done())
            reader.sent = asyncio.get_running_loop().time() - PING_INTERVAL - 1
            while not (sent := await asyncio.wait_for(block, 15)):
                block = asyncio.create_task(here.follower.next_block(reader))
            assert sent == b": ping\n\n"

    asyncio.run(work())
