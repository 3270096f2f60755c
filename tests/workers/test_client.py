"""The AloVoice client: what it sends arrives as AloVoice writes it, once, and its token is seen nowhere."""

import asyncio
import json
import logging
import shutil
import subprocess
import traceback
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial_schemas import body_json, parse_call, request_from_body
from alodial_workers.alovoice.answer_classification import Verdict
from alodial_workers.alovoice.client import AloVoiceClient, NotArmed, Submission
from alodial_workers.alovoice.transport import DirectTransport, Hook, HttpAnswer, Origin

from .raw import TAKEN, Peer, RawServer, answer, sending, until

TOKEN = "planted-token-7f3a9c"

TWO_WAY = {
    "callfrom": {"phone": "712037006", "lang": "ru"},
    "callto": [
        {"phone": "994412860", "lang": "ru"},
        {"phone": "977076909", "lang": "uz"},
        {"phone": "914379766", "lang": "ru"},
    ],
    "extid": "123123",
}
QUEUE = {"callfrom": {"phone": "712037006", "lang": "ru"}, "callto": [{"queue": "1"}], "extid": "123123"}
QUEUE_6000 = {"callfrom": {"phone": "712037006", "lang": "ru"}, "callto": [{"queue": "6000"}], "extid": "123123"}
IVR = {"callto": "712037006", "ivrid": 222, "fromline": 712037006, "extid": "123123"}
EXAMPLES: dict[str, dict[str, Any]] = {"two-way": TWO_WAY, "queue-1": QUEUE, "queue-6000": QUEUE_6000, "ivr": IVR}


def stored(example: dict[str, Any]) -> dict[str, Any]:
    """The body as the call store keeps it."""
    return request_from_body(body_json(parse_call(example)))


def made(url: str, **options: Any) -> Settings:
    return Settings(_env_file=None, provider_url=url, **{"provider_token": TOKEN, "provider_timeout": 5, **options})


class Arm:
    """Counts its calls; raises its error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self._error = error

    async def __call__(self) -> None:
        self.calls += 1
        if self._error is not None:
            raise self._error


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def submit(
    settings: Settings, arm: Arm | None = None, body: dict[str, Any] | None = None, **options: Any
) -> Submission:
    client = AloVoiceClient(settings, **options)
    try:
        return await client.submit("default", body or stored(TWO_WAY), "123123", before_first_byte=arm or Arm())
    finally:
        client.close()


# --- what arrives -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def express(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Express 5 with multer 2, installed with npm into pytest's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not here: install them to check the body against a real Express")
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("express") if cache else tmp_path_factory.mktemp("express")
    for source in (Path(__file__).parent.parent / "express").iterdir():
        if source.is_file():
            shutil.copy(source, folder)
    if not (folder / "node_modules" / "multer").exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm's registry did not answer in 120 s")
        if done.returncode:
            pytest.skip("npm could not install express and multer: is its registry reachable?")
    server = subprocess.Popen([node, "server.js"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()


def arrived(express: str, form: str, example: dict[str, Any]) -> Any:
    """What Express' handler has in ``request.body``."""
    kept: list[Submission] = []

    async def work() -> None:
        kept.append(await submit(made(express, provider_body=form), body=stored(example)))

    run(work())
    assert kept[0].verdict.outcome == "taken", kept[0]
    arrived_request = json.loads(kept[0].verdict.text)["answer"]
    assert arrived_request["token"] == TOKEN
    assert arrived_request["type"].startswith(
        "application/json" if form == "json" else "multipart/form-data; boundary="
    )
    return arrived_request["body"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_bracket_names_arrive_as_exactly_the_object_that_the_page_shows(express: str, name: str) -> None:
    expected = {key: str(value) if isinstance(value, int) else value for key, value in EXAMPLES[name].items()}
    assert arrived(express, "multipart-brackets", EXAMPLES[name]) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_json_parts_arrive_as_text_that_holds_exactly_that_object(express: str, name: str) -> None:
    body = arrived(express, "multipart-json", EXAMPLES[name])
    assert all(isinstance(value, str) for value in body.values())
    nested = {"callfrom", "callto", "ivrid", "fromline"} if name != "ivr" else {"ivrid", "fromline"}
    assert {key: json.loads(value) if key in nested else value for key, value in body.items()} == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_json_arrives_as_that_object_with_its_numbers_as_numbers(express: str, name: str) -> None:
    assert arrived(express, "json", EXAMPLES[name]) == EXAMPLES[name]


def test_the_request_has_the_headers_of_its_form_and_nothing_that_asks_for_compression() -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            await submit(made(server.url()))
            head = bytes(server.peers[0].received).partition(b"\r\n\r\n")[0].split(b"\r\n")
            assert head[0] == f"POST /requestcall/{TOKEN} HTTP/1.1".encode()
            headers = {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in head[1:]}
            assert len(headers) == len(head) - 1
            assert headers[b"host"] == f"127.0.0.1:{server.port}".encode()
            assert headers[b"accept-encoding"] == b"identity"
            assert b"transfer-encoding" not in headers
            assert b"expect" not in headers

    run(work())


@pytest.mark.parametrize("token", ["a/b?c#d e", "%2e%2e", "жетон", 'x"\r\nX: y'])
def test_a_token_with_odd_characters_stays_one_part_of_the_path(token: str) -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            await submit(made(server.url(), provider_token=token))
            line = bytes(server.peers[0].received).partition(b"\r\n")[0]
            assert line.count(b" ") == 2
            assert line.count(b"/") == 3
            assert str(httpx.URL("http://h" + line.split()[1].decode()).path).endswith(token)

    run(work())


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_not_armed_is_raised_and_nothing_was_sent() -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            with pytest.raises(NotArmed, match="hold"):
                await submit(made(server.url()), Arm(NotArmed("hold")))
            await until(server.peers[0].closed.is_set)
            assert server.received == 0

    run(work())


def test_whatever_else_arm_raises_the_call_was_not_sent_and_is_tried_again() -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            for error in (RuntimeError("a bug"), TimeoutError(), OSError(9), KeyError("x")):
                submission = await submit(made(server.url()), Arm(error))
                assert submission.verdict.outcome == "retry"
            assert server.received == 0

    run(work())


def test_the_hook_is_awaited_once_and_on_an_open_connection() -> None:
    async def work() -> None:
        arm = Arm()
        submission = await submit(made("http://127.0.0.1:1"), arm)
        assert (submission.verdict, arm.calls) == (Verdict("unsent", "connect_failed"), 0)
        async with RawServer(sending(TAKEN)) as server:
            assert (await submit(made(server.url()), arm)).verdict.outcome == "taken"
        assert arm.calls == 1

    run(work())


def test_time_that_arm_waits_is_not_taken_from_the_answer() -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN, pause=0)) as server:

            async def slow() -> None:
                await asyncio.sleep(0.4)

            client = AloVoiceClient(made(server.url(), provider_timeout=0.3))
            assert (
                await client.submit("default", stored(TWO_WAY), "123123", before_first_byte=slow)
            ).verdict.outcome == "taken"

    run(work())


