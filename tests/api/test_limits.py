"""How often a key may ask, and what happens to wrong ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alodial.settings import Settings
from alodial.web.rate_limit import RateLimiter, retry_after
from monitor.client import Operator
from web.conftest import API_KEY, OTHER_KEY, Web


@pytest.fixture
def web(settings: Settings, tmp_path: Path) -> Iterator[Web]:
    web = Web(settings.redis_url.get_secret_value(), tmp_path, API_REQUESTS_PER_SECOND="5")
    yield web
    web.stop()


def test_a_key_that_asks_too_often_waits_and_no_other_does(web: Web) -> None:
    answers = [web.http.get("/v1/calls") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 5 <= len(answers) - len(refused) < 12
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].json()["code"] == "too_many_requests"
    with web.client(OTHER_KEY) as other:
        assert other.get("/v1/calls").status_code == 200
    assert web.http.post(web.callback, json={"extid": "1"}).status_code == 200  # results are never kept waiting


def test_wrong_keys_are_kept_waiting_and_the_right_one_is_not(web: Web) -> None:
    with web.client("wrong-key") as wrong:
        codes = [wrong.get("/v1/calls").status_code for _ in range(25)]
    assert codes[:20] == [401] * 20
    assert 429 in codes[20:]
    assert web.http.get("/v1/calls").status_code == 200


def test_somebody_who_tries_keys_at_the_sign_in_has_to_wait(web: Web) -> None:
    visitor = Operator(web, None)
    answers = [visitor.sign_in(f"wrong-{n}") for n in range(13)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Too many wrong keys" in answers[-1].text


def test_wrong_keys_of_somebody_else_at_the_same_address_never_keep_a_right_one_out(web: Web) -> None:
    attacker, dispatcher = Operator(web, None), Operator(web, None)
    codes = [attacker.sign_in(f"wrong-{n}").status_code for n in range(15)]
    assert 429 in codes
    assert dispatcher.sign_in(API_KEY).status_code == 303
    assert "Stopped" in dispatcher.post("/stop", {"reason": "wrong list"}, page="/stop").text


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = RateLimiter(10, 3)
    assert [bucket.take("a", now=100.0) > 0 for _ in range(5)] == [False, False, False, True, True]
    assert bucket.take("a", now=100.1) == 0
    assert bucket.take("a", now=100.1) == pytest.approx(0.1)
    assert bucket.take("b", now=100.1) == 0
    assert sum(bucket.take("a", now=200 + n / 100) == 0 for n in range(1000)) == pytest.approx(103, abs=2)


def test_without_a_rate_everything_passes() -> None:
    bucket = RateLimiter(0, 1)
    assert all(bucket.take("a") == 0 for _ in range(1000))


def test_a_million_names_take_no_more_memory_than_ten_thousand() -> None:
    bucket = RateLimiter(1, 1, limit=100)
    for n in range(10_000):
        bucket.take(str(n), now=float(n))
    assert len(bucket._full_at) == 100


def test_retry_after_is_in_whole_seconds() -> None:
    assert [retry_after(seconds) for seconds in (0.01, 1.0, 1.2)] == ["1", "1", "2"]
