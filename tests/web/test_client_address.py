"""Whose address a request has: the connection's, unless a trusted proxy says more."""

import pytest

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial.web.client_address import FROM_PROXY, TrustedProxies

from .conftest import Web

OURS = TrustedProxies(("10.0.0.0/8", "::1/128", "127.0.0.1"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody trusts this peer
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client wrote the first itself
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("::1", ["[2001:db8::7]:99"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert OURS.client(peer, forwarded) == client


def test_without_trusted_proxies_no_header_says_anything() -> None:
    scope = {
        "client": ("203.0.113.9", 5),
        "scheme": "http",
        "headers": [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https")],
    }
    TrustedProxies(()).apply(scope)
    assert (scope["client"], scope["scheme"], scope[FROM_PROXY]) == (("203.0.113.9", 5), "http", False)
    scope["client"] = ("10.0.0.1", 5)
    OURS.apply(scope)
    assert (scope["client"], scope["scheme"], scope[FROM_PROXY]) == (("1.1.1.1", 0), "https", True)


@pytest.mark.parametrize("value", ["0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/8"])
def test_a_setting_that_trusts_everybody_or_cannot_be_read_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_TRUSTED_PROXIES"):
        Settings(_env_file=None, trusted_proxies=value)  # type: ignore[call-arg, arg-type]


def test_wrong_keys_behind_a_trusted_proxy_are_counted_for_each_client(redis_server: object, tmp_path: object) -> None:
    web = Web(redis_server.url, tmp_path, TRUSTED_PROXIES="127.0.0.1")  # type: ignore[attr-defined, arg-type]
    try:
        with web.client("planted-wrong-key") as wrong:
            first = [wrong.get("/v1/calls", headers={"X-Forwarded-For": "198.51.100.1"}).status_code for _ in range(25)]
            other = wrong.get("/v1/calls", headers={"X-Forwarded-For": "198.51.100.2"}).status_code
        assert 429 in first
        assert other == 401
    finally:
        web.stop()