def test_a_further_exchange_on_a_kept_connection_has_the_whole_time_and_no_more() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        peer.send(TAKEN)
        await peer.closed.wait()

    async def work() -> None:
        async with RawServer(once) as server:
            client = AloVoiceClient(made(server.url(), provider_timeout=0.4))
            outcomes = []
            for _ in range(2):
                submission = await client.submit("default", stored(TWO_WAY), "123123", before_first_byte=Arm())
                outcomes.append((submission.verdict.outcome, submission.verdict.code))
                await asyncio.sleep(0.2)
            assert outcomes == [("taken", "taken"), ("unconfirmed", "answer_timeout")]
            assert submission.elapsed >= 0.39, "the timer of the first exchange ends none that began later"

    run(work())


def test_an_exchange_on_a_kept_connection_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def taking(peer: Peer) -> None:
        while not peer.closed.is_set():
            await peer.request()
            peer.send(TAKEN)

    counts: list[int] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        timers: list[float] = []
        call_at = loop.call_at

        def counted(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(when, *args, **options)

        monkeypatch.setattr(loop, "call_at", counted)
        async with RawServer(taking) as server:
            client = AloVoiceClient(made(server.url()))
            for _ in range(2):
                timers.clear()
                submission = await client.submit("default", stored(TWO_WAY), "123123", before_first_byte=Arm())
                assert submission.verdict.outcome == "taken"
                counts.append(len(timers))
            client.close()

    run(work())
    connected, kept = counts
    assert connected >= 2, "connecting is limited too"
    assert kept == 0, "the connection's own timer serves it too"


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (sending(close=False), "answer_timeout"),
        (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", close=False), "answer_timeout"),
        (sending(*[b"HTTP/1.1 200 OK\r\n"[i : i + 1] for i in range(17)], pause=0.05), "answer_timeout"),
        (sending(), "answer_lost"),
        (sending(b"HTTP/1.1 2"), "answer_lost"),
        (sending(b"hello\r\n\r\n"), "answer_unreadable"),
        (sending(answer(b"x" * 70_000)), "answer_too_long"),
    ],
)
def test_once_armed_every_trouble_is_ambiguous_and_within_the_deadline(behave: Any, code: str) -> None:
    async def work() -> None:
        async with RawServer(behave) as server:
            arm = Arm()
            loop = asyncio.get_running_loop()
            began = loop.time()
            submission = await submit(made(server.url(), provider_timeout=0.4), arm)
            assert loop.time() - began < 1.4
            assert (submission.verdict.outcome, submission.verdict.code) == ("unconfirmed", code)
            assert (arm.calls, server.requests) == (1, 1)

    run(work())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as other:
            moved = answer(b"", status=f"{status} Moved", head=f"Location: {other.url()}/elsewhere\r\n".encode())
            async with RawServer(sending(moved)) as server:
                submission = await submit(made(server.url()))
                assert (submission.verdict.outcome, submission.verdict.status) == ("unconfirmed", status)
                assert server.requests == 1
            assert not other.peers

    run(work())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as proxy, RawServer(sending(TAKEN)) as server:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url())
            monkeypatch.delenv("NO_PROXY", raising=False)
            assert (await submit(made(server.url()))).verdict.outcome == "taken"
            assert (len(server.peers), len(proxy.peers)) == (1, 0)

    run(work())


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"callto": 5}', '{"callfrom": 1, "callto": [1]}'])
def test_a_record_that_is_no_call_is_rejected_and_nothing_is_sent(body: str) -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            client = AloVoiceClient(made(server.url()))
            submission = await client.submit("default", json.loads(body), "123123", before_first_byte=Arm())
            assert submission.verdict == Verdict("rejected", "record_unreadable")
            assert not server.peers

    run(work())


