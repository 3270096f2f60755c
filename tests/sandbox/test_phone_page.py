"""The page on which a person plays the phones: it needs no scripts, and only its own buttons work."""

import re
from collections.abc import Generator
from html import unescape

import httpx
import pytest

from .conftest import Receiver, Sandbox, sandbox_with

CALLER, FIRST, SECOND = "712037006", "994412860", "977076909"
XSS = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def sandbox(receiver: Receiver) -> Generator[Sandbox, None, None]:
    """At real speed, so that nothing plays on automatically during a test."""
    with sandbox_with(speed=1, by_hand=True, hand_seconds=600, callback_url=receiver.url) as sandbox:
        yield sandbox


def open_page(sandbox: Sandbox, rest: str = "") -> httpx.Response:
    page = sandbox.http.get(f"/sandbox/phone{rest}")
    assert page.status_code == 200
    return page


def text_of(page: httpx.Response) -> str:
    body = re.sub(r"<(style|script).*?</\1>", " ", page.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def buttons(page: httpx.Response, extid: str) -> tuple[dict[str, str], list[str]]:
    """The hidden fields of a call's form, and the values of its buttons."""
    for form in re.findall(r"<article.*?</article>", page.text, re.DOTALL):
        fields = {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        }
        if fields["extid"] == extid:
            return fields, re.findall(r'name="act" value="(\w+)"', form)
    return {}, []


def submit(sandbox: Sandbox, fields: dict[str, str], **headers: str) -> httpx.Response:
    """Sends a form as a browser does."""
    sent = {"Origin": sandbox.url} | {name.replace("_", "-"): value for name, value in headers.items()}
    return sandbox.http.post(
        "/sandbox/phone", files={name: (None, value) for name, value in fields.items()}, headers=sent
    )


def press(sandbox: Sandbox, extid: str, act: str) -> httpx.Response:
    """Presses a button that is on the page; the page after it."""
    fields, acts = buttons(open_page(sandbox), extid)
    assert act in acts
    answer = submit(sandbox, fields | {"act": act})
    assert answer.status_code == 303, answer.text
    return open_page(sandbox, answer.headers["location"].removeprefix("/sandbox/phone"))


def test_a_call_is_played_from_its_ring_to_its_result(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.two_way(FIRST, SECOND, extid="901")
    page = open_page(sandbox)
    assert f"{CALLER} rings. What does it do?" in text_of(page)
    assert buttons(page, "901")[1] == ["answer", "busy", "no_answer", "congestion", "unavailable"]
    press(sandbox, "901", "answer")
    page = press(sandbox, "901", "busy")
    assert f"recipient {FIRST}: busy" in text_of(page)
    page = press(sandbox, "901", "answer")
    assert buttons(page, "901")[1] == ["hang_up"]
    page = press(sandbox, "901", "hang_up")
    assert "Result: ANSWER" in text_of(page)
    assert buttons(page, "901")[1] == ["send", "send_twice", "send_late", "send_never", "send_garbled"]
    page = press(sandbox, "901", "send_never")
    assert "call 901: ANSWER; result not sent" in text_of(page)
    assert buttons(page, "901") == ({}, [])
    events = [entry["event"] for entry in sandbox.timeline("901")]
    assert events == ["ringing", "answered", "ringing", "busy", "ringing", "answered", "connected", "ended"]
    assert receiver.bodies == []


def test_manual_play_is_switched_on_and_off_from_the_page(sandbox: Sandbox) -> None:
    assert "Manual play is on" in text_of(open_page(sandbox))
    for act, shown in (
        ("off", "Manual play is off: calls play automatically."),
        ("on", "Manual play is on: new calls"),
    ):
        answer = submit(sandbox, {"act": act})
        assert answer.headers["location"] == f"/sandbox/phone?message={act}"
        assert shown in text_of(open_page(sandbox, f"?message={act}"))
        assert sandbox.http.get("/sandbox").json()["by_hand"] is (act == "on")


def test_a_button_pressed_too_late_does_nothing(sandbox: Sandbox) -> None:
    sandbox.two_way(FIRST, extid="902")
    fields, _ = buttons(open_page(sandbox), "902")
    press(sandbox, "902", "answer")
    assert submit(sandbox, fields | {"act": "answer"}).headers["location"] == "/sandbox/phone?message=late"
    assert "Nothing was done" in text_of(open_page(sandbox, "?message=late"))
    # The recipient, who rings now, was not answered by it.
    assert f"{FIRST} rings. What does it do?" in text_of(open_page(sandbox))
    gone = submit(sandbox, fields | {"act": "answer", "extid": "999"})
    assert gone.headers["location"] == "/sandbox/phone?message=gone"


@pytest.mark.parametrize(
    "odd", [{"act": "explode"}, {"turn": "x"}, {"id": "9" * 40}, {"id": "\u0661"}, {"turn": "-1"}, {"act": ""}]
)
def test_a_form_that_the_page_does_not_have_is_refused_and_does_nothing(sandbox: Sandbox, odd: dict[str, str]) -> None:
    sandbox.two_way(FIRST, extid="903")
    fields, _ = buttons(open_page(sandbox), "903")
    assert submit(sandbox, fields | {"act": "answer"} | odd).status_code == 400
    assert buttons(open_page(sandbox), "903")[0]["turn"] == fields["turn"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_a_page_of_another_site_cannot_press_a_button(sandbox: Sandbox, headers: dict[str, str]) -> None:
    sandbox.two_way(FIRST, extid="904")
    fields, _ = buttons(open_page(sandbox), "904")
    for form in (fields | {"act": "answer"}, {"act": "off"}):
        assert submit(sandbox, form, **headers).status_code == 403
    assert buttons(open_page(sandbox), "904")[0]["turn"] == fields["turn"]
    assert sandbox.http.get("/sandbox").json()["by_hand"] is True
    accepted = submit(sandbox, fields | {"act": "answer"}, Sec_Fetch_Site="same-origin")
    assert accepted.headers["location"] == f"/sandbox/phone#call-{fields['id']}"


def test_a_form_is_read_up_to_the_bound(sandbox: Sandbox) -> None:
    assert submit(sandbox, {"act": "on" * 40_000}).status_code == 413


def test_texts_of_a_request_are_shown_as_texts_and_no_script_of_them_may_run(sandbox: Sandbox) -> None:
    sandbox.two_way(FIRST, extid=XSS)
    page = press(sandbox, XSS, "busy")
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert f"Call {XSS}" in text_of(page)
    press(sandbox, XSS, "send_never")
    page = open_page(sandbox)
    assert "<script>alert" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    nonces = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert len(nonces) == 1
    assert set(re.findall(r'<(?:script|style) nonce="([\w-]+)"', page.text)) == nonces
    assert nonces.isdisjoint(re.findall(r"'nonce-([\w-]+)'", open_page(sandbox).headers["content-security-policy"]))


def test_a_long_list_is_shown_around_the_phone_that_rings(sandbox: Sandbox) -> None:
    sandbox.two_way(*[f"9012345{n:02d}" for n in range(60)], extid="905")
    press(sandbox, "905", "answer")
    page = press(sandbox, "905", "busy")
    assert page.text.count("<li class=") == 12
    assert "49 more numbers are not shown." in text_of(page)


def test_the_page_updates_itself_without_scripts_too(sandbox: Sandbox) -> None:
    assert '<noscript><meta http-equiv="refresh"' in open_page(sandbox).text


def test_without_a_callback_url_the_page_warns_that_results_go_nowhere() -> None:
    with sandbox_with(speed=60, by_hand=True) as sandbox:
        shown = text_of(open_page(sandbox))
    assert "Results go nowhere" in shown
    assert "60x speed" in shown
