"""The sandbox's phones in a real browser: a person plays a call that a real worker placed, from ring to result."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.settings import Settings
from monitor.test_phone import Impostor, told
from web.conftest import SECRET, Web

from .conftest import Visitor
from .test_monitor import PAYLOADS, until

pytestmark = pytest.mark.slow

CALLER, FIRST, SECOND = "712037006", "994412860", "977076909"


class Exchange:
    """An ``alodial web``, a worker and a sandbox at life's pace whose phones wait for a hand."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.sandbox = f"http://127.0.0.1:{port}"
        provider = {"PROVIDER_URL": self.sandbox, "PROVIDER_TOKEN": "t"}
        self.web = Web(redis_url, folder, **provider)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
        given = provider | {"REDIS_URL": redis_url, "CALLBACK_SECRET": SECRET, "SPOOL_DIR": str(folder / "worker")}
        worker = plain | {f"ALODIAL_{name}": value for name, value in given.items()}
        address = ["--port", str(port), "--by-hand", "--callback-url", self.web.url + self.web.callback]
        self._play = [sys.executable, "-m", "alodial_workers.sandbox", *address], plain
        self._folder = folder
        self._worker = self._start([sys.executable, "-m", "alodial.cli", "worker"], worker)
        self.start_sandbox()

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self._folder / "processes.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)

    def start_sandbox(self) -> None:
        self._phones = self._start(*self._play)
        until(self._answers)

    def kill_sandbox(self) -> None:
        self._phones.kill()
        self._phones.wait(30)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.sandbox}/sandbox", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def ring(self, extid: str, *callto: str) -> None:
        """Not through us, for screens that need no worker."""
        body = {"callfrom": {"phone": CALLER}, "callto": [{"phone": number} for number in callto], "extid": extid}
        httpx.post(f"{self.sandbox}/requestcall/t", json=body, trust_env=False).raise_for_status()

    def act(self, extid: str, *acts: str) -> None:
        for act in acts:
            answer = httpx.post(f"{self.sandbox}/sandbox/calls/{extid}/act", json={"act": act}, trust_env=False)
            answer.raise_for_status()

    def stop(self) -> None:
        for process in (self._phones, self._worker):
            process.terminate()
            process.wait(30)
        self.web.stop()


