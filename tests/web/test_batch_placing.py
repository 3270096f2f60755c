"""The next rows of a batch are read while Redis stores those before, and each row gets the answer that is its own."""

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from alodial.api_keys import ApiKey
from alodial.calls.prepare import BatchKeys
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store.call_transitions import Enqueued, NewCall
from alodial.store.enqueue import PreparedCalls
from alodial.web.batch_placing import BatchPlacing
from alodial.web.client_presence import ProcessorTime
from alodial_schemas import State

from .conftest import TWO_WAY


class Acceptor:
    """Notes what it is asked for; stores calls when it is let, and fails for those of the chunks in ``away``."""

    def __init__(self, away: Sequence[int] = ()) -> None:
        self.seen: list[str] = []
        self.may_answer = asyncio.Event()
        self.stored: list[NewCall] = []
        self._away = away
        self._chunks = 0

    def prepare(self, calls: list[NewCall]) -> PreparedCalls:
        self.seen.append(f"prepared {len(calls)}")
        return PreparedCalls(calls, None)  # type: ignore[arg-type]  # nothing runs it

    async def accept_many(self, prepared: PreparedCalls) -> list[Enqueued]:
        self.seen.append(f"sent {len(prepared.calls)}")
        chunk, self._chunks = self._chunks, self._chunks + 1
        await self.may_answer.wait()
        self.seen.append(f"answered {len(prepared.calls)}")
        if chunk in self._away:
            raise StoreUnavailable("away")
        self.stored += prepared.calls
        return [Enqueued("created", call.extid, call.id, State.QUEUED, call.extid) for call in prepared.calls]


def placing_with(acceptor: Acceptor, settings: Settings, key: str = "") -> BatchPlacing:
    context: Any = SimpleNamespace(settings=settings, acceptor=acceptor)
    return BatchPlacing(context, ApiKey("scope", "", frozenset(), own=False), BatchKeys(key, "scope"), ProcessorTime(9))


async def until_seen(acceptor: Acceptor, *lines: str) -> None:
    async with asyncio.timeout(15):
        while acceptor.seen != list(lines):
            await asyncio.sleep(0.001)


def test_rows_are_read_while_redis_stores_those_before_and_sent_after_its_answer(settings: Settings) -> None:
    async def work() -> None:
        acceptor = Acceptor()
        async with placing_with(acceptor, settings) as placing:
            await placing.add([TWO_WAY, 5])
            second = asyncio.create_task(placing.add([TWO_WAY, TWO_WAY]))
            await until_seen(acceptor, "prepared 1", "sent 1", "prepared 2")
            acceptor.may_answer.set()
            await second
            results = [json.loads(row) for row in await placing.finish()]
        assert acceptor.seen == ["prepared 1", "sent 1", "prepared 2", "answered 1", "sent 2", "answered 2"]
        ids = [call.id for call in acceptor.stored]
        assert [row.get("id") for row in results] == [ids[0], None, *ids[1:]]
        assert results[1]["error"]["code"] == "invalid_call"

    asyncio.run(work())


@pytest.mark.parametrize("key", ["", "file-9"])
def test_rows_that_redis_did_not_take_say_so_and_the_others_are_placed(settings: Settings, key: str) -> None:
    async def work() -> None:
        acceptor = Acceptor(away=[1])
        acceptor.may_answer.set()
        async with placing_with(acceptor, settings, key) as placing:
            for rows in ([TWO_WAY], [5, TWO_WAY], [TWO_WAY]):
                await placing.add(rows)
            results = [json.loads(row) for row in await placing.finish()]
        codes = [row["error"]["code"] if "error" in row else row["state"] for row in results]
        assert codes == ["queued", "invalid_call", "store_unavailable", "queued"]

    asyncio.run(work())


def test_nothing_more_is_sent_when_redis_did_not_take_the_first_rows(settings: Settings) -> None:
    async def work() -> None:
        acceptor = Acceptor(away=[0])
        acceptor.may_answer.set()
        async with placing_with(acceptor, settings) as placing:
            await placing.add([TWO_WAY])
            with pytest.raises(StoreUnavailable):
                await placing.add([TWO_WAY])
        assert acceptor.seen.count("sent 1") == 1

    asyncio.run(work())


def test_what_was_sent_is_waited_for_when_the_request_ends(settings: Settings) -> None:
    async def work() -> None:
        acceptor = Acceptor()
        async with placing_with(acceptor, settings) as placing:
            await placing.add([TWO_WAY])
            asyncio.get_running_loop().call_soon(acceptor.may_answer.set)
        assert len(acceptor.stored) == 1

    asyncio.run(work())
