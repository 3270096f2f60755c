"""Hostile URLs and addresses are refused in every spelling; secrets are read as receivers read them."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Sequence

import pytest
import trustme
from standardwebhooks.webhooks import Webhook

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial.webhooks.config import endpoints_of, keys_of, new_secret, read_endpoint, read_secret
from alodial_workers.alovoice import transport
from alodial_workers.webhooks.http_post import EndpointClient
from alodial_workers.webhooks.ssrf_guard import NotAllowed, checked_address, is_public
from workers.raw import TAKEN, Peer, RawServer, saying

PUBLIC = ["8.8.8.8", "185.74.5.1", "2a00:1450:4001:82a::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
CLOSED = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.1.1.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ),
    *("2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::1", "2001:0:53aa:64c:0:0:0:1", "64:ff9b:1::1", "5f00::1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_that_everybody_reaches_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_not_everybody_reaches_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "spelling", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "0"]
)
def test_loopback_in_any_spelling_is_refused_before_a_connection_is_made(spelling: str) -> None:
    try:
        socket.getaddrinfo(spelling, 443)
    except OSError:
        pytest.skip("this system does not resolve it at all")
    with pytest.raises(NotAllowed):
        asyncio.run(checked_address(spelling, 443, private=False))


def test_one_closed_address_among_public_ones_is_enough_to_refuse() -> None:
    async def both(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(NotAllowed):
        asyncio.run(checked_address("shop.example", 443, private=False, resolve=both))


def test_a_name_that_changes_its_address_leads_to_the_one_that_was_checked() -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["192.0.2.200"] if len(asked) == 1 else ["127.0.0.1"]

    endpoint = read_endpoint("https://shop.example/hook", 1, private=False)
    client = EndpointClient(endpoint, private=False, timeout=1, resolve=rebinding)
    assert asyncio.run(client.send({}, b"")).problem == "address_not_allowed"
    assert asyncio.run(client.send({}, b"")).problem == "address_not_allowed"
    assert asked == ["shop.example", "shop.example"]


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
        async with RawServer(saying(TAKEN, close=False), context=serving) as server:
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
        async def one_request_a_connection(peer: Peer) -> None:
            await peer.request()
            peer.send(TAKEN)
            await peer.request()
            peer.close()

        async with RawServer(one_request_a_connection) as server:
            endpoint = read_endpoint(f"http://shop.example:{server.port}/", 1, private=True)
            client = EndpointClient(endpoint, private=True, timeout=5, resolve=loopback)
            for _ in range(3):
                assert (await client.send({}, b"{}")).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://shop.example/", "https"),
        ("https://user:pass@shop.example/", "user"),
        ("https://shop.example:22/", "port"),
        ("https://shop.example/#part", "fragment"),
        ("ftp://shop.example/", "https://host/path"),
        ("shop.example", "https://host/path"),
        ("https://", "https://host/path"),
        ("https://shop.example:port/", "is not a URL"),
        ("https://shop.example/\r\nX-Evil: 1", "characters"),
        ("https://shop.example/a b", "characters"),
        ("https://магазин.example/", "characters"),
        ("https://shop.example\\@evil.example/", "characters"),
        ("https://sh$op.example/", "host name"),
        ("https://shop.example/" + "x" * 2000, "too long"),
    ],
)
def test_a_url_that_cannot_be_is_refused_with_its_number_and_without_itself(url: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        read_endpoint(url, 2, private=False)
    assert word in str(told.value)
    assert "URL 2" in str(told.value)
    assert "shop.example" not in str(told.value)


def test_an_endpoint_is_shown_without_its_query() -> None:
    endpoint = read_endpoint("https://shop.example:8443/hooks/alodial?token=hidden", 1, private=False)
    assert endpoint.display_url == "https://shop.example:8443/hooks/alodial"
    assert endpoint.target == "/hooks/alodial?token=hidden"
    assert "hidden" not in repr(endpoint.url)


def given(**more: str) -> Settings:
    return Settings(_env_file=None, **more)  # type: ignore[arg-type]


def test_webhooks_without_a_secret_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_WEBHOOK_SECRET"):
        endpoints_of(given(webhooks="https://shop.example/"))


@pytest.mark.parametrize("secret", ["brief", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "a,b,c"])
def test_a_secret_that_is_too_short_or_unreadable_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        keys_of(given(webhook_secret=secret))
    assert "ALODIAL_WEBHOOK_SECRET" in str(told.value)
    assert secret not in str(told.value)


def test_secrets_are_read_as_the_libraries_of_receivers_read_them() -> None:
    made = new_secret()
    assert read_secret(made) == base64.b64decode(made.removeprefix("whsec_")) == Webhook(made)._whsecret
    assert read_secret(made.removeprefix("whsec_")) == read_secret(made)
    assert read_secret("a long passphrase of ours") == b"a long passphrase of ours"
    assert len({new_secret() for _ in range(100)}) == 100


def test_the_same_url_given_twice_is_one_endpoint() -> None:
    url = "https://shop.example/"
    found = endpoints_of(given(webhooks=f"{url},{url},https://other.example/", webhook_secret=new_secret()))
    assert len(found) == 2
