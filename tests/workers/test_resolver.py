"""A name whose servers are silent holds up nothing but itself: neither other names nor the end of the process."""

import asyncio
import socket
import threading
import time

import pytest

from alodial_workers.alovoice.resolver import Resolver


class Names:
    """A name service in which ``silent`` names wait until ``release``."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.released.wait(10)
        if host == "missing.example":
            raise socket.gaierror("no such name")
        return ["192.0.2.1"]


def test_silent_names_hold_up_no_other_name_and_a_silent_one_is_asked_once() -> None:
    names = Names()

    async def work() -> tuple[float, list[str]]:
        resolver = Resolver(names)
        silent = [asyncio.create_task(resolver(f"silent{i % 40}.example", 443)) for i in range(400)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await resolver("cld.example", 443) == ["192.0.2.1"]
        # The loop's own threads are free too: Redis reconnects by them.
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)
        took = time.monotonic() - began
        for task in silent[:200]:
            task.cancel()
        names.released.set()
        return took, [(await task)[0] for task in silent[200:]]

    took, answers = asyncio.run(asyncio.wait_for(work(), 10))
    assert took < 1
    assert answers == ["192.0.2.1"] * 200
    assert len(names.asked) == 41


def test_a_name_that_does_not_exist_is_an_error_and_is_asked_again() -> None:
    names = Names()

    async def work() -> None:
        resolver = Resolver(names)
        for _ in range(2):
            with pytest.raises(OSError, match="no such name"):
                await resolver("missing.example", 443)

    asyncio.run(work())
    assert names.asked == ["missing.example"] * 2


def test_an_address_needs_no_thread() -> None:
    names = Names()

    async def work() -> list[list[str]]:
        resolver = Resolver(names)
        return [list(await resolver(address, 80)) for address in ("127.0.0.1", "::1")]

    assert asyncio.run(work()) == [["127.0.0.1"], ["::1"]]
    assert names.asked == []


def test_the_system_resolves_spellings_of_an_address() -> None:
    assert asyncio.run(Resolver()("localhost", 80))


def test_a_look_up_for_which_there_is_no_thread_fails_and_the_next_is_worked_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> list[str]:
        resolver = Resolver(Names())
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(OSError, match="no thread"):
                await resolver("cld.example", 443)
        return list(await resolver("cld.example", 443))

    assert asyncio.run(asyncio.wait_for(work(), 15)) == ["192.0.2.1"]
