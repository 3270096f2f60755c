"""Keys that are made at run time: known to all processes in a moment, hashed in Redis, limited, rotated, revoked."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial.api_keys import ApiKeys
from alodial.errors import ConfigurationError, StoreUnavailable
from alodial.observability.diagnosis import diagnose
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.store.client import AsyncStore
from alodial.store.keys import Keys
from alodial.store.overview import read_async
from alodial.web.key_ring import KeyRing
from monitor.client import Operator, words_on
from waiting import wait_until

from .conftest import API_KEY, SECRET, TWO_WAY, Web

READ = "planted-reading-key-1c9e"


@pytest.fixture
def other_web(web: Web, redis_server: Any, tmp_path: Path) -> Iterator[Web]:
    """A second process on the same Redis."""
    other = Web(redis_server.url, tmp_path, API_KEYS=f"{API_KEY},{READ};name=eyes;roles=read")
    yield other
    other.stop()


def made(web: Web, name: str = "shop", **fields: Any) -> str:
    answer = web.http.post("/v1/keys", json={"name": name, "roles": ["submit", "read"]} | fields)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


def test_wrong_keys_from_many_addresses_are_a_finding(settings: Settings) -> None:
    async def run() -> int:
        store = AsyncStore(settings)
        ring = KeyRing(ApiKeys(()), store)
        ring.start()
        for n in range(30):
            ring.note_wrong(f"192.0.2.{n}")
        now = await store.call(read_async, settings)
        while not now.guessers:
            await asyncio.sleep(0.05)
            now = await store.call(read_async, settings)
        await ring.aclose()
        await store.aclose()
        assert "keys_guessed" in [finding.code for finding in diagnose(now)]
        return now.guessers

    assert 28 <= asyncio.run(run()) <= 32


def status(web: Web, key: str, path: str = "/v1/calls") -> int:
    with web.client(key) as http:
        return http.get(path).status_code


def test_a_new_key_works_in_every_process_and_redis_holds_its_hash_alone(
    web: Web, other_web: Web, redis_server: Any
) -> None:
    wait_until(lambda: status(other_web, "alodial_unknown-key-0000") == 401)
    key = made(web, own=True)
    assert key.startswith("alodial_")
    wait_until(lambda: status(other_web, key) == 200)
    with other_web.client(key) as shop:
        placed = shop.post("/v1/calls", json=TWO_WAY).json()
        assert shop.get(f"/v1/calls/{placed['id']}").json()["owner"] == "shop"
        assert shop.get("/v1/keys").status_code == 403
    with redis_server.client() as client:
        for name in client.scan_iter("*"):
            assert key.encode() not in (client.dump(name) or b"")
    listed = web.http.get("/v1/keys")
    assert key not in listed.text
    rows = {row["name"]: row for row in listed.json()["keys"]}
    assert rows["shop"]["state"] == "active"
    assert rows["#1"]["source"] == "settings"
    assert rows["#1"]["last_used_at"] is not None


def test_a_revoked_key_is_refused_by_every_process_and_its_name_is_never_given_again(web: Web, other_web: Web) -> None:
    key = made(web)
    wait_until(lambda: status(other_web, key) == 200)
    assert web.http.delete("/v1/keys/shop").json()["state"] == "revoked"
    assert status(web, key) == 401
    wait_until(lambda: status(other_web, key) == 401)
    again = web.http.post("/v1/keys", json={"name": "shop", "roles": ["read"]})
    assert (again.status_code, again.json()["code"]) == (409, "key_exists")
    assert web.http.delete("/v1/keys/nobody").status_code == 404


def test_a_key_ends_when_it_expires(web: Web) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    key = made(web, "brief", expires_at=soon)
    wait_until(lambda: status(web, key) == 401)
    past = web.http.post("/v1/keys", json={"name": "late", "roles": ["read"], "expires_at": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422
    assert past.json()["errors"][0]["field"] == "expires_at"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Ключ"}, "name"),
        ({"name": 7}, "name"),
        ({"roles": ["boss"]}, "roles"),
        ({"roles": []}, "roles"),
        ({"roles": "read"}, "roles"),
        ({"limits": {"daily_calls": "many"}}, "limits"),
        ({"limits": {"colour": "red"}}, "limits"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_field(web: Web, change: dict[str, Any], field: str) -> None:
    answer = web.http.post("/v1/keys", json={"name": "shop", "roles": ["read"]} | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_nobody_gives_more_than_they_have(other_web: Web) -> None:
    operator = made(other_web, "stopper", roles=["operate"])
    with other_web.client(operator) as http:
        assert http.post("/v1/keys", json={"name": "more", "roles": ["submit"]}).status_code == 403
    with other_web.client(READ) as http:
        assert http.get("/v1/keys").status_code == 403
        assert http.post("/v1/keys", json={"name": "more", "roles": ["read"]}).status_code == 403


def test_the_page_of_keys_makes_rotates_and_revokes(web: Web) -> None:
    operator = Operator(web)
    page = operator.post("/keys", {"name": "aziza", "role_read": "on", "daily_calls": "10"}, page="/keys")
    first = page.text.partition('id="secret" data-copied>')[2].partition("<")[0]
    assert first.startswith("alodial_")
    assert "daily_calls=10" in words_on(page)
    person = Operator(web, first)
    assert "key:aziza" in words_on(person.get("/"))
    assert person.get("/keys").status_code == 403
    time.sleep(1.1)  # a session knows its second
    page = operator.post("/keys/aziza/rotate", page="/keys")
    second = page.text.partition('id="secret" data-copied>')[2].partition("<")[0]
    wait_until(lambda: status(web, first) == 401)
    wait_until(lambda: 'name="key"' in person.get("/").text)
    assert status(web, second) == 200
    assert operator.post("/keys/aziza/revoke", page="/keys").status_code == 303
    assert status(web, second) == 401
    assert operator.post("/keys", {"name": "aziza", "role_read": "on"}, page="/keys").status_code == 422
    assert first not in web.log.read_text()


@pytest.mark.parametrize("name", ["api_keys", "callback_secret"])
def test_a_secret_that_can_be_guessed_is_refused_at_the_start(settings: Settings, name: str) -> None:
    for secret in ("a", "fifteen-letters"):
        weak = Settings(_env_file=None, **{name: secret, "redis_url": settings.redis_url})  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=f"ALODIAL_{name.upper()}: entry 1 is shorter than 16") as error:
            create_app(weak)
        assert len(secret) < 2 or secret not in str(error.value)
    create_app(Settings(_env_file=None, api_keys=API_KEY, callback_secret=SECRET))  # type: ignore[call-arg, arg-type]


def test_without_redis_the_keys_that_are_known_stay_valid(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        ring = KeyRing(ApiKeys(settings.api_keys), AsyncStore(settings))

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(AsyncStore, "call", away)
        assert await ring.look_up("alodial_unknown") is None
        assert await ring.look_up(API_KEY) is not None
        await ring.aclose()

    asyncio.run(run())


def test_a_look_up_that_takes_no_end_for_an_answer_does_not_keep_web_from_ending(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        ring = KeyRing(ApiKeys(settings.api_keys), AsyncStore(settings))

        async def stubborn(*_: object) -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return ""

        monkeypatch.setattr(AsyncStore, "call", stubborn)
        ring.start()
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            await ring.aclose()

    asyncio.run(run())


def test_a_key_of_before_a_limit_gets_its_default_and_pacers_know_what_binds_it(web: Web, redis_server: Any) -> None:
    keys = Keys()
    key = made(web, own=True, limits={"daily_calls": "5"})
    made(web, "lifted", own=True, limits={"initiator_cap": "0"})
    with redis_server.client() as client:
        record = client.hget(keys.KEYS, "shop").decode()
        client.hset(keys.KEYS, "shop", record.replace("initiator_cap=120/1h;", ""))
        client.set(keys.KEYS_VERSION, "another")
        wait_until(lambda: client.hget(keys.KEYS_LIMITS, "shop") is not None)
        wait_until(lambda: b"shop 10 3600 120 3600" in client.hget(keys.KEYS_LIMITS, "shop"))
        assert client.hget(keys.KEYS_LIMITS, "shop").startswith(b"shop 5 10 3600 120 3600;")
    limits = {row["name"]: row["limits"] for row in web.http.get("/v1/keys").json()["keys"]}
    assert "initiator_cap=120/1h" in limits["shop"]
    assert "initiator_cap=120/1h" not in limits["lifted"]
    assert status(web, key) == 200
