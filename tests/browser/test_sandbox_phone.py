"""The sandbox's phone page in a real browser, with scripts and without."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial_workers.sandbox.config import SandboxConfig
from alodial_workers.sandbox.run import running_sandbox

from .conftest import RULES

CALLER, FIRST, SECOND = "712037006", "994412860", "977076909"


class PhoneVisitor:
    """A browser window at the phone page of a sandbox at real speed."""

    def __init__(self, page: Any, url: str, complaints: list[str]) -> None:
        self.page = page
        self.url = url
        self.complaints = complaints

    def ring(self, extid: str, *callto: str) -> None:
        body = {"callfrom": {"phone": CALLER}, "callto": [{"phone": number} for number in callto], "extid": extid}
        httpx.post(f"{self.url}/requestcall/t", json=body, trust_env=False).raise_for_status()

    def act(self, extid: str, *acts: str) -> None:
        for act in acts:
            answer = httpx.post(f"{self.url}/sandbox/calls/{extid}/act", json={"act": act}, trust_env=False)
            answer.raise_for_status()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., PhoneVisitor]]:
    contexts = []
    with running_sandbox(SandboxConfig(by_hand=True, hand_seconds=600)) as url:

        def opened(*, scripts: bool = True, width: int = 1100, scheme: str = "light") -> PhoneVisitor:
            context = chromium.new_context(
                java_script_enabled=scripts, viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            contexts.append(context)
            context.set_default_timeout(15_000)
            page, complaints = context.new_page(), []
            page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"{url}/sandbox/phone")
            return PhoneVisitor(page, url, complaints)

        yield opened
        for context in contexts:
            context.close()


def test_a_ringing_call_appears_by_itself_and_is_played_by_keyboard(visit: Callable[..., PhoneVisitor]) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ring("501", FIRST)
    page.wait_for_selector(f"text={CALLER} rings. What does it do?")
    page.focus("button:has-text('Answer')")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text={FIRST} rings. What does it do?")
    # The keyboard goes on at the call whose button was pressed.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Answer"
    # A stage that begins elsewhere leaves the focus where it was.
    visitor.act("501", "busy")
    page.wait_for_selector("text=What happens to the result?")
    assert page.evaluate("document.activeElement.textContent") == "Send the result"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=call 501: BUSY; result sent, no callback URL is set")
    assert visitor.complaints == []


def test_without_scripts_every_act_works(visit: Callable[..., PhoneVisitor]) -> None:
    visitor = visit(scripts=False)
    page = visitor.page
    visitor.ring("503", FIRST)
    page.reload()
    for button in ("Answer", "Answer", "Hang up", "Never send it"):
        page.click(f"button:text-is('{button}')")
    page.wait_for_selector("text=call 503: ANSWER; result not sent")
    page.click("button:has-text('Automatic phones')")
    page.wait_for_selector("text=Manual play is off")


def show_every_stage(visitor: PhoneVisitor) -> None:
    visitor.ring("504", FIRST, SECOND)
    visitor.ring("505", FIRST, SECOND)
    visitor.act("505", "answer", "answer")
    visitor.ring("506", FIRST, SECOND)
    visitor.act("506", "answer", "busy", "no_answer")
    visitor.ring("507", *[f"9011122{n:02d}" for n in range(30)])
    visitor.act("507", "answer", "hang_up", "send_late")
    visitor.ring("508", FIRST)
    visitor.act("508", "congestion", "send_never")
    visitor.page.reload()


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (320, "dark")])
def test_the_phones_fit_a_narrow_window_and_break_no_rule_of_their_policy(
    visit: Callable[..., PhoneVisitor], shots: Path, width: int, scheme: str
) -> None:
    visitor = visit(width=width, scheme=scheme)
    show_every_stage(visitor)
    visitor.page.screenshot(path=shots / f"sandbox-phone-{width}-{scheme}.png", full_page=True)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_the_phones(visit: Callable[..., PhoneVisitor], axe: str, scheme: str) -> None:
    visitor = visit(scheme=scheme)
    show_every_stage(visitor)
    visitor.page.evaluate(axe)
    found = visitor.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    assert [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in found["violations"]] == []
