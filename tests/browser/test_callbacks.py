"""The Callbacks screen in a real browser, with the worst bodies."""

from collections.abc import Callable

import pytest

from alodial import CallQueue
from monitor.test_callbacks import body, put

from .conftest import Visitor
from .test_monitor import PAYLOADS

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]


@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(1100, "light", "en-GB"), (1100, "dark", "ru-RU"), (320, "light", "uz-UZ")]
)
def test_the_screens_fit_and_have_no_fault_of_access(
    visit: Visit, queue: CallQueue, axe: str, width: int, scheme: str, locale: str
) -> None:
    queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]}, reference="order-17")
    names = [put(queue, body(record=f"r{n}")) for n in range(4)]
    binary = put(queue, bytes(range(256)) * 4, "unreadable", "not JSON: a byte is not UTF-8")
    visitor = visit(width=width, scheme=scheme, locale=locale)
    visitor.sign_in()
    for address, name in (("", "callbacks"), (f"/{names[0]}", "callback"), (f"/{binary}", "callback-binary")):
        visitor.go(f"/callbacks{address}")
        visitor.picture(f"{name}-{width}-{scheme}")
        assert not visitor.too_wide(), address
        assert visitor.faults(axe) == [], address
    assert visitor.complaints == []


def test_no_body_and_no_reason_runs(visit: Visit, queue: CallQueue) -> None:
    visitor = visit()
    visitor.sign_in()
    for payload in PAYLOADS:
        name = put(queue, body(record=payload, dialstatus=payload, from_number=payload), "unmatched", payload)
        visitor.go(f"/callbacks/{name}")
        put(queue, payload.encode(), "unreadable", payload)
    visitor.go("/callbacks")
    visitor.page.wait_for_load_state("networkidle")
    visitor.check_no_foreign_script()


def test_a_result_is_replayed_by_keyboard(visit: Visit, queue: CallQueue) -> None:
    name = put(queue, body())
    visitor = visit(scripts=False)
    visitor.go("/")
    visitor.page.fill("#key", "planted-api-key-90dd")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#now")
    visitor.go(f"/callbacks/{name}")
    visitor.page.focus("#replay")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("text=1 result is read again.")
