"""Events reach other people's servers: signed, at least once, and nobody's trouble is somebody else's."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import structlog
from standardwebhooks.webhooks import Webhook

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import webhooks
from alodial.store.keys import Keys
from alodial_workers.main import OTHER_FILES
from alodial_workers.webhooks import dispatcher
from alodial_workers.webhooks.dispatcher import MAX_TOGETHER, MAX_UNDER_WAY, share_of
from alodial_workers.webhooks.http_post import EndpointClient, WebhookAnswer
from waiting import wait_until

from .conftest import SECRET, relay, with_hooks
from .receiver import OK, Receiver, status

keys = Keys()

Place = Callable[[], str]


def health(queue: CallQueue) -> webhooks.EndpointHealth:
    return queue.store.run_steps(webhooks.health_steps)[0]


def test_an_event_arrives_as_it_is_in_the_stream_signed_as_standard_webhooks_wants(
    settings: Settings, place: Place, queue: CallQueue
) -> None:
    with Receiver() as receiver, relay(with_hooks(settings, receiver.url)):
        call = place()
        wait_until(lambda: len(receiver.got) == 1)
        got = receiver.got[0]
        assert Webhook(SECRET).verify(got.body, got.headers)["subject"] == call
        assert got.head == "POST /hook?token=secret-in-query HTTP/1.1"
        assert got.headers["content-type"] == "application/cloudevents+json"
        assert got.id == json.loads(got.body)["id"]
        assert got.body == queue.store.redis.xrange(keys.EVENTS)[0][1][b"event"]
        wait_until(lambda: health(queue).delivered == 1)
        endpoint = health(queue)
        assert (endpoint.waiting, endpoint.parked, endpoint.enabled, endpoint.last_status) == (0, 0, True, 204)
        assert "secret-in-query" not in endpoint.url


def test_both_secrets_sign_while_one_is_changed(settings: Settings, place: Place) -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    both = with_hooks(settings, "", webhook_secret=f"{other},{SECRET}")
    with Receiver() as receiver, relay(with_hooks(both, receiver.url, webhook_secret=f"{other},{SECRET}")):
        place()
        wait_until(lambda: len(receiver.got) == 1)
        for secret in (other, SECRET):
            Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)


def test_connections_are_kept_and_a_closed_one_is_replaced(settings: Settings, place: Place) -> None:
    with Receiver() as receiver, relay(with_hooks(settings, receiver.url)):
        for n in range(5):
            place()
            wait_until(lambda n=n: len(receiver.got) == n + 1)  # type: ignore[misc]
        assert receiver.connections == 1
        receiver.say = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        place()
        wait_until(lambda: len(receiver.got) == 6)
        receiver.say = OK
        place()
        wait_until(lambda: len(receiver.got) == 7)
        assert receiver.connections == 2


@pytest.mark.parametrize(
    ("say", "problem"),
    [
        (status(500), "http_500"),
        (status(302, "location: https://example.com/"), "redirect"),
        (status(307, "location: http://127.0.0.1:1/"), "redirect"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "no_http"),
        (b"HTTP/1.1 2", "no_connection"),
        (b"", "no_connection"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000, "no_connection"),
        (lambda _got: 5.0, "timeout"),
    ],
)
def test_an_answer_that_is_none_is_tried_again_in_five_seconds(
    settings: Settings, place: Place, queue: CallQueue, say: bytes, problem: str
) -> None:
    with Receiver(say) as receiver, relay(with_hooks(settings, receiver.url, webhook_timeout=0.5)):
        place()
        wait_until(lambda: health(queue).failed == 1)
        endpoint = health(queue)
        assert (endpoint.last_problem, endpoint.waiting) == (problem, 1)
        due = queue.store.redis.zrange(keys.webhook(endpoint.id, "due"), 0, 0, withscores=True)[0][1]
        assert 3500 < float(due) - time.time() * 1000 < 5600
        receiver.say = OK
        wait_until(lambda: health(queue).delivered == 1)
        assert len({got.id for got in receiver.got}) == 1


def test_an_answer_without_end_is_cut_off_and_its_status_counts(
    settings: Settings, place: Place, queue: CallQueue
) -> None:
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"100000\r\n" + b"x" * 0x100000
    with Receiver(endless) as receiver, relay(with_hooks(settings, receiver.url)):
        place()
        wait_until(lambda: health(queue).delivered == 1)


def test_gone_switches_the_endpoint_off_and_what_comes_is_parked(
    settings: Settings, place: Place, queue: CallQueue
) -> None:
    with Receiver(status(410)) as receiver, relay(with_hooks(settings, receiver.url)):
        place()
        wait_until(lambda: not health(queue).enabled)
        for _ in range(3):
            place()
        wait_until(lambda: health(queue).parked == 4)
        endpoint = health(queue)
        assert (endpoint.off_reason, endpoint.waiting, len(receiver.got)) == ("gone", 0, 1)
        receiver.say = OK
        assert queue.endpoints.enable(endpoint.id[:6]).enabled
        assert queue.endpoints.resend_parked(endpoint.id) == 4
        wait_until(lambda: health(queue).delivered == 4)
        assert health(queue).parked == 0


def test_throttling_holds_the_whole_endpoint_for_as_long_as_it_asks(
    settings: Settings, place: Place, queue: CallQueue
) -> None:
    with Receiver(status(429, "retry-after: 2")) as receiver, relay(with_hooks(settings, receiver.url)):
        place()
        wait_until(lambda: health(queue).failed == 1)
        receiver.say = OK
        place()
        first = receiver.got[0].at
        wait_until(lambda: health(queue).delivered == 2)
        assert min(got.at for got in receiver.got[1:]) - first > 1.5


def test_events_go_on_after_redis_was_away(settings: Settings, place: Place, queue: CallQueue) -> None:
    with Receiver() as receiver, relay(with_hooks(settings, receiver.url)):
        place()
        wait_until(lambda: len(receiver.got) == 1)
        queue.store.redis.client_kill_filter(_type="normal", skipme=True)
        place()
        wait_until(lambda: len(receiver.got) == 2)


def test_two_workers_deliver_each_event_once(settings: Settings, place: Place) -> None:
    with Receiver() as receiver:
        mine = with_hooks(settings, receiver.url)
        with relay(mine), relay(mine):
            for _ in range(100):
                place()
            wait_until(lambda: len(receiver.got) >= 100)
            time.sleep(0.3)
        assert len(receiver.got) == len({got.id for got in receiver.got}) == 100


@pytest.mark.slow
def test_a_dead_endpoint_beside_nine_healthy_ones_keeps_none_of_them_waiting(
    settings: Settings, queue: CallQueue
) -> None:
    with ExitStack() as stack:
        healthy = [stack.enter_context(Receiver()) for _ in range(9)]
        dead = stack.enter_context(Receiver(lambda _got: 120.0))
        mine = with_hooks(settings, dead.url, *(receiver.url for receiver in healthy), webhook_timeout=30)
        stack.enter_context(relay(mine))
        for _ in range(20):
            queue.enqueue_many([{"callto": "994412860", "ivrid": 7, "fromline": "712037006"}] * 10)
        wait_until(lambda: all(len({got.id for got in receiver.got}) == 200 for receiver in healthy), within=25)
        # Not one try at the dead one had even run out of its time.
        assert 0 < len(dead.got) <= 16
        assert sum(endpoint.failed for endpoint in queue.store.run_steps(webhooks.health_steps)) == 0


def test_slow_endpoints_together_leave_open_files_for_calls(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert share_of(1) == share_of(20) == MAX_UNDER_WAY
    assert all(endpoints * share_of(endpoints) <= MAX_TOGETHER < OTHER_FILES for endpoints in range(1, MAX_TOGETHER))
    monkeypatch.setattr(dispatcher, "MAX_TOGETHER", 4)
    with (
        Receiver(lambda _got: 120.0) as first,
        Receiver(lambda _got: 120.0) as second,
        relay(with_hooks(settings, first.url, second.url, webhook_timeout=30)) as dispatching,
    ):
        queue.enqueue_many([{"callto": "994412860", "ivrid": 7, "fromline": "712037006"}] * 10)
        wait_until(lambda: len(first.got) == len(second.got) == 2)
        assert [len(endpoint._under_way) for endpoint in dispatching.endpoints] == [2, 2]


def test_no_secret_and_no_url_is_logged(settings: Settings, place: Place, queue: CallQueue) -> None:
    with (
        structlog.testing.capture_logs() as lines,
        Receiver(status(500)) as receiver,
        relay(with_hooks(settings, receiver.url)),
    ):
        place()
        wait_until(lambda: health(queue).failed == 1)
    text = json.dumps(lines)
    assert "webhook.failed" in text
    assert "secret-in-query" not in text
    assert SECRET not in text


def test_our_own_lack_of_resources_is_no_try_of_the_endpoint(
    settings: Settings, place: Place, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of them gave an event up, and five days of them switched the endpoint off."""
    asked: list[int] = []

    async def short(_self: object, _headers: object, _body: object) -> WebhookAnswer:
        asked.append(1)
        return WebhookAnswer(0, problem="out_of_files")

    monkeypatch.setattr(EndpointClient, "send", short)
    with Receiver() as receiver, relay(with_hooks(settings, receiver.url)):
        place()
        wait_until(lambda: bool(asked))
        time.sleep(0.2)
        endpoint = health(queue)
    assert (endpoint.failed, endpoint.failures_in_row, endpoint.waiting, endpoint.failing_since) == (0, 0, 1, None)
