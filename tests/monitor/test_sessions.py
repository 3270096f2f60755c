"""Sessions: shared by all web processes, listed, ended, and asked for their key again before what concerns everybody."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial import CallQueue
from alodial.monitor.session import CHECK_SECONDS, form_token
from alodial.store.holds import stopped
from alodial.store.keys import Keys
from web.conftest import API_KEY, OTHER_KEY, Web

from .client import Operator, words_on

keys = Keys()

READ = "planted-reading-key-1c9e"


@pytest.fixture
def other_web(web: Web, redis_server: Any, tmp_path: Path) -> Iterator[Web]:
    """A second process on the same Redis, with a key that may only read."""
    other = Web(redis_server.url, tmp_path, API_KEYS=f"{API_KEY},{OTHER_KEY},{READ};name=eyes;roles=read")
    yield other
    other.stop()


def grow_old(queue: CallQueue, seconds: int) -> None:
    """Makes all sessions' keys look as if they had been given that much earlier."""
    for name in queue.store.redis.scan_iter(keys.session("*")):
        record = json.loads(queue.store.redis.get(name) or b"")
        queue.store.redis.set(name, json.dumps(record | {"checked": record["checked"] - seconds}), ex=1000)


def test_who_signs_out_is_signed_out_of_every_process(web: Web, other_web: Web) -> None:
    here = Operator(web)
    there = Operator(other_web, None)
    there.http.cookies.update(here.http.cookies)
    assert 'name="key"' not in there.get("/").text
    assert here.post("/sign-out").status_code == 303
    assert 'name="key"' in there.get("/").text


def test_a_session_outlives_a_restart_of_web(web: Web, other_web: Web, redis_server: Any, tmp_path: Path) -> None:
    operator = Operator(other_web)
    other_web.stop()
    again = Web(redis_server.url, tmp_path, API_KEYS=API_KEY)
    try:
        later = Operator(again, None)
        later.http.cookies.update(operator.http.cookies)
        assert 'name="key"' not in later.get("/").text
    finally:
        again.stop()


def test_nothing_in_cookies_and_forms_is_made_from_a_key(web: Web) -> None:
    operator = Operator(web, None)
    page = operator.get("/")
    visit, token = operator.http.cookies["alodial_visit"], re.search(r'form_token" value="(\w+)"', page.text)
    assert token is not None
    # A token that can be made from the cookie alone says nothing about the keys.
    assert token[1] == form_token(visit)
    operator.sign_in(API_KEY)
    assert re.fullmatch(r"[\w-]{43}", operator.http.cookies["alodial_session"])


def test_sign_out_everywhere_ends_all_sessions_of_the_key_and_no_other(web: Web) -> None:
    first, second, stranger = Operator(web, name="Aziza"), Operator(web, name="Bobur"), Operator(web, OTHER_KEY)
    text = words_on(first.get("/sessions"))
    assert "key:#1 (Aziza) · this session" in text
    assert "key:#1 (Bobur)" in text
    assert "127.0.0.1" in text
    assert first.post("/sessions/end", {"which": "everywhere"}).status_code == 303
    assert 'name="key"' in first.get("/").text
    assert 'name="key"' in second.get("/").text
    assert 'name="key"' not in stranger.get("/").text


def test_a_session_is_ended_from_another_and_readers_see_only_their_own(web: Web, other_web: Web) -> None:
    first, second = Operator(other_web, name="Aziza"), Operator(other_web, name="Bobur")
    reader = Operator(other_web, READ)
    assert "(Aziza)" not in words_on(reader.get("/sessions"))
    page = first.get("/sessions").text
    row = next(row for row in page.split("<tr>") if "(Bobur)" in row)
    session = re.search(r'name="session" value="(\w+)"', row)
    assert session is not None
    reader.post("/sessions/end", {"session": session[1]})
    assert 'name="key"' not in second.get("/").text
    first.post("/sessions/end", {"session": session[1]})
    assert 'name="key"' in second.get("/").text
    assert 'name="key"' not in first.get("/").text


def test_after_an_hour_the_emergency_stop_asks_for_the_key_again(web: Web, queue: CallQueue) -> None:
    operator = Operator(web)
    assert 'name="key"' not in operator.get("/stop").text
    grow_old(queue, CHECK_SECONDS + 60)
    assert 'name="key"' in operator.get("/stop").text
    for wrong in ("", OTHER_KEY, "planted-wrong-key-5521"):
        answer = operator.post("/stop", {"reason": "x", "key": wrong}, page="/stop")
        assert answer.status_code == 403
        assert "not the key you signed in with" in words_on(answer)
    assert queue.store.call(stopped) is None
    for n in range(15):
        operator.post("/stop", {"key": f"planted-wrong-{n}"}, page="/stop")
    answer = operator.post("/stop", {"reason": "wrong list", "key": API_KEY}, page="/stop")  # no lockout hinders it
    assert answer.status_code == 200
    assert queue.store.call(stopped) == "wrong list"
    operator.post("/stop/resume", page="/stop")
    assert 'name="key"' not in operator.get("/stop").text


def test_after_an_hour_redialling_all_asks_for_the_key_again(web: Web, queue: CallQueue, stage: Any) -> None:
    stage.place(reference="a-1")
    stage.settle("rejected", "status_404")
    operator = Operator(web)
    grow_old(queue, CHECK_SECONDS + 60)
    assert 'name="key"' in operator.get("/calls/redial?state=rejected").text
    assert operator.post("/calls/redial", {"state": "rejected"}).status_code == 403
    assert queue.store.redis.hget(keys.COUNTS, "queued") in (None, b"0")
    assert operator.post("/calls/redial", {"state": "rejected", "key": API_KEY}).status_code == 303
    assert queue.store.redis.hget(keys.COUNTS, "queued") == b"1"


def test_after_an_hour_a_new_key_asks_for_the_key_again(web: Web, queue: CallQueue) -> None:
    operator = Operator(web)
    grow_old(queue, CHECK_SECONDS + 60)
    refused = operator.post("/keys", {"name": "aziza", "role_read": "on"}, page="/keys")
    assert refused.status_code == 403
    assert "not the key you signed in with" in words_on(refused)
    made = operator.post("/keys", {"name": "aziza", "role_read": "on", "key": API_KEY}, page="/keys")
    assert 'id="secret"' in made.text


def test_why_a_key_cannot_be_made_is_said_in_the_language_of_the_page(web: Web) -> None:
    russian = Operator(web, language="ru")
    wrong = russian.post("/keys", {"name": "Aziza K.", "role_read": "on"}, page="/keys")
    assert wrong.status_code == 422
    assert "имя ключа не подходит; пишите буквы a–z, цифры 0–9, - и _, не больше 32 знаков" in words_on(wrong)
    for limit, said in (
        ("daily_calls", "daily_calls: напишите целое число, 0 — без предела; исправьте или уберите"),
        ("recipient_cap", "recipient_cap: напишите звонки/время, например 3/1d или 1/2h; исправьте или уберите"),
    ):
        unlimited = russian.post("/keys", {"name": "aziza", "role_read": "on", limit: "!"}, page="/keys")
        assert said in words_on(unlimited)
    assert russian.post("/keys", {"name": "aziza", "role_read": "on"}, page="/keys").status_code == 200
    again = russian.post("/keys", {"name": "aziza", "role_read": "on"}, page="/keys")
    assert "ключ aziza есть или был, и звонки числятся за ним" in words_on(again)
