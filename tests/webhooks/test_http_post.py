"""A POST to an endpoint reaches the checked address under the endpoint's name, and a closed connection is replaced once."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence

import pytest
import trustme

from alodial.webhooks.config import read_endpoint
from alodial_workers.alovoice import transport
from alodial_workers.webhooks.http_post import EndpointClient
from workers.raw import TAKEN, Peer, RawServer, sending


def test_a_name_that_changes_its_address_leads_to_the_one_that_was_checked() -> None:
    resolved: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        resolved.append(host)
        return ["192.0.2.200"] if len(resolved) == 1 else ["127.0.0.1"]

    endpoint = read_endpoint("https://shop.example/hook", 1, private=False)
    client = EndpointClient(endpoint, private=False, timeout=1, resolve=rebinding)
    assert asyncio.run(client.send({}, b"")).problem == "address_not_allowed"
    assert asyncio.run(client.send({}, b"")).problem == "address_not_allowed"
    assert resolved == ["shop.example", "shop.example"]


def test_a_connection_is_made_to_the_checked_address_and_to_no_other() -> None:
    made: list[str] = []

    async def scenario() -> None:
        server = await asyncio.start_server(lambda _r, w: (made.append("yes"), w.close())[1], "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = read_endpoint(f"http://nowhere.invalid:{port}/", 1, private=True)
        await EndpointClient(endpoint, private=True, timeout=2, resolve=loopback).send({}, b"")
        server.close()

    asyncio.run(scenario())
    assert made == ["yes"]


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "says nothing"])
def test_every_address_of_a_host_is_tried(silent: bool) -> None:
    """The first address of a host with two is dead: it refuses connections, or swallows them."""
    dead = socket.create_server(("127.0.0.2", 0), backlog=0) if silent else socket.socket()

    async def scenario() -> None:
        async with RawServer(sending(TAKEN)) as server:
            if silent:
                # A full backlog answers no further connection.
                fillers = [socket.socket() for _ in range(3)]
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(("127.0.0.2", dead.getsockname()[1]))
            port = dead.getsockname()[1] if silent else server.port

            async def connect(address: str, port: int) -> transport.Connection:
                loop = asyncio.get_running_loop()
                return (await loop.create_connection(transport.Connection, address, port))[1]

            async with asyncio.timeout(3):
                connection = await transport.first_connected(
                    [lambda: connect("127.0.0.2", port), lambda: connect("127.0.0.1", server.port)]
                )
            assert connection.open
            connection.close()

            async def two(_host: str, _port: int) -> Sequence[str]:
                return ["127.0.0.2", "127.0.0.1"]

            endpoint = read_endpoint(f"http://shop.example:{server.port}/", 1, private=True)
            client = EndpointClient(endpoint, private=True, timeout=3, resolve=two)
            assert (await client.send({}, b"{}")).status == 200

    asyncio.run(scenario())
    dead.close()


def test_without_any_address_that_answers_the_first_error_counts() -> None:
    async def scenario() -> None:
        async def two(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.2", "127.0.0.3"]

        with socket.create_server(("127.0.0.1", 0)) as taken:
            endpoint = read_endpoint(f"http://shop.example:{taken.getsockname()[1]}/", 1, private=True)
            assert (await EndpointClient(endpoint, private=True, timeout=3, resolve=two).send({}, b"")).problem == (
                "no_connection"
            )

    asyncio.run(scenario())


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def test_the_tls_certificate_and_the_host_header_are_those_of_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("shop.example").configure_cert(serving)
    authority.configure_trust(trusting)
    monkeypatch.setattr(transport, "trusted_context", lambda: trusting)

    async def scenario() -> None:
        async with RawServer(sending(TAKEN, close=False), context=serving) as server:
            for host, problem in (("shop.example", ""), ("other.example", "tls")):
                endpoint = read_endpoint(f"https://{host}:{server.port}/hook", 1, private=True)
                answer = await EndpointClient(endpoint, private=True, timeout=5, resolve=loopback).send({}, b"{}")
                assert (answer.status, answer.problem) == (0 if problem else 200, problem)
            assert f"\r\nHost: shop.example:{server.port}\r\n".encode() in bytes(server.peers[0].received)
            assert server.requests == 1

    asyncio.run(scenario())


def test_a_stale_connection_is_replaced_once_and_the_second_failure_counts() -> None:
    requests = 0

    async def scenario() -> None:
        async def closes_from_the_second_request_on(peer: Peer) -> None:
            nonlocal requests
            while await peer.request():
                requests += 1
                if requests > 1:
                    peer.close()
                    return
                peer.send(TAKEN)

        async with RawServer(closes_from_the_second_request_on) as server:
            endpoint = read_endpoint(f"http://shop.example:{server.port}/", 1, private=True)
            client = EndpointClient(endpoint, private=True, timeout=5, resolve=loopback)
            assert (await client.send({}, b"{}")).status == 200
            assert (await client.send({}, b"{}")).problem == "no_connection"
            assert (len(server.peers), requests) == (2, 3)

    asyncio.run(scenario())


def test_an_event_on_a_stale_connection_arrives_on_a_new_one() -> None:
    async def scenario() -> None:
        async def single_request_a_connection(peer: Peer) -> None:
            await peer.request()
            peer.send(TAKEN)
            await peer.request()
            peer.close()

        async with RawServer(single_request_a_connection) as server:
            endpoint = read_endpoint(f"http://shop.example:{server.port}/", 1, private=True)
            client = EndpointClient(endpoint, private=True, timeout=5, resolve=loopback)
            for _ in range(3):
                assert (await client.send({}, b"{}")).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("number", "problem"),
    [(errno.EMFILE, "out_of_files"), (errno.ENOMEM, "out_of_memory"), (errno.EPERM, "connect_forbidden")],
)
def test_a_lack_of_descriptors_is_told_from_an_endpoint_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, number: int, problem: str
) -> None:
    endpoint = read_endpoint("http://shop.example:8080/hook", 1, private=True)

    async def loopback(host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    def no_socket(*_args: object, **_more: object) -> None:
        raise OSError(number, "none left")

    async def work() -> str:
        client = EndpointClient(endpoint, private=True, timeout=2, resolve=loopback)
        monkeypatch.setattr(asyncio.base_events.socket, "socket", no_socket)
        try:
            return (await client.send({}, b"{}")).problem
        finally:
            monkeypatch.undo()

    assert asyncio.run(work()) == problem
