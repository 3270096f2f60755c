"""Screens at the widths of a desk, a tablet and a phone: numbers and words stay whole, the head stays small."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.routing import Route

from alodial import CallQueue
from alodial.monitor import router
from alodial.store.keys import Keys
from monitor.call_stage import Stage
from waiting import wait_until

from .conftest import Visitor

keys = Keys()

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]

WIDTHS = (1440, 768, 375)
LOCALES = ("en-GB", "ru-RU", "uz-UZ")

BROKEN = """(selector) => [...document.querySelectorAll(selector)].filter((node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1;
}).map((node) => node.textContent)"""
"""Texts of elements that stand on more than one line."""


@pytest.fixture
def stage(queue: CallQueue) -> Stage:
    return Stage(queue)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_screens_stand_in_one_line_on_a_desk(visit: Visit, locale: str) -> None:
    visitor = visit(1280, locale)
    visitor.sign_in()
    for address in ("/", "/do-not-call", "/unconfirmed"):  # the open one is bold
        visitor.go(address)
        links = visitor.page.locator(".head nav a")
        assert len({link.bounding_box()["y"] for link in links.all()}) == 1


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_in_calls_stay_whole(visit: Visit, stage: Stage, axe: str, locale: str, width: int) -> None:
    for number in range(8):
        phones = [{"phone": f"99890123456{number}"}, {"phone": "977076909"}]
        body = {"callfrom": {"phone": "998712037006"}, "callto": phones}
        stage.place(body, reference=f"order-2026-11-{number}" if number % 2 else None)
    stage.completed("no_answer")
    visitor = visit(width, locale)
    visitor.sign_in()
    visitor.go("/calls")
    visitor.picture(f"calls-{locale[:2]}-{width}")
    assert visitor.page.evaluate(BROKEN, ".calls td bdi, .calls .extid, .calls time, .calls .badge") == []
    assert visitor.faults(axe) == []
    assert not visitor.too_wide()
    assert visitor.page.evaluate(
        "document.querySelector('#scroll').scrollWidth <= document.querySelector('#scroll').clientWidth"
    )
    assert visitor.page.locator(".calls .tick input").first.is_visible()
    assert visitor.page.locator("#selection").is_visible()
    # Unfiltered, there is no button that cancels everything; filtered, there is.
    assert not visitor.page.is_visible("#cancel-all")
    visitor.go("/calls?state=queued")
    assert visitor.page.is_visible("#cancel-all")


def test_a_row_of_calls_hands_out_its_ids_and_its_phone_by_keyboard_and_across_updates(
    visit: Visit, stage: Stage, axe: str
) -> None:
    placed = stage.place(reference="order-17")
    visitor = visit(768)
    page = visitor.page
    page.add_init_script(
        "window.taken = []; navigator.clipboard.writeText = (text) => { taken.push(text); return Promise.resolve(); }"
    )
    visitor.sign_in()
    visitor.go("/calls")
    for kind in ("id", "extid", "number"):
        with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "calls"):
            page.focus(f"#copy-{kind}-{placed.id}")
        page.wait_for_selector(f"#copy-{kind}-{placed.id}:focus")
        page.keyboard.press("Enter")
    wait_until(lambda: page.evaluate("window.taken") == [placed.id, placed.extid, "+998994412860"])
    visitor.picture("calls-copies")
    assert visitor.faults(axe) == []
    assert visitor.complaints == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_words_in_logs_stay_whole(visit: Visit, queue: CallQueue, axe: str, locale: str, width: int) -> None:
    for number, event in enumerate(("call.submitted", "worker.deregister_failed", "settle.store_unavailable")):
        line = {
            "event": event,
            "level": "warning",
            "timestamp": "2026-11-23T14:00:00.123456Z",
            "worker": "alodial-worker-7f9c:4242",
            "extid": "100000000000001",
            "call_id": "01a20925-eded-7160-805d-65c0407bc0d0",
            "error": "StoreUnavailable: Redis does not answer within 2 s",
            "attempt": number,
        }
        queue.store.redis.xadd(keys.LOGS, {"l": json.dumps(line), "p": "p1", "n": number + 1})
    visitor = visit(width, locale)
    visitor.sign_in()
    visitor.go("/logs")
    visitor.picture(f"logs-{locale[:2]}-{width}")
    whole = ".lines time, .lines .badge" + (", .lines th bdi, .lines td:last-child bdi" if width > 640 else "")
    assert visitor.page.evaluate(BROKEN, whole) == []
    assert visitor.faults(axe) == []
    assert not visitor.too_wide()


SIDEWAYS = """() => [...document.querySelectorAll('.scroll')].filter((frame) =>
  frame.querySelector('.cards') && frame.scrollWidth > frame.clientWidth).map((frame) => frame.getAttribute('aria-label'))"""
"""Tables that have to be moved sideways in their frames to be read."""

BROKEN_WORDS = """() => {
  const broken = [], nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode;
    if (node.parentElement.closest('pre, code, svg, .any, .hidden') || !node.parentElement.getClientRects().length) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}‘’]{2,}/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""Words and numbers of which a part stands on the next line."""


def screens(found: Sequence[Any]) -> Iterator[str]:
    """Addresses of all screens that need no name."""
    for route in found:
        if isinstance(route, Route):
            if "GET" in (route.methods or ()) and not {"{", "."} & set(route.path) and route.path != "/now/series":
                yield route.path
        else:
            yield from screens(getattr(route, "original_router", route).routes)


@pytest.mark.parametrize(("locale", "width"), [("ru-RU", 768), ("uz-UZ", 768), ("en-GB", 768), ("uz-UZ", 320)])
def test_no_list_is_moved_sideways_and_no_word_is_broken(visit: Visit, stage: Stage, locale: str, width: int) -> None:
    stage.place(reference="order-2026-11-26-17")
    rows = {"name": "Yangi yil aksiyasi", "call": {"kind": "two-way", "callfrom": "712037006"}}
    stage.queue.submit_campaign([{"phone": "901234567"}], rows)
    # Its state and its end are the longest, whatever the hour of the test.
    days = [f"{datetime.now(UTC) + timedelta(days=n):%a}".lower() for n in (2, 3)]
    hours = {"windows": f"{days[days[0] == 'sun']} 12:00-13:00"}
    stage.queue.submit_campaign([{"phone": "901234568"}], {**rows, "policy": {"hours": hours}})
    visitor = visit(width, locale)
    visitor.sign_in()
    paths = sorted(set(screens(router.routes)))
    assert {"/", "/campaigns", "/logs"} <= set(paths)
    for path in paths:
        visitor.go(path)
        assert not visitor.too_wide(), path
        assert visitor.page.evaluate(SIDEWAYS) == [], path
        assert visitor.page.evaluate(BROKEN_WORDS) == [], path


@pytest.mark.parametrize("locale", LOCALES)
def test_the_head_takes_little_of_a_phone_and_shows_the_open_screen(visit: Visit, axe: str, locale: str) -> None:
    for width in (320, 375):
        visitor = visit(width, locale)
        visitor.sign_in()
        for address in ("/", "/calls", "/logs"):
            visitor.go(address)
            visitor.page.wait_for_load_state("load")
            visitor.picture(f"head-{locale[:2]}-{width}-{address.strip('/') or 'now'}")
            head = visitor.page.locator("header.head").bounding_box()
            assert head is not None
            assert head["height"] < 100
            tab = visitor.page.locator(".head nav a[aria-current]").bounding_box()
            assert tab is not None
            assert tab["x"] >= 0
            assert tab["x"] + tab["width"] <= width
        visitor.page.click("footer .out button")
        visitor.page.wait_for_selector("#key")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_empty_installation_is_a_list_of_steps(visit: Visit, axe: str, locale: str, width: int) -> None:
    visitor = visit(width, locale)
    visitor.sign_in()
    visitor.page.wait_for_selector(".steps")
    visitor.picture(f"empty-{locale[:2]}-{width}")
    assert not visitor.page.query_selector(".notice.bad:visible")
    assert visitor.faults(axe) == []
    assert not visitor.too_wide()


def test_keys_go_to_the_search_and_list_themselves(visit: Visit, axe: str) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    page.keyboard.press("?")
    page.wait_for_selector("#shortcuts", state="visible")
    visitor.picture("shortcuts")
    assert visitor.faults(axe) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#shortcuts", state="hidden")
    page.keyboard.press("/")
    page.wait_for_selector("#find:focus")
    page.keyboard.type("a/b?")
    assert page.input_value("#find") == "a/b?"
    assert not page.is_visible("#shortcuts")
    visitor.go("/calls")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_settings_fit(visit: Visit, axe: str, locale: str, width: int) -> None:
    visitor = visit(width, locale)
    visitor.sign_in()
    visitor.go("/settings")
    visitor.picture(f"settings-{locale[:2]}-{width}")
    assert visitor.faults(axe) == []
    assert not visitor.too_wide()
