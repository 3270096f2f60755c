"""Seven questions of people on duty, answered by clicking alone, from the first screen."""

import time
from collections.abc import Callable

import pytest

from alodial import CallQueue
from alodial.store import workers
from alodial.store.keys import Keys
from alodial.store.workers import Heartbeat
from monitor.call_stage import Stage
from monitor.test_callbacks import body, put

from .conftest import Visitor

keys = Keys()

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}


@pytest.fixture
def operator(visit: Visit, queue: CallQueue) -> Visitor:
    now = int(time.time() * 1000)
    beat = Heartbeat("dialer-1:811", now + 3_600_000, 811, "dialer-1", 2, now - 60_000, "1.0")
    workers.write_heartbeat(queue.store.redis, keys, beat)
    visitor = visit()
    visitor.sign_in()
    return visitor


def click(visitor: Visitor, text: str) -> None:
    visitor.page.get_by_role("link", name=text, exact=True).first.click()
    visitor.page.wait_for_load_state()


def test_why_did_this_call_not_ring(operator: Visitor, queue: CallQueue) -> None:
    queue.enqueue(TWO_WAY, reference="order-17", not_before="2099-01-01T00:00:00+05:00")
    click(operator, "Calls")
    operator.page.fill("#find", "order-17")
    operator.page.keyboard.press("Enter")
    operator.page.wait_for_load_state()
    operator.page.wait_for_selector(".explanation")  # a reference that one call has leads to it
    assert "it waits for its time" in operator.page.inner_text(".explanation")


def test_is_the_rate_the_bottleneck(operator: Visitor, queue: CallQueue) -> None:
    for _ in range(20):
        queue.enqueue(TWO_WAY)
    # 50 in the last ten seconds, for as long as the page may take to look.
    queue.store.redis.lpush(f"{keys.PREFIX}starts:default", *[int((time.time() + 15) * 1e6)] * 50)
    operator.page.wait_for_selector("text=The rate is the bottleneck of account default")


def test_which_worker_died(operator: Visitor, queue: CallQueue) -> None:
    at = int(time.time() * 1000) - 30_000
    workers.write_heartbeat(queue.store.redis, keys, Heartbeat("dialer-2:640", at, 640, "dialer-2", 3, at, "1.0"))
    operator.page.wait_for_selector("text=Worker dialer-2:640 has been silent")
    click(operator, "Workers")
    assert operator.page.inner_text("tbody tr >> nth=0").startswith("dialer-2:640")
    assert "3" in operator.page.inner_text("tbody tr >> nth=0")


def test_what_did_alovoice_answer(operator: Visitor, queue: CallQueue) -> None:
    placed = Stage(queue).rejected(body='{"error":"callfrom is not yours"}')
    click(operator, "Failed")
    operator.page.click(f"article a[href='/calls/{placed.id}']")
    operator.page.wait_for_selector(".attempt")
    operator.page.click(".attempt summary")
    assert "callfrom is not yours" in operator.page.inner_text(".attempt pre")


def test_which_results_matched_nothing(operator: Visitor, queue: CallQueue) -> None:
    put(queue, body())
    operator.page.wait_for_selector("text=1 result matches no call or cannot be read")
    click(operator, "Callbacks")
    assert "no call has its extid" in operator.page.inner_text("main")
    assert "712037006 → 994412860" in operator.page.inner_text("main")


def test_what_is_unconfirmed(operator: Visitor, queue: CallQueue) -> None:
    placed = Stage(queue).unconfirmed()
    operator.page.wait_for_selector("text=1 call is unconfirmed")
    click(operator, "Unconfirmed")
    assert operator.page.query_selector(f"#to-{placed.id}") is not None


def test_when_will_the_campaign_end(operator: Visitor, queue: CallQueue) -> None:
    hours = {"hours": {"windows": "daily 00:00-24:00"}}
    queue.submit_campaign(
        [f"99441{n:04d}" for n in range(200)], {"name": "November", "call": {"callfrom": "712037006"}, "policy": hours}
    )
    operator.page.wait_for_selector("#campaigns >> text=November")
    row = operator.page.inner_text("#campaigns tbody tr")
    assert "today" in row or "tomorrow" in row