def test_an_account_without_a_token_says_which_setting_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_PROVIDER_TOKEN"):
        run(_discarded(submit(made("http://127.0.0.1:1", provider_token=None))))


async def _discarded(work: Coroutine[Any, Any, Submission]) -> None:
    await work


def test_accounts_use_their_own_tokens() -> None:
    async def work() -> None:
        async def all_taken(peer: Peer) -> None:
            while not peer.closed.is_set():
                await peer.request()
                peer.send(TAKEN)

        async with RawServer(all_taken) as server:
            client = AloVoiceClient(made(server.url(), accounts={"north": {"token": "north-token"}}))
            for account in ("default", "north", "default"):
                await client.submit(account, stored(IVR), "5", before_first_byte=Arm())
            lines = [line.split(b"/")[2] for line in bytes(server.peers[0].received).split(b"\r\n") if b"POST" in line]
            assert lines == [TOKEN.encode() + b" HTTP", b"north-token HTTP", TOKEN.encode() + b" HTTP"]

    run(work())


def test_what_is_kept_for_the_operator_is_bounded_json() -> None:
    kept = json.loads(Submission(Verdict("unconfirmed", "status_502", 502, "ж" * 2000), 0.1234).answer_json())
    assert kept == {"outcome": "unconfirmed", "code": "status_502", "ms": 123, "status": 502, "body": "ж" * 2000}
    assert json.loads(Submission(Verdict("retry", "connect_failed"), 0).answer_json()) == {
        "outcome": "retry",
        "code": "connect_failed",
        "ms": 0,
    }


# --- the token --------------------------------------------------------------------------------------------------------


class Leaky(DirectTransport):
    """Raises what an unkind transport might: the whole request in its words."""

    async def post(
        self, origin: Origin, request: bytes, *, before_first_byte: Hook | None, **_options: Any
    ) -> HttpAnswer:
        if before_first_byte is not None:
            await before_first_byte()
        raise RuntimeError(f"cannot POST {request!r} to {origin}")


def test_the_token_is_in_no_repr_no_exception_no_log_and_nothing_that_is_kept(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def work() -> None:
        async with RawServer(sending(b"HTTP/1.1 2")) as broken, RawServer(sending(TAKEN)) as kind:
            for url, transport in (
                (broken.url(), DirectTransport()),
                (kind.url(), DirectTransport()),
                (kind.url(), Leaky()),
                ("http://127.0.0.1:1", DirectTransport()),
                ("https://no-such-host.invalid", DirectTransport()),
            ):
                client = AloVoiceClient(made(url), transport=transport)
                seen.extend((repr(client), str(client), repr(client._settings)))
                submission = await client.submit("default", stored(TWO_WAY), "123123", before_first_byte=Arm())
                seen.extend((repr(submission), submission.answer_json()))
                try:
                    await client.submit("default", stored(TWO_WAY), "123123", before_first_byte=Arm(NotArmed("hold")))
                except NotArmed:
                    seen.append(traceback.format_exc())

    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
            caplog.set_level(logging.DEBUG, logger=name)
        run(work())
    written = capfd.readouterr()
    for text in (*seen, caplog.text, json.dumps(lines, default=str), written.out, written.err):
        assert TOKEN not in text
    assert len(seen) > 20
