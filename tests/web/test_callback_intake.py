"""From the spool into Redis: each body once, whatever died in between."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from alodial.settings import Settings
from alodial.store.client import AsyncStore
from alodial.store.inbox import RawResult, put_spooled
from alodial.testing.redis_server import EmbeddedRedis
from alodial.wakeup import Waker
from alodial.web.callbacks.intake import CallbackIntake, Overloaded
from alodial.web.callbacks.spool import Spool

MANY = [RawResult(b"body %d" % n, "a/b") for n in range(10)]


def inbox(server: EmbeddedRedis) -> list[bytes]:
    with server.client() as client:
        return [fields[b"b"] for _, fields in client.xrange("alodial:{dial}:inbox")]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("stored", [0, 1, 4, 10])
def test_what_reached_redis_before_a_crash_is_not_stored_again(
    settings: Settings, redis_server: EmbeddedRedis, stored: int
) -> None:
    async def run() -> None:
        dead = Spool(Path(settings.spool_dir), 1 << 20)
        dead.append(MANY)
        store = AsyncStore(settings)
        if stored and (head := dead.head(count=stored)) is not None:
            # The process dies here: Redis has them, and the file still does too.
            await store.call(put_spooled, head.segment.name, head.end, head.items)
        dead.close()
        intake = CallbackIntake(settings, store, Waker(settings))
        intake.start()
        await until(lambda: not list(Path(settings.spool_dir).iterdir()))
        await intake.keep(RawResult(b"new", ""))
        await intake.aclose()
        await store.aclose()

    asyncio.run(run())
    assert inbox(redis_server) == [item.body for item in MANY] + [b"new"]


def test_many_callbacks_at_once_are_kept_by_few_writes(settings: Settings, redis_server: EmbeddedRedis) -> None:
    async def run() -> None:
        store = AsyncStore(settings)
        intake = CallbackIntake(settings, store, Waker(settings))
        with redis_server.client() as client:
            before = client.info("stats")["total_commands_processed"]
            bodies = [RawResult(b"%d" % n, "") for n in range(500)]
            assert not any(await asyncio.gather(*(intake.keep(body) for body in bodies)))
            # One XADD each and a few for the bells; a round trip for each would double that.
            assert client.info("stats")["total_commands_processed"] - before < 600
        await intake.aclose()
        await store.aclose()

    asyncio.run(run())
    assert inbox(redis_server) == [b"%d" % n for n in range(500)]


def test_more_than_memory_may_hold_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alodial.web.callbacks.intake.WAITING_BYTES", 1000)

    async def run() -> list[object]:
        store = AsyncStore(settings)
        intake = CallbackIntake(settings, store, Waker(settings))
        answers = await asyncio.gather(
            *(intake.keep(RawResult(b"x" * 400, "")) for _ in range(4)), return_exceptions=True
        )
        assert await intake.keep(RawResult(b"x" * 400, "")) is False
        await intake.aclose()
        await store.aclose()
        return list(answers)

    answers = asyncio.run(run())
    assert answers[:2] == [False, False]
    assert all(isinstance(answer, Overloaded) for answer in answers[2:])


def test_a_spool_that_cannot_be_written_is_logged_at_the_start(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def run() -> str:
        store = AsyncStore(settings)
        intake = CallbackIntake(
            settings.model_copy(update={"spool_dir": str(tmp_path / "file")}), store, Waker(settings)
        )
        intake.start()
        await until(lambda: intake.spool_problem != "")
        await intake.aclose()
        await store.aclose()
        return intake.spool_problem

    with structlog.testing.capture_logs() as logs:
        assert "Not a directory" in asyncio.run(run())
    assert next(line["event"] for line in logs if line["log_level"] == "error") == "spool.not_writable"
