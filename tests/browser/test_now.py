"""Now, Workers, Webhooks and the emergency stop in a real browser."""

import time
from collections.abc import Callable

import pytest

from alodial import CallQueue
from alodial.store import webhooks, workers
from alodial.store.keys import Keys
from alodial.store.workers import Heartbeat

from .conftest import Visitor
from .test_monitor import PAYLOADS

keys = Keys()

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}


def busy(queue: CallQueue, said: str = "dialer-1") -> None:
    """An hour of traffic, a dead worker, a disabled webhook, calls that wait for channels."""
    now = time.time()
    for ago in range(60):
        minute = {
            "a": 200 + 40 * (ago % 7),
            "c": 260,
            "d:answered": 110 + ago,
            "d:no_answer": 60 - ago % 11,
            "d:busy": 20 + ago % 5,
            "e:failed": ago % 3,
        }
        queue.store.redis.hset(keys.minute(int(now // 60) - ago), mapping=minute)
    for name, ago, flight in ((f"{said}:811", 0.0, 4), (f"{said}:812", 0.0, 3), (f"{said}:640", 95.0, 2)):
        beat = Heartbeat(name, int((now - ago) * 1000), int(name[-3:]), said, flight, int((now - 9000) * 1000), "1.0")
        workers.write_heartbeat(queue.store.redis, keys, beat)
    for _ in range(30):
        queue.enqueue(TWO_WAY)
    queue.store.redis.zadd(keys.channels("default"), {str(n): int((now + 300) * 1000) for n in range(10)})
    queue.store.run(webhooks.pull("5e55f6c65e0e", f"https://{said[:40]}.example/hook", room=0, lease=1))
    webhooks.disable(queue.store.redis, keys, "5e55f6c65e0e", "failing")
    queue.store.run(webhooks.pull("8a1100ffe2b1", "https://crm.example/calls", room=0, lease=1))


@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(1100, "light", "en-GB"), (1100, "dark", "ru-RU"), (320, "light", "uz-UZ")]
)
def test_every_screen_fits_and_has_no_fault_of_access(
    visit: Visit, queue: CallQueue, axe: str, width: int, scheme: str, locale: str
) -> None:
    busy(queue)
    visitor = visit(width=width, scheme=scheme, locale=locale)
    visitor.sign_in()
    for address, name in (("/", "now"), ("/workers", "workers"), ("/webhooks", "webhooks"), ("/stop", "stop")):
        visitor.go(address)
        if address == "/":
            visitor.page.wait_for_selector(".chart canvas")
        visitor.picture(f"{name}-{width}-{scheme}")
        assert not visitor.too_wide(), address
        assert visitor.faults(axe) == [], address
    assert visitor.complaints == []
    assert all(url.startswith(visitor.web.url) for url in visitor.asked)


def test_what_is_open_renews_itself(visit: Visit, queue: CallQueue) -> None:
    visitor = visit()
    visitor.sign_in()
    visitor.page.wait_for_selector("text=Five steps to the first call")
    workers.write_heartbeat(queue.store.redis, keys, Heartbeat("dialer-1:1", int(time.time() * 1000), 1, "dialer-1", 0))
    visitor.page.wait_for_selector("text=Nothing is wrong")


def test_the_emergency_stop_is_pulled_and_lifted_by_keyboard(visit: Visit, queue: CallQueue) -> None:
    visitor = visit(scripts=False)
    visitor.go("/")
    visitor.page.fill("#key", "planted-api-key-90dd")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#now")
    visitor.page.focus("a.stop")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#reason")
    visitor.page.fill("#reason", "wrong list")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("text=Stopped. No new call goes out.")
    assert queue.store.redis.exists(keys.STOP)
    visitor.page.focus("#resume")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("text=Resumed")
    assert not queue.store.redis.exists(keys.STOP)


def test_no_text_from_outside_runs_on_these_screens(visit: Visit, queue: CallQueue) -> None:
    visitor = visit()
    visitor.sign_in()
    for number, payload in enumerate(PAYLOADS):
        workers.write_heartbeat(
            queue.store.redis, keys, Heartbeat(payload, int(time.time() * 1000), 1, payload, 0, 0, payload)
        )
        queue.store.run(webhooks.pull(f"{number:012x}", payload, room=0, lease=1))
        webhooks.disable(queue.store.redis, keys, f"{number:012x}", payload)
        queue.store.redis.delete(keys.STOP)
        queue.stop(payload, actor=payload)
        visitor.go("/stop")
        assert payload[:30].split("\u202e")[0].strip() in visitor.text()
    for address in ("/", "/workers", "/webhooks"):
        visitor.go(address)
        visitor.page.wait_for_load_state("networkidle") if address != "/" else visitor.page.wait_for_selector(
            ".findings li"
        )
        time.sleep(0.3)
    visitor.picture("now-hostile")
    visitor.check_no_foreign_script()
