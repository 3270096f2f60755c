"""The Logs screen in a real browser."""

import json
from collections.abc import Callable

import pytest

from alodial import CallQueue
from alodial.store.keys import Keys

from .conftest import Visitor
from .test_monitor import PAYLOADS

keys = Keys()

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]


def line(queue: CallQueue, n: int, **fields: object) -> None:
    told = {
        "event": "call.submitted",
        "level": ("info", "warning", "error")[n % 3],
        "timestamp": "2026-11-23T14:00:00.123456Z",
        "worker": "dialer-1:1",
        "extid": "100000000000001",
        "call_id": "01a20925-eded-7160-805d-65c0407bc0d0",
    } | fields
    queue.store.redis.xadd(keys.LOGS, {"l": json.dumps(told), "p": "p1", "n": n})


@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(1100, "light", "en-GB"), (1100, "dark", "ru-RU"), (320, "light", "uz-UZ")]
)
def test_the_screen_fits_and_has_no_fault_of_access(
    visit: Visit, queue: CallQueue, axe: str, width: int, scheme: str, locale: str
) -> None:
    for n in range(12):
        line(queue, n)
    line(queue, 13, exception="Traceback (most recent call last):\n  File x\nValueError: no", event="sweeper.failed")
    visitor = visit(width=width, scheme=scheme, locale=locale)
    visitor.sign_in()
    visitor.go("/logs")
    visitor.picture(f"logs-{width}-{scheme}")
    assert not visitor.too_wide()
    assert visitor.faults(axe) == []
    assert visitor.complaints == []


def test_new_lines_appear_by_themselves(visit: Visit, queue: CallQueue) -> None:
    line(queue, 0)
    visitor = visit()
    visitor.sign_in()
    visitor.go("/logs")
    line(queue, 1, event="worker.started")
    visitor.page.wait_for_selector("text=worker.started")


def test_no_field_of_a_line_runs(visit: Visit, queue: CallQueue) -> None:
    for n, payload in enumerate(PAYLOADS):
        line(
            queue, n, event=payload, worker=payload, extid=payload, call_id=payload, exception=payload, campaign=payload
        )
        line(queue, n, **{payload: payload})
    visitor = visit()
    visitor.sign_in()
    visitor.go("/logs")
    visitor.page.wait_for_load_state("networkidle")
    visitor.check_no_foreign_script()
