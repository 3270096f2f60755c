"""Endpoints that are added and removed while workers run."""

from collections.abc import Callable

import pytest
from standardwebhooks.webhooks import Webhook

from alodial import CallQueue
from alodial.errors import InvalidEndpoint, NoEndpoint
from alodial.settings import Settings
from alodial.store import added_endpoints, webhooks
from alodial.store.keys import Keys
from alodial.store.sansio import run
from waiting import wait_until

from .conftest import relay, with_hooks
from .receiver import Receiver, status

keys = Keys()

URL = "https://shop.example/hook?token=secret-in-query"


def test_a_running_worker_serves_an_added_endpoint_with_its_own_secret_and_forgets_a_removed_one(
    settings: Settings, queue: CallQueue, place: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alodial_workers.webhooks.dispatcher.RELOAD_EVERY", 0.05)
    with Receiver() as receiver, CallQueue(settings=with_hooks(settings, "")) as ours, relay(with_hooks(settings, "")):
        id, secret = ours.endpoints.add(receiver.url)
        wait_until(lambda: queue.endpoints.find(id).seen_at is not None)
        call = place()
        wait_until(lambda: len(receiver.got) == 1)
        assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["subject"] == call
        wait_until(lambda: len(queue.endpoints.history(id).tries) == 1)
        tried = queue.endpoints.history(id).tries[0]
        assert (tried.type, tried.call, tried.outcome, tried.status, tried.number) == (
            "alodial.call.queued",
            call,
            "ok",
            204,
            1,
        )
        queue.endpoints.remove(id)
        wait_until(lambda: queue.store.redis.keys(f"{keys.webhook(id)}*") == [keys.webhook(id, "gone").encode()])
        place()
        assert queue.endpoints.list() == []


def test_a_worker_that_has_not_noticed_makes_no_queue_for_a_removed_endpoint(queue: CallQueue) -> None:
    id, _ = queue.endpoints.add(URL)
    queue.endpoints.remove(id)
    pulled = queue.store.run(webhooks.pull(id, "https://shop.example", room=5, lease=1))
    assert (pulled.wait, pulled.deliveries) == (None, [])
    queue.store.run(webhooks.record_tries(id, [webhooks.DeliveryTry("x", "ok", None, 200, 0.1, "")]))
    assert queue.endpoints.list() == []
    assert queue.store.redis.keys(f"{keys.webhook(id)}*") == [keys.webhook(id, "gone").encode()]
    assert queue.endpoints.add(URL)[0] == id  # added again, it is served again
    queue.store.run(webhooks.pull(id, "https://shop.example", room=5, lease=1))
    assert queue.endpoints.find(id).seen_at is not None


def test_an_added_endpoint_is_refused_with_what_is_wrong_and_never_with_its_url(
    queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.endpoints.add(URL)
    for url, code in (
        (URL, "url_known"),
        ("http://shop.example/", "url_not_https"),
        ("https://shop.example:22/", "url_port"),
        ("https://a:secret-in-query@shop.example/", "url_user"),
        ("nothing", "url_unreadable"),
    ):
        with pytest.raises(InvalidEndpoint) as refused:
            queue.endpoints.add(url)
        assert refused.value.code == code
        assert "secret-in-query" not in str(refused.value)
    monkeypatch.setattr(added_endpoints, "MAX_ADDED", 1)
    with pytest.raises(InvalidEndpoint, match="remove others"):
        queue.endpoints.add("https://other.example/")


def test_an_endpoint_of_the_settings_is_not_removed_and_not_added_twice(settings: Settings) -> None:
    with CallQueue(settings=with_hooks(settings, URL)) as queue:
        with pytest.raises(InvalidEndpoint, match="already"):
            queue.endpoints.add(URL)
        with pytest.raises(NoEndpoint):
            queue.endpoints.remove(queue.endpoints.list()[0].id)


def test_failed_tries_say_when_the_next_is_and_what_waits(
    settings: Settings, queue: CallQueue, place: Callable[[], str]
) -> None:
    with Receiver(status(500)) as receiver, relay(with_hooks(settings, receiver.url)):
        call = place()
        wait_until(lambda: queue.endpoints.list()[0].failed == 1)
        history = queue.endpoints.history(queue.endpoints.list()[0].id)
    assert [(tried.status, tried.why, tried.number) for tried in history.tries] == [(500, "http_500", 1)]
    assert history.tries[0].next_at is not None
    assert [(event.call, event.type, event.tries) for event in history.waiting] == [(call, "alodial.call.queued", 1)]
    assert history.parked == []


def test_the_tries_that_are_remembered_are_bounded(queue: CallQueue) -> None:
    endpoint = "0123456789ab"
    queue.store.run(webhooks.pull(endpoint, "https://shop.example", room=0, lease=1))
    for _ in range(5):
        tries = [webhooks.DeliveryTry(str(n), "failed", 5, 500, 0.1, "http_500", "t", "c") for n in range(300)]
        queue.store.run(webhooks.record_tries(endpoint, tries))
    assert queue.store.redis.xlen(keys.webhook(endpoint, "tried")) <= webhooks.MAX_TRIED + 100
    assert len(run(queue.store.redis, webhooks.history_steps(keys, endpoint, 50)).tries) == 50
