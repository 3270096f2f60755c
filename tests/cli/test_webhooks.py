"""``alodial webhooks`` and ``alodial events resend``."""

from base64 import b64decode

import pytest

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import webhooks

from .conftest import Alodial

URL = "https://shop.example/hook?token=secret-in-query"


@pytest.fixture
def endpoint(environment: pytest.MonkeyPatch, alodial: Alodial) -> str:
    environment.setenv("ALODIAL_WEBHOOKS", URL)
    environment.setenv("ALODIAL_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    id: str = alodial("webhooks", "list", "--json").documents[0]["id"]
    return id


def test_endpoints_are_listed_without_their_tokens(endpoint: str, alodial: Alodial) -> None:
    done = alodial("webhooks", "list")
    assert done.code == 0
    assert endpoint in done.out
    assert "not served yet" in done.out
    assert "secret-in-query" not in done.out + done.err


def test_without_endpoints_there_is_a_message(alodial: Alodial) -> None:
    done = alodial("webhooks", "list")
    assert (done.code, done.out) == (0, "")
    assert "ALODIAL_WEBHOOKS is empty" in done.err


def test_parked_events_are_sent_after_the_endpoint_is_enabled(
    endpoint: str, alodial: Alodial, settings: Settings
) -> None:
    assert alodial("webhooks", "disable", endpoint[:6]).code == 0
    with CallQueue(settings=settings) as queue:
        queue.store.run(webhooks.pull(endpoint, "https://shop.example/hook", room=0, lease=1))
        queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]})
        queue.store.run(webhooks.pull(endpoint, "https://shop.example/hook", room=0, lease=1))
    on = alodial("webhooks", "enable", endpoint)
    assert f"alodial events resend --endpoint {endpoint} --parked" in on.err
    sent = alodial("events", "resend", "--endpoint", endpoint, "--parked", "--json")
    assert sent.documents == [{"endpoint": endpoint, "events": 1}]
    again = alodial("events", "resend", "--all", "--since", "1h", "--json")
    assert again.documents == [{"endpoint": endpoint, "events": 0}]  # it waits already


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ((), "--endpoint"),
        (("--all",), "--parked"),
        (("--all", "--endpoint", "abcd", "--parked"), "--all"),
        (("--all", "--parked", "--since", "1h"), "--parked"),
        (("--all", "--since", "yesterday"), "--since"),
    ],
)
def test_a_resend_without_endpoint_or_selection_is_refused(
    endpoint: str, alodial: Alodial, words: tuple[str, ...], about: str
) -> None:
    done = alodial("events", "resend", *words)
    assert done.code == 2
    assert about in done.err


def test_an_unknown_endpoint_is_an_error_with_a_hint(endpoint: str, alodial: Alodial) -> None:
    done = alodial("webhooks", "enable", "abcdef")
    assert done.code == 1
    assert "hint: alodial webhooks list" in done.err


def test_a_test_event_without_a_worker_is_an_error(endpoint: str, alodial: Alodial) -> None:
    done = alodial("webhooks", "test", endpoint, "--timeout", "0.2", "--json")
    assert done.code == 1
    assert done.documents[0]["outcome"] == "waiting"
    assert "are workers running" in done.err


def test_a_secret_is_of_24_bytes_and_new_each_time(alodial: Alodial) -> None:
    made = [alodial("webhooks", "secret").out.strip() for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(b64decode(one.removeprefix("whsec_"))) == 24 for one in made)


def test_doctor_checks_the_endpoints(environment: pytest.MonkeyPatch, alodial: Alodial) -> None:
    environment.setenv("ALODIAL_WEBHOOKS", "http://10.0.0.1/")
    done = alodial("doctor", "--json")
    told = {one["name"]: one for one in done.documents if "name" in one}
    assert told["webhooks"]["level"] == "error"
    assert "10.0.0.1" not in told["webhooks"]["message"]
