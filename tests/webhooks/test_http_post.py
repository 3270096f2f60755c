"""A POST to an endpoint reaches the checked address under the endpoint's name, and a closed connection is replaced once."""

import asyncio
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
