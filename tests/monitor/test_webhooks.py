"""Webhook endpoints in the monitor, on the HTTP interface and on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import webhooks
from web.conftest import Web

from .client import Operator, words_on

URL = "https://shop.example/hook?token=secret-in-query"
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}


@pytest.fixture
def web(settings: Settings, tmp_path: Path) -> Iterator[Web]:
    web = Web(
        settings.redis_url.get_secret_value(),
        tmp_path,
        WEBHOOKS=URL,
        WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    yield web
    web.stop()


@pytest.fixture
def endpoint(web: Web, queue: CallQueue) -> str:
    """Served once, with three events parked while it was off."""
    id: str = web.http.get("/v1/webhooks").json()["endpoints"][0]["id"]
    queue.store.run(webhooks.pull(id, "https://shop.example/hook", room=0, lease=1))
    queue.store.call(webhooks.disable, id, "failing")
    for _ in range(3):
        queue.enqueue(TWO_WAY)
    queue.store.run(webhooks.pull(id, "https://shop.example/hook", room=0, lease=1))
    return id


def _one(web: Web) -> dict[str, Any]:
    (one,) = web.http.get("/v1/webhooks").json()["endpoints"]
    return dict(one)


def test_an_endpoint_that_no_worker_has_served_is_there_and_its_query_is_not(web: Web) -> None:
    told = _one(web)
    assert (told["url"], told["enabled"], told["seen_at"]) == ("https://shop.example", True, None)
    assert "secret-in-query" not in json.dumps(told)
    shown = words_on(Operator(web).get("/webhooks"))
    assert "not served yet" in shown
    assert "secret-in-query" not in shown


def test_an_endpoint_that_is_off_is_switched_on_and_gets_what_was_parked(web: Web, endpoint: str) -> None:
    operator = Operator(web)
    shown = words_on(operator.get("/webhooks"))
    assert "switched off" in shown
    assert "it failed for five days" in shown
    assert "Send 3 parked events" not in shown  # not to one that is off
    assert "Switched on." in words_on(operator.post(f"/webhooks/{endpoint}/enable"))
    assert "Send 3 parked events" in words_on(operator.get("/webhooks"))
    assert "3 events are on their way." in words_on(operator.post(f"/webhooks/{endpoint}/resend"))
    assert (_one(web)["parked"], _one(web)["waiting"]) == (0, 3)
    for act in ("webhooks.enabled", "webhooks.resent"):
        assert len(web.logged("operator.acted", act)) == 1


def test_the_last_hour_is_sent_again_from_the_monitor(web: Web, endpoint: str) -> None:
    operator = Operator(web)
    operator.post(f"/webhooks/{endpoint}/enable")
    assert "3 events are on their way." in words_on(operator.post(f"/webhooks/{endpoint}/resend", {"span": "1h"}))
    assert _one(web)["parked"] == 3


def test_over_http_an_endpoint_is_switched_and_one_calls_events_are_sent_again(
    web: Web, endpoint: str, queue: CallQueue
) -> None:
    call = queue.enqueue(TWO_WAY)
    assert web.http.post(f"/v1/webhooks/{endpoint}/enable").json()["enabled"] is True
    assert web.http.post(f"/v1/webhooks/{endpoint}/resend", json={"call": call.extid}).json() == {"events": 1}
    assert web.http.post(f"/v1/webhooks/{endpoint}/resend", json={"call": call.id}).json() == {"events": 0}  # it waits
    assert web.http.post(f"/v1/webhooks/{endpoint}/resend", json={"parked": True}).json() == {"events": 3}
    assert web.http.post(f"/v1/webhooks/{endpoint}/disable").json()["off_reason"] == "operator"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ([], ""),
        ({"since": "x"}, "since"),
        ({"since": -1}, "since"),
        ({"parked": 1}, "parked"),
        ({"x": 1}, "x"),
    ],
)
def test_an_invalid_request_names_its_field(web: Web, endpoint: str, body: Any, field: str) -> None:
    answer = web.http.post(f"/v1/webhooks/{endpoint}/resend", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_there_is_no_such_endpoint(web: Web) -> None:
    assert web.http.post("/v1/webhooks/abcdef/enable").status_code == 404
    assert Operator(web).post("/webhooks/abcdef/enable").status_code == 404


@pytest.mark.parametrize("act", ["enable", "disable", "test", "resend"])
def test_a_form_of_another_site_does_nothing(web: Web, endpoint: str, act: str) -> None:
    operator = Operator(web)
    assert operator.http.post(f"/webhooks/{endpoint}/{act}", data={}).status_code == 403
    foreign = operator.post(f"/webhooks/{endpoint}/{act}", Origin="https://elsewhere.example")
    assert foreign.status_code == 403
    assert _one(web)["enabled"] is False
