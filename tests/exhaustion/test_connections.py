"""Silent and slow connections, and whoever has or guesses the callback's secret, take nobody's place."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from alodial.errors import ConfigurationError
from alodial.server import places as places_module
from alodial.server import serve
from alodial.server.places import MAX_CONNECTIONS, MAX_OF_ADDRESS, RESERVED, Places
from alodial.server.serve import MAX_PIPELINED, BoundedHead, make_server
from alodial.settings import Settings
from alodial.store import dead_letters, inbox
from alodial.store.client import Store
from alodial.store.inbox import ParkedResult
from alodial.store.keys import Keys
from alodial.testing.redis_server import free_port
from alodial.web.rate_limit import RateLimiter
from web.conftest import API_KEY, SECRET, Web, shared_web, web

keys = Keys()

__all__ = ["shared_web", "web"]

SLOW = (
    b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 9000\r\n\r\n{"
    % API_KEY.encode()
)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3500:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.mark.usefixtures("many_files")
def test_thousands_of_silent_connections_take_no_place_of_a_callback(web: Web) -> None:
    with contextlib.ExitStack() as lines:
        for _ in range(MAX_CONNECTIONS + RESERVED + 100):
            lines.enter_context(connect(web.port))
        assert web.http.post(web.callback, json={"extid": "1"}).status_code == 200
        assert web.place().status_code == 202


@pytest.mark.usefixtures("many_files")
def test_slow_requests_of_one_address_leave_places_to_callbacks_and_probes(web: Web) -> None:
    with contextlib.ExitStack() as lines:
        for _ in range(MAX_OF_ADDRESS):
            line = lines.enter_context(connect(web.port))
            line.sendall(SLOW)
        last = lines.enter_context(connect(web.port))
        last.sendall(SLOW)
        answer = last.recv(4096)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after:" in answer.lower()
        assert web.http.get("/healthz").status_code == 200
        assert web.http.post(web.callback, json={"extid": "1"}).status_code == 200


class Line:
    """A connection as far as places are concerned."""

    cycle = None

    def __init__(self) -> None:
        self.aborted = False

    def cut(self) -> None:
        self.aborted = True


def test_places_are_counted_by_address_and_trusted_proxies_share_them() -> None:
    places = Places(Settings(_env_file=None, trusted_proxies="10.0.0.1"))
    for _ in range(MAX_OF_ADDRESS):
        assert places.take("192.0.2.1", 0, essential=False)
    assert not places.take("192.0.2.1", 0, essential=False)
    assert places.take("192.0.2.2", 0, essential=False)
    assert places.take("192.0.2.1", 0, essential=True)
    assert not places.take("192.0.2.2", MAX_CONNECTIONS, essential=False)
    assert places.take("192.0.2.2", MAX_CONNECTIONS, essential=True)
    assert not places.take("192.0.2.2", MAX_CONNECTIONS + RESERVED, essential=True)
    for _ in range(MAX_OF_ADDRESS + 1):
        assert places.take("10.0.0.1", 0, essential=False)
    for _ in range(2):
        places.leave("192.0.2.1")
    assert places.take("192.0.2.1", 0, essential=False)


def test_the_connection_that_has_been_silent_longest_makes_room() -> None:
    places = Places(Settings(_env_file=None))
    lines = [Line() for _ in range(3)]
    for line in lines[:2]:
        places.enter(line, MAX_CONNECTIONS)
    places.enter(lines[2], MAX_CONNECTIONS + RESERVED + 1)
    assert [line.aborted for line in lines] == [True, False, False]


def test_slow_requests_make_room_those_of_the_address_with_most_first(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(Settings(_env_file=None))
    other, first, second = Line(), Line(), Line()
    places.wait(other, "192.0.2.1")
    for line in (first, second):
        places.wait(line, "192.0.2.2")
    assert not places.take("192.0.2.3", MAX_CONNECTIONS, essential=False), "the body of a fast client is on its way"
    monkeypatch.setattr(places_module, "PATIENCE_SECONDS", 0)
    assert places.take("192.0.2.3", MAX_CONNECTIONS, essential=False)
    assert [line.aborted for line in (other, first, second)] == [False, True, False]
    places.go_on(second, "192.0.2.2")
    assert places.take("192.0.2.3", MAX_CONNECTIONS + RESERVED, essential=True)
    assert other.aborted
    assert not places.take("192.0.2.3", MAX_CONNECTIONS, essential=False), "nobody is slow"
    newest = Line()
    places.wait(second, "192.0.2.2")
    places.enter(newest, MAX_CONNECTIONS + RESERVED + 1)
    assert (second.aborted, newest.aborted) == (True, False)


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


def protocol_of(places: Places) -> tuple[BoundedHead, Mock]:
    """A connection on a transport that writes nothing, to an app that does not answer."""
    config = uvicorn.Config(never, lifespan="off", log_config=None)
    config.load()
    protocol = BoundedHead(config=config, server_state=ServerState(), app_state={}, places=places)
    transport = Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = False

    def abort() -> None:
        transport.is_closing.return_value = True

    transport.abort.side_effect = abort
    protocol.connection_made(transport)
    return protocol, transport


def test_a_request_is_slow_until_its_body_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(places_module, "PATIENCE_SECONDS", 0)
        places = Places(Settings(_env_file=None))
        protocol, transport = protocol_of(places)
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        assert places.take("192.0.2.3", MAX_CONNECTIONS, essential=False)
        transport.abort.assert_called_once()
        protocol, transport = protocol_of(places)
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        protocol.data_received(b"b")
        assert not places.take("192.0.2.3", MAX_CONNECTIONS, essential=False)
        transport.abort.assert_not_called()

    asyncio.run(scenario())


def test_requests_that_nobody_waits_for_the_answers_of_are_few() -> None:
    async def scenario() -> None:
        protocol, transport = protocol_of(Places(Settings(_env_file=None)))
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (MAX_PIPELINED + 1))
        transport.abort.assert_not_called()
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        transport.abort.assert_called_once()
        assert len(protocol.pipeline) == MAX_PIPELINED

    asyncio.run(scenario())


def test_headers_behind_a_body_are_not_kept() -> None:
    async def scenario() -> None:
        protocol, transport = protocol_of(Places(Settings(_env_file=None)))
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
        protocol.data_received(b"X-a: b\r\n" * 1000)
        assert [name for name, _ in protocol.headers] == [b"host", b"transfer-encoding"]
        transport.abort()

    asyncio.run(scenario())


def test_an_answer_that_is_not_read_ends_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(serve, "UNREAD_SECONDS", 0.01)
        monkeypatch.setattr(places_module, "PATIENCE_SECONDS", 0)
        places = Places(Settings(_env_file=None))
        protocol, transport = protocol_of(places)
        protocol.pause_writing()
        assert places.take("192.0.2.3", MAX_CONNECTIONS, essential=False), "a place for others before that"
        protocol, transport = protocol_of(places)
        protocol.pause_writing()
        protocol.resume_writing()
        await asyncio.sleep(0.05)
        transport.abort.assert_not_called()
        protocol.pause_writing()
        for _ in range(1500):
            if transport.abort.called:
                break
            await asyncio.sleep(0.01)
        transport.abort.assert_called_once()

    asyncio.run(scenario())


def test_callbacks_and_operators_may_have_ports_of_their_own(settings: Settings, tmp_path: Path) -> None:
    callback, operator = free_port(), free_port()
    ports = {"CALLBACK_PORT": str(callback), "OPERATOR_PORT": str(operator)}
    web = Web(settings.redis_url.get_secret_value(), tmp_path, **ports)
    paths = ("/v1/calls", "/healthz", "/metrics", "/docs", "/openapi.json", "/%6detrics", "/callbacks/x")
    try:
        answers = {
            port: [web.http.get(f"http://127.0.0.1:{port}{path}").status_code for path in paths]
            for port in (web.port, callback, operator)
        }
        assert answers == {
            web.port: [200, 200, 404, 404, 404, 404, 303],
            callback: [404, 200, 404, 404, 404, 404, 404],
            operator: [404, 200, 200, 200, 200, 200, 404],
        }
        hints = {
            port: "/docs" in web.http.get(f"http://127.0.0.1:{port}/nothing").text for port in (web.port, operator)
        }
        assert hints == {web.port: False, operator: True}, "an address that is not there for whoever reads the hint"
        assert web.http.post(f"http://127.0.0.1:{callback}{web.callback}", json={"extid": "1"}).status_code == 200
        assert "/docs" not in web.http.get("/").text
        assert web.http.post(f"http://127.0.0.1:{operator}{web.callback}", json={"extid": "1"}).status_code == 404
    finally:
        web.stop()


def test_two_purposes_do_not_share_a_port() -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_OPERATOR_PORT: port 8091 is used for something else"):
        make_server(Settings(_env_file=None, operator_port=8091), "127.0.0.1", 8091)


def test_callbacks_from_elsewhere_than_their_sources_look_like_an_unknown_address(
    settings: Settings, tmp_path: Path
) -> None:
    web = Web(settings.redis_url.get_secret_value(), tmp_path, CALLBACK_SOURCES="203.0.113.0/24")
    try:
        assert web.http.post(web.callback, json={"extid": "1"}).status_code == 404
    finally:
        web.stop()


def test_wrong_secrets_have_to_wait_and_the_right_one_does_not(web: Web) -> None:
    statuses = [web.http.post(f"/callbacks/alovoice/wrong{n}", json={}).status_code for n in range(70)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    assert web.http.post(f"/callbacks/alovoice/{SECRET}", json={"extid": "1"}).status_code == 200


def test_a_bucket_may_be_charged_by_size() -> None:
    limiter = RateLimiter(10, 100)
    assert limiter.take("a", 0, cost=90) == 0
    assert limiter.take("a", 0, cost=90) == 0, "it may owe the rest"
    assert limiter.take("a", 0) == pytest.approx(8.1)
    assert limiter.take("a", 8.2) == 0


def test_dead_letters_take_a_bounded_number_of_bytes(store: Store) -> None:
    inbox.create_group(store.redis, keys)
    body = "x" * 256 * 1024
    for _ in range(300):
        entry = store.redis.xadd(keys.INBOX, {"b": "x", "t": ""})
        store.redis.xreadgroup(keys.INBOX_GROUP, "test", {keys.INBOX: ">"})
        assert store.run(inbox.park("ack", entry, [ParkedResult("unreadable", body, "text/plain", "not JSON")], 60))
    left = store.run(dead_letters.list_dead(limit=500)).rows
    assert 200 < len(left) <= 256, "64 MiB of them, the newest"
    assert int(store.redis.get(keys.DEAD_BYTES)) == sum(row.size for row in left)
    for row in left:
        assert dead_letters.drop(store.redis, keys, row.id)
    assert int(store.redis.get(keys.DEAD_BYTES)) == 0
