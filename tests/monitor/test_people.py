"""People whom a trusted proxy signs in: their name and groups come in headers, from that proxy alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial.errors import ConfigurationError
from alodial.monitor.people import TrustedPeople, read_group_roles
from alodial.settings import Settings
from web.conftest import API_KEY, Web

from .client import TOKEN, words_on

PROXY = {"TRUSTED_USER_HEADER": "X-Forwarded-User", "GROUP_ROLES": "dispatchers=submit+read,admins=read+operate"}


def person(web: Web, name: str, groups: str = "dispatchers", **headers: str) -> httpx.Client:
    sent = {"Origin": web.url, "X-Forwarded-User": name, "X-Forwarded-Groups": groups} | headers
    return httpx.Client(base_url=web.url, headers=sent, timeout=20, trust_env=False)


@pytest.fixture
def behind_proxy(settings: Settings, redis_server: Any, tmp_path: Path) -> Iterator[Web]:
    web = Web(redis_server.url, tmp_path, TRUSTED_PROXIES="127.0.0.1", **PROXY)
    yield web
    web.stop()


def test_a_person_is_signed_in_by_the_proxy_with_the_roles_of_their_groups(behind_proxy: Web) -> None:
    with person(behind_proxy, "aziza@example.uz") as aziza, person(behind_proxy, "boss", "admins") as boss:
        page = aziza.get("/")
        assert "user:aziza@example.uz" in words_on(page)
        assert 'href="/stop"' not in page.text
        token = TOKEN.search(page.text)
        assert token is not None
        assert aziza.post("/stop", data={"form_token": token[1]}).status_code == 403
        token = TOKEN.search(boss.get("/stop").text)
        assert token is not None
        assert boss.post("/stop", data={"form_token": token[1], "reason": "wrong list"}).status_code == 200
        assert "user:boss" in words_on(boss.get("/audit"))
        # Groups count as they are now, and another name does not get this session.
        assert boss.get("/audit", headers={"X-Forwarded-Groups": "dispatchers"}).status_code == 403
        boss.headers["X-Forwarded-User"] = "somebody"
        assert "user:somebody" in words_on(boss.get("/calls"))


def test_without_the_header_a_persons_session_opens_nothing(behind_proxy: Web) -> None:
    with person(behind_proxy, "aziza") as aziza:
        aziza.get("/")
        cookie = aziza.cookies["alodial_session"]
    plain = httpx.get(behind_proxy.url, cookies={"alodial_session": cookie})
    assert 'name="key"' in plain.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": ""},
        {"X-Forwarded-User": "x" * 200},
        {"X-Forwarded-User": "aziza (key:boss)"},
        {"X-Forwarded-Groups": "strangers"},
        {"X-Forwarded-Groups": ""},
    ],
)
def test_a_name_that_is_none_and_groups_without_roles_open_nothing(behind_proxy: Web, headers: dict[str, str]) -> None:
    with person(behind_proxy, "aziza") as http:
        assert 'name="key"' in http.get("/", headers=headers).text


def test_the_header_of_anybody_but_the_proxy_is_ignored(settings: Settings, redis_server: Any, tmp_path: Path) -> None:
    web = Web(redis_server.url, tmp_path, TRUSTED_PROXIES="10.0.0.0/8", **PROXY)
    try:
        with person(web, "boss", "admins") as forged:
            assert 'name="key"' in forged.get("/").text
            assert forged.get("/calls").status_code == 303
    finally:
        web.stop()


def test_settings_that_would_trust_everybody_or_nobody_are_refused() -> None:
    def made(**values: Any) -> TrustedPeople:
        return TrustedPeople(Settings(_env_file=None, api_keys=API_KEY, **values))

    with pytest.raises(ConfigurationError, match="ALODIAL_TRUSTED_USER_HEADER: needs ALODIAL_TRUSTED_PROXIES"):
        made(trusted_user_header="Remote-User", group_roles="a=read")
    with pytest.raises(ConfigurationError, match="ALODIAL_GROUP_ROLES: is not set"):
        made(trusted_user_header="Remote-User", trusted_proxies="10.0.0.1")
    for text in ("admins", "admins=boss", "=read"):
        with pytest.raises(ConfigurationError, match="ALODIAL_GROUP_ROLES"):
            read_group_roles((text,))
    assert read_group_roles(("a=read", "a=submit")) == {"a": frozenset({"read", "submit"})}
