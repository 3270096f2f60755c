"""A worker whose own machine lets it open no connection: nobody rings, no account is blamed, and it does not spin."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from alodial import CallQueue, i18n
from alodial.observability.diagnosis import Diagnosis, render_remedy, render_sentence
from alodial.observability.finding_watch import translator_of
from alodial.observability.process_findings import ProcessFindings
from alodial.settings import Settings
from alodial.settings.open_files import file_limit
from alodial.store import overview
from alodial.store.local_errors import most_telling
from alodial.store.redis_address import failure_cause
from alodial_workers.alovoice import local_trouble, resolver
from alodial_workers.alovoice.answer_classification import Verdict, classify_error
from alodial_workers.alovoice.client import AloVoiceClient
from alodial_workers.alovoice.local_trouble import LocalTrouble
from alodial_workers.alovoice.transport import Connection, DirectTransport, HttpAnswer, Origin
from alodial_workers.provider_check.plan import next_step

from .raw import all_taken, until
from .test_submit import CALL, Works, with_works

ERRORS = [
    (errno.EMFILE, "out_of_files"),
    (errno.ENFILE, "out_of_files"),
    (errno.EADDRNOTAVAIL, "out_of_ports"),
    (errno.ENOBUFS, "out_of_memory"),
    (errno.ENOMEM, "out_of_memory"),
    (errno.EACCES, "connect_forbidden"),
    (errno.EPERM, "connect_forbidden"),
]


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Lets this process open no further file, socket or thread's pipe."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    held: list[int] = []
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def post(origin: Origin) -> Verdict:
    try:
        await DirectTransport().post(origin, b"x", before_first_byte=None, limit=3)
    except httpx.TransportError as exc:
        return classify_error(exc)
    raise AssertionError("it was sent")


@pytest.mark.parametrize(
    "origin", [Origin("127.0.0.1", 1, False), Origin("localhost", 1, False), Origin("::1", 1, True)]
)
def test_without_descriptors_nothing_is_sent_and_alovoice_is_not_blamed(origin: Origin) -> None:
    async def work() -> Verdict:
        await DirectTransport()._resolve("localhost", 1)  # what a look-up opens once is open
        with no_descriptors():
            return await post(origin)

    assert asyncio.run(work()) == Verdict("local", "out_of_files")


@pytest.mark.parametrize(("number", "code"), ERRORS)
def test_each_error_of_our_own_has_its_code(monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    async def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, "no")

    async def work() -> Verdict:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refuse)
        return await post(Origin("127.0.0.1", 1, False))

    assert asyncio.run(work()) == Verdict("local", code)
    assert next_step(Verdict("local", code)) == "not_sent"


def test_a_lack_of_memory_before_the_first_byte_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_memory(*_args: object) -> Connection:
        raise MemoryError

    monkeypatch.setattr(DirectTransport, "_connect_to", no_memory)
    assert asyncio.run(post(Origin("127.0.0.1", 1, False))) == Verdict("local", "out_of_memory")


def test_of_several_addresses_the_error_counts_that_says_most() -> None:
    refused, short, away = (
        ConnectionRefusedError(errno.ECONNREFUSED, ""),
        OSError(errno.EMFILE, ""),
        OSError(errno.ENETUNREACH, ""),
    )
    assert most_telling([short, refused]) is refused
    assert most_telling([away, short]) is short
    assert most_telling([away, OSError(errno.ENETUNREACH, "")]) is away


def test_a_machine_without_ipv6_is_not_out_of_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(_host: str, _port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async def work() -> str:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def only_four(protocol: Any, address: str, *args: Any, **options: Any) -> Any:
            if ":" in address:
                raise OSError(errno.EADDRNOTAVAIL, "no")
            return await connect(protocol, address, *args, **options)

        monkeypatch.setattr(loop, "create_connection", only_four)
        try:
            await DirectTransport(resolve=both).post(
                Origin("localhost", 1, False), b"x", before_first_byte=None, limit=3
            )
        except httpx.TransportError as exc:
            return classify_error(exc).code
        return "sent"

    assert asyncio.run(work()) == "connect_failed"


def test_a_look_up_without_descriptors_fails_for_their_sake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says "Invalid argument" or "name not known" then."""

    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(resolver.socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        resolver.look_up("shop.example", 443)
    with no_descriptors(), pytest.raises(OSError, match="Too many open files") as caught:
        resolver.look_up("shop.example", 443)
    assert caught.value.errno == errno.EMFILE


class Short:
    """A transport that has no descriptor for a connection while it ``lasts``."""

    def __init__(self, inner: Callable[..., Awaitable[HttpAnswer]]) -> None:
        self._inner, self.tried, self.lasts = inner, 0, True

    async def post(self, *args: Any, **options: Any) -> HttpAnswer:
        self.tried += 1
        if self.lasts:
            await asyncio.sleep(0.005)  # the engine waits for room meanwhile
            raise httpx.ConnectError("out_of_files")
        return await self._inner(*args, **options)


def test_calls_go_back_to_their_place_while_a_worker_has_no_descriptors_and_no_breaker_opens(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_trouble, "FIRST_PAUSE", 0.3)
    calls = [queue.enqueue(CALL) for _ in range(20)]

    async def work(works: Works) -> tuple[int, int]:
        client: AloVoiceClient = works.engine._contexts["default"].client
        short = Short(client._transport.post)
        monkeypatch.setattr(client._transport, "post", short.post)
        attending = asyncio.create_task(works.engine.attend("default"))
        await asyncio.sleep(1.5)  # pauses of 0.3, 0.6 and 1.2 s
        tried = short.tried
        account = queue.store.call(overview.read, works.settings).accounts[0]
        assert (account.breaker, account.unreachable) == (False, False)
        assert {queue.get(call.id).state for call in calls} == {"queued"}
        assert works.server.requests == 0
        short.lasts = False
        await until(lambda: works.server.requests == 20, within=15)
        await works.engine.stop(5)
        attending.cancel()
        return tried, works.server.requests

    with capture_logs() as lines:
        tried, requests = with_works(settings, queue, all_taken, work)
    assert requests == 20, "each of them once"
    assert 20 <= tried <= 22, "the first claim, then one call after each pause"
    assert [call.tries for call in (queue.get(placed.id) for placed in calls)] == [0] * 20
    events = [line for line in lines if line["event"] == "worker.cannot_connect"]
    assert [line["code"] for line in events] == ["out_of_files"]
    assert "ulimit -n" in events[0]["hint"]
    assert not [line for line in lines if line["event"] == "account.breaker_opened"]


def test_a_pause_doubles_ends_with_an_exchange_and_is_not_ended_by_what_was_under_way() -> None:
    now = [0.0]
    trouble = LocalTrouble(lambda: now[0])
    assert (trouble.pause, trouble.bounded(128)) == (0.0, 128)
    with capture_logs() as lines:
        for _ in range(50):
            trouble.note("out_of_files")
        assert (trouble.pause, trouble.bounded(128)) == (1.0, 1)
        trouble.passed()
        assert trouble.pause == 1.0
        lasted = []
        for _ in range(7):
            now[0] += trouble.pause - 0.001  # timers end early
            trouble.note("out_of_ports")
            lasted.append(trouble.pause)
    assert lasted == [2, 4, 8, 16, 30, 30, 30]
    assert [line["code"] for line in lines] == ["out_of_files", "out_of_ports", "out_of_ports"]
    now[0] += trouble.pause
    trouble.passed()
    assert (trouble.pause, trouble.bounded(128)) == (0.0, 128)
    assert trouble.findings() == {"out_of_ports": ""}
    trouble.note("out_of_files")
    assert trouble.findings() == {"out_of_ports": "", "out_of_files": str(file_limit())}
    now[0] += 61
    assert trouble.findings() == {}


@pytest.mark.parametrize("language", ["", "ru"])
def test_a_process_without_descriptors_has_the_words_to_say_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """The thread that writes findings down failed for want of a descriptor for its texts."""
    for cached in (i18n.catalogue, i18n._sentences, i18n._counted_nouns):
        cached.cache_clear()
    t = translator_of(settings.model_copy(update={"language": language}))

    def no_folder(*_args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(i18n.Path, "glob", no_folder)
    found = Diagnosis("out_of_files", "problem", {"detail": "23", "processes": "vm:1"})
    assert "23" in render_sentence(found, t)
    assert "ulimit -n" in render_remedy(found, t)


def test_the_heartbeat_carries_it(settings: Settings) -> None:
    trouble = LocalTrouble()
    findings = ProcessFindings(settings, trouble.findings)
    trouble.note("connect_forbidden")
    assert findings.current() == {"connect_forbidden": ""}


@pytest.mark.parametrize(("number", "code"), ERRORS)
def test_a_command_says_it_too(number: int, code: str) -> None:
    assert failure_cause(OSError(number, os.strerror(number))) != "OSError"
    assert failure_cause(ConnectionRefusedError(errno.ECONNREFUSED, "")) == "refused"
