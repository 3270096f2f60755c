"""Host names, and what every answer says to browsers and proxies."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial.web.host_check import is_expected

from .conftest import Web

URL = "https://calls.example.uz"


NOT_PLAIN = [
    (f"{before}calls.example.uz{behind}",)
    for before, behind in (
        ("x@", ""),
        ("", "/x"),
        ("", "?x"),
        ("", "#x"),
        ("", ":80@x"),
        ("", ":x"),
        ("", " "),
        ("", ".evil"),
    )
]


def scope(*hosts: str, path: str = "/") -> dict[str, Any]:
    return {"path": path, "headers": [(b"host", host.encode()) for host in hosts]}


@pytest.mark.parametrize(
    "host", ["calls.example.uz", "calls.example.uz:443", "127.0.0.1:8080", "[::1]:8080", "localhost:1"]
)
def test_our_name_and_plain_addresses_are_expected(host: str) -> None:
    assert is_expected(URL, scope(host))


@pytest.mark.parametrize(
    "hosts", [("evil.example",), ("calls.example.uz.evil.example",), (), ("a", "b"), ("[::",), *NOT_PLAIN]
)
def test_a_name_that_is_not_ours_is_refused(hosts: tuple[str, ...]) -> None:
    assert not is_expected(URL, scope(*hosts))
    assert is_expected("", scope(*hosts))
    assert is_expected(URL, scope(*hosts, path="/callbacks/alovoice/x"))


def test_web_answers_under_its_own_name_only(redis_server: Any, tmp_path: Path) -> None:
    web = Web(redis_server.url, tmp_path, PUBLIC_URL=URL, TRUSTED_PROXIES="127.0.0.1")
    try:
        evil = httpx.get(web.url, headers={"Host": "evil.example"})
        assert (evil.status_code, evil.json()["code"]) == (421, "wrong_host")
        ours = httpx.get(web.url, headers={"Host": "calls.example.uz", "X-Forwarded-Proto": "https"})
        assert ours.status_code == 200
        assert ours.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in httpx.get(web.url).headers
    finally:
        web.stop()


@pytest.mark.parametrize("path", ["/", "/v1/calls", "/v1/calls/none", "/v1/dnc", "/metrics", "/nowhere"])
def test_no_answer_is_kept_and_none_is_shared_with_another_site(web: Web, path: str) -> None:
    answer = web.http.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