@pytest.fixture
def exchange(settings: Settings, tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(settings.redis_url.get_secret_value(), tmp_path)
    yield exchange
    exchange.stop()


@pytest.fixture
def queue(settings: Settings) -> Iterator[CallQueue]:
    with CallQueue(settings=settings) as queue:
        yield queue


@pytest.fixture
def look(chromium: Any, exchange: Exchange, shots: Path) -> Iterator[Callable[..., Visitor]]:
    """Opens a window at the exchange's monitor, signed in, on the phones."""
    contexts = []

    def opened(width: int = 1100, locale: str = "en-GB", scheme: str = "light", scripts: bool = True) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, locale=locale, color_scheme=scheme, java_script_enabled=scripts
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        visitor = Visitor(context.new_page(), exchange.web, shots)
        visitor.sign_in()
        visitor.go("/phone")
        return visitor

    yield opened
    for context in contexts:
        context.close()


def place(page: Any) -> str:
    """Places a test call by the form; its extid, once it rings."""
    page.fill("#callfrom", CALLER)
    page.fill("#callto", f"{FIRST} {SECOND}")
    page.select_option("#lang", "ru")
    page.click("#place")
    page.wait_for_selector("text=The test call is placed")
    page.wait_for_selector(".phone.at-ringing")
    found = re.search(r"/calls/(\d+)", page.get_attribute(".phone h3 a", "href"))
    assert found is not None
    return found[1]


def test_a_test_call_is_played_by_hand_and_its_result_sent_twice(
    look: Callable[..., Visitor], queue: CallQueue
) -> None:
    visitor = look()
    page = visitor.page
    visitor.picture("phone-empty")
    extid = place(page)
    visitor.picture("phone-rings")
    page.click("button:has-text('Answer')")
    page.wait_for_selector(f"text={FIRST} rings. What does it do?")
    page.click("button:has-text('No answer')")
    page.wait_for_selector(f"text={SECOND} rings. What does it do?")
    visitor.picture("phone-second")
    page.click("button:has-text('Answer'):not(:has-text('No'))")
    page.wait_for_selector("text=They are talking.")
    page.click("button:has-text('Hang up')")
    page.wait_for_selector("text=How does its result come?")
    visitor.picture("phone-result")
    assert queue.get(extid).state == "submitted"
    page.click("button:has-text('Send it twice')")
    page.wait_for_selector("text=its result was sent twice; it was taken")
    until(lambda: queue.get(extid).state == "completed")
    record = queue.get(extid)
    assert record.disposition == "answered"
    visitor.picture("phone-done")
    page.click(f".log a:has-text('{extid}')")
    page.wait_for_selector(".why.good")
    assert visitor.complaints == []


@pytest.mark.parametrize(
    ("how", "told_as", "state"),
    [("Send it garbled", "sent garbled", "submitted"), ("Never send it", "kept back", "submitted")],
)
def test_a_result_that_does_not_come_leaves_the_call_waiting(
    look: Callable[..., Visitor], queue: CallQueue, how: str, told_as: str, state: str
) -> None:
    visitor = look()
    page = visitor.page
    extid = place(page)
    page.click("button:has-text('Busy')")
    page.wait_for_selector("text=How does its result come?")
    page.click(f"button:has-text('{how}')")
    page.wait_for_selector(f"text={told_as}")
    assert queue.get(extid).state == state


def test_what_rings_appears_by_itself_and_typing_is_not_disturbed(
    look: Callable[..., Visitor], exchange: Exchange
) -> None:
    visitor = look()
    page = visitor.page
    page.fill("#callto", FIRST)
    page.focus("#callto")
    exchange.ring("501", FIRST)
    page.wait_for_selector("text=712037006 rings. What does it do?")
    assert page.input_value("#callto") == FIRST
    assert page.evaluate("document.activeElement.id") == "callto"
    # By keyboard alone, the focus stays at the phone from stage to stage.
    page.focus("button:has-text('Answer')")
    for then in (f"text={FIRST} rings", "text=They are talking", "text=How does its result come?"):
        page.keyboard.press("Enter")
        page.wait_for_selector(then)
        page.wait_for_selector("button:focus")
    exchange.act("501", "send_never")
    page.wait_for_selector("text=its result was kept back")


def test_a_button_pressed_the_moment_it_appears_does_not_load_the_page_anew(
    look: Callable[..., Visitor], exchange: Exchange
) -> None:
    visitor = look()
    page = visitor.page
    exchange.ring("501", FIRST)
    page.wait_for_selector("text=712037006 rings. What does it do?")
    page.evaluate(
        """() => {
            window.samePage = true;
            new MutationObserver(() => document.querySelector("#hand article .acts button")?.click())
                .observe(document.querySelector("main"), {childList: true, subtree: true});
        }"""
    )
    page.focus("button:has-text('Answer')")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=was sent")
    assert page.evaluate("window.samePage") is True


def test_the_focus_comes_back_with_a_button_that_was_missing_for_a_moment(
    look: Callable[..., Visitor], exchange: Exchange
) -> None:
    visitor = look()
    page = visitor.page
    exchange.ring("501", FIRST)
    page.wait_for_selector("text=712037006 rings. What does it do?")
    page.focus("button:has-text('Answer')")
    # Between two stages a call has no buttons.
    poll = 'hx-get="/phone/ringing?mark=none" hx-trigger="every 1s" hx-target="#hand" hx-swap="outerHTML"'
    page.route("**/phone/ringing*", lambda route: route.fulfill(body=f'<div id="hand" {poll}>between</div>'), times=1)
    page.wait_for_selector("text=between")
    assert page.evaluate("document.activeElement === document.body")
    page.wait_for_selector("button:has-text('Answer'):focus")
    page.route("**/phone/ringing*", lambda route: route.fulfill(body=f'<div id="hand" {poll}>between</div>'), times=1)
    page.wait_for_selector("text=between")
    page.focus("#callto")
    page.wait_for_selector("button:has-text('Answer')")
    page.wait_for_selector("#callto:focus")
    assert visitor.complaints == []


def test_the_hand_is_taken_away_and_given_back(look: Callable[..., Visitor], exchange: Exchange) -> None:
    visitor = look()
    page = visitor.page
    page.click("button:has-text('Let them play themselves')")
    page.wait_for_selector("text=The phones play themselves")
    visitor.picture("phone-off")
    exchange.ring("502", FIRST)
    assert httpx.get(f"{exchange.sandbox}/sandbox/phones", trust_env=False).json()["phones"] == []
    page.click("button:has-text('Take the phones in hand')")
    page.wait_for_selector("text=You play the phones")


def test_an_open_page_outlives_the_sandbox(look: Callable[..., Visitor], exchange: Exchange) -> None:
    visitor = look()
    page = visitor.page
    exchange.kill_sandbox()
    page.wait_for_selector("text=The sandbox does not answer")
    visitor.picture("phone-away")
    assert not page.is_visible("#offline")  # our own server does answer
    exchange.start_sandbox()
    exchange.ring("509", FIRST)
    page.click("button:has-text('Busy')")
    page.wait_for_selector("text=How does its result come?")
    assert visitor.complaints == []


def test_without_scripts_every_act_works(look: Callable[..., Visitor], exchange: Exchange) -> None:
    visitor = look(scripts=False)
    page = visitor.page
    exchange.ring("503", FIRST)
    page.reload()
    page.click("button:has-text('Answer')")
    page.click("button:has-text('Answer'):not(:has-text('No'))")
    page.click("button:has-text('Hang up')")
    page.click("button:has-text('Never send it')")
    assert "its result was kept back; none will come" in visitor.text()


@pytest.mark.parametrize(
    ("width", "locale", "scheme"),
    [(1100, "en-GB", "light"), (1100, "ru-RU", "dark"), (320, "uz-UZ", "light"), (320, "ru-RU", "dark")],
)
def test_the_phones_are_read_by_everybody(
    look: Callable[..., Visitor], exchange: Exchange, axe: str, width: int, locale: str, scheme: str
) -> None:
    exchange.ring("504", FIRST, SECOND)
    exchange.ring("505", FIRST, SECOND)
    exchange.act("505", "answer", "answer")
    exchange.ring("506", FIRST, SECOND)
    exchange.act("506", "answer", "busy", "no_answer")
    exchange.ring("507", *[f"9011122{n:02d}" for n in range(30)])
    exchange.act("507", "answer", "hang_up", "send_late")
    exchange.ring("508", FIRST)
    exchange.act("508", "congestion", "send_never")
    visitor = look(width=width, locale=locale, scheme=scheme)
    visitor.page.click("summary:below(#place)")
    visitor.picture(f"phone-{locale}-{width}-{scheme}")
    assert visitor.faults(axe) == []
    assert not visitor.too_wide()
    assert visitor.complaints == []


def test_no_text_of_whoever_answers_there_ever_runs(
    chromium: Any, redis_server: Any, settings: Settings, tmp_path: Path, shots: Path
) -> None:
    impostor = Impostor()
    web = Web(redis_server.url, tmp_path, PROVIDER_URL=impostor.url)
    context = chromium.new_context(locale="en-GB")
    try:
        visitor = Visitor(context.new_page(), web, shots)
        visitor.sign_in()
        for payload in PAYLOADS:
            text = payload[:200]
            line = {"party": "recipient", "number": text, "state": "ringing"}
            hostile = told(extid=text or "x", dialstatus=text, lines=[line])
            past = told(extid=text or "x", dialstatus=text, stage="done", lines=[line])
            hostile["phones"] += past["phones"]
            impostor.body = json.dumps(hostile).encode()
            visitor.go("/phone")
            visitor.page.wait_for_selector("#hand .phone")
        visitor.picture("phone-hostile")
        assert visitor.dialogs == []
        assert [text for text in visitor.complaints if "Content Security" in text] == []
        assert all(address.startswith(web.url) for address in visitor.asked)
    finally:
        context.close()
        assert web.stop() == 0
        impostor.server.shutdown()
        impostor.server.server_close()
