"""Hostile URLs and addresses are refused in every spelling; secrets are read as receivers read them."""

import asyncio
import base64
import socket
from collections.abc import Sequence

import pytest
from standardwebhooks.webhooks import Webhook

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial.webhooks.config import endpoints_of, keys_of, new_secret, read_endpoint, read_secret
from alodial_workers.alovoice.resolver import Resolver
from alodial_workers.webhooks.ssrf_guard import NotAllowed, checked_addresses, is_public

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
        asyncio.run(checked_addresses(spelling, 443, private=False, resolve=Resolver()))


def test_one_closed_address_among_public_ones_is_enough_to_refuse() -> None:
    async def both(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(NotAllowed):
        asyncio.run(checked_addresses("shop.example", 443, private=False, resolve=both))


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
    with pytest.raises(ConfigurationError) as caught:
        read_endpoint(url, 2, private=False)
    assert word in str(caught.value)
    assert "URL 2" in str(caught.value)
    assert "shop.example" not in str(caught.value)


def test_an_endpoint_is_shown_without_its_query() -> None:
    endpoint = read_endpoint("https://shop.example:8443/hooks/alodial?token=hidden", 1, private=False)
    assert endpoint.display_url == "https://shop.example:8443"
    assert endpoint.target == "/hooks/alodial?token=hidden"
    assert "hidden" not in repr(endpoint.url)


def settings_with(**more: str) -> Settings:
    return Settings(_env_file=None, **more)  # type: ignore[arg-type]


def test_webhooks_without_a_secret_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_WEBHOOK_SECRET"):
        endpoints_of(settings_with(webhooks="https://shop.example/"))


@pytest.mark.parametrize("secret", ["brief", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "a,b,c"])
def test_a_secret_that_is_too_short_or_unreadable_is_refused_without_being_named(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        keys_of(settings_with(webhook_secret=secret))
    assert "ALODIAL_WEBHOOK_SECRET" in str(caught.value)
    assert secret not in str(caught.value)


def test_secrets_are_read_as_the_libraries_of_receivers_read_them() -> None:
    made = new_secret()
    assert read_secret(made) == base64.b64decode(made.removeprefix("whsec_")) == Webhook(made)._whsecret
    assert read_secret(made.removeprefix("whsec_")) == read_secret(made)
    assert read_secret("a long passphrase of ours") == b"a long passphrase of ours"
    assert len({new_secret() for _ in range(100)}) == 100


def test_the_same_url_given_twice_is_one_endpoint() -> None:
    url = "https://shop.example/"
    endpoints = endpoints_of(settings_with(webhooks=f"{url},{url},https://other.example/", webhook_secret=new_secret()))
    assert len(endpoints) == 2
