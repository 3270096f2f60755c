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


def test_an_endpoint_is_added_its_secret_is_shown_once_and_it_is_removed_after_a_question(web: Web) -> None:
    operator = Operator(web)
    answer = operator.post("/webhooks", {"url": "https://crm.example/hooks?token=secret-in-query"})
    assert "https://crm.example was added." in words_on(answer)
    assert "whsec_" in answer.text
    shown = operator.get("/webhooks").text
    assert "https://crm.example" in shown
    assert "whsec_" not in shown
    assert "secret-in-query" not in shown
    id = next(e["id"] for e in web.http.get("/v1/webhooks").json()["endpoints"] if e["url"] == "https://crm.example")
    assert "Remove https://crm.example?" in words_on(operator.post(f"/webhooks/{id}/remove"))
    assert len(web.http.get("/v1/webhooks").json()["endpoints"]) == 2
    assert "Removed." in words_on(operator.post(f"/webhooks/{id}/remove", {"sure": "yes"}))
    assert _one(web)["url"] == "https://shop.example"
    assert id in web.logged("operator.acted", "webhooks.added")[0]
    assert operator.post(f"/webhooks/{_one(web)['id']}/remove", {"sure": "yes"}).status_code == 404  # of the settings
    assert operator.get("/webhooks/abcdef").status_code == 404


@pytest.mark.parametrize(
    ("language", "words"), [("en", "is not https"), ("ru", "адрес не https"), ("uz", "manzil https emas")]
)
def test_an_address_that_cannot_be_used_comes_back_with_what_is_wrong(web: Web, language: str, words: str) -> None:
    answer = Operator(web, language=language).post("/webhooks", {"url": "http://crm.example/"})
    assert answer.status_code == 422
    assert words in words_on(answer)
    assert 'value="http://crm.example/"' in answer.text


def test_nobody_adds_an_endpoint_without_the_role_or_from_another_site(web: Web, queue: CallQueue) -> None:
    reader = web.http.post("/v1/keys", json={"name": "reader", "roles": ["read"]}).json()["key"]
    url = {"url": "https://crm.example/"}
    assert Operator(web, reader).post("/webhooks", url).status_code == 403
    assert 'name="url"' not in Operator(web, reader).get("/webhooks").text
    operator = Operator(web)
    assert operator.http.post("/webhooks", data=url).status_code == 403
    assert operator.post("/webhooks", url, Origin="https://elsewhere.example").status_code == 403
    assert queue.endpoints.added() == ()


def test_the_deliveries_of_an_endpoint_are_seen(web: Web, endpoint: str, queue: CallQueue) -> None:
    queue.endpoints.enable(endpoint)
    call = queue.enqueue(TWO_WAY)
    pulled = queue.store.run(webhooks.pull(endpoint, "https://shop.example", room=5, lease=30)).deliveries
    names = webhooks.event_names(pulled[0].event)
    failed = webhooks.DeliveryTry(pulled[0].id, "failed", 300.0, 0, 15.0, "timeout", *names)
    queue.store.run(webhooks.record_tries(endpoint, [failed]))
    page = Operator(web).get(f"/webhooks/{endpoint}")
    shown = words_on(page)
    assert "alodial.call.queued" in shown
    assert "no answer in time 15 s 1" in shown
    assert f'href="/calls/{call.id}"' in page.text
    assert "1 event waits" in shown
    assert "3 parked events" in shown
    assert "endpoint off" in shown  # why they are parked
    assert "Last answer: no answer in time" in words_on(Operator(web).get("/webhooks"))
    reader = words_on(Operator(web, language="ru").get(f"/webhooks/{endpoint}"))
    assert "нет ответа вовремя" in reader
    assert "3 отложенных события" in reader


@pytest.mark.parametrize("act", ["enable", "disable", "test", "resend", "remove"])
def test_a_form_of_another_site_does_nothing(web: Web, endpoint: str, act: str) -> None:
    operator = Operator(web)
    assert operator.http.post(f"/webhooks/{endpoint}/{act}", data={}).status_code == 403
    foreign = operator.post(f"/webhooks/{endpoint}/{act}", Origin="https://elsewhere.example")
    assert foreign.status_code == 403
    assert _one(web)["enabled"] is False
