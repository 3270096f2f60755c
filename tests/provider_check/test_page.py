"""The first live call by the monitor: nothing rings before the confirmation, and one call after it, however often it is sent."""

import re
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import httpx
import pytest
from tests.conftest import API_KEY, CALLBACK_SECRET, TOKEN
from tests.monitor.client import Operator, words_on

from alodial.monitor import provider_check

from .conftest import PHONE, REFUSED, RESULT, TAKEN, Stack


class Address:
    """Where web listens, for the client of the monitor's tests."""

    def __init__(self, stack: Stack) -> None:
        self.url = f"http://127.0.0.1:{stack.web_port}"


def sign_in(stack: Stack) -> Operator:
    return Operator(Address(stack), API_KEY)  # type: ignore[arg-type]  # only its address is read


def ledger(stack: Stack) -> tuple[int, int]:
    """POSTs that the sandbox took, and phones that it rang."""
    counted = httpx.get(f"{stack.sandbox}/sandbox/ledger", trust_env=False).json()
    return counted["posts"], counted["rung"]


def fields_of(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.partition("<main")[2]))


def confirmed(operator: Operator) -> dict[str, str]:
    """The fields of the button that rings."""
    page = operator.post("/provider-check/confirm", {"phone": PHONE})
    assert "+998901234567" in page.text
    return fields_of(page.text)


def page_with(operator: Operator, seen: Callable[[str], bool]) -> str:
    """The page of the run as soon as it shows this."""
    ends = time.monotonic() + 60
    while not seen(page := operator.get("/provider-check/run").text):
        assert time.monotonic() < ends, words_on(page)
        time.sleep(0.1)
    return page


def test_one_confirmation_rings_once_and_the_page_shows_what_was_learned(stack: Stack) -> None:
    stack.start({"posts": [REFUSED, TAKEN], "callbacks": [RESULT]}, worker=True)
    operator = sign_in(stack)
    looked = words_on(operator.post("/provider-check/address"))
    assert "Name: the name was found" in looked
    assert "Server: it answers" in looked
    fields = confirmed(operator)
    assert ledger(stack) == (0, 0)
    for _ in range(2):  # a double click
        assert operator.http.post("/provider-check/ring", data=fields).headers["location"] == "/provider-check/run"
    asks = page_with(operator, lambda page: "Did your phone ring?" in page)
    assert ledger(stack) == (1, 0)
    assert operator.http.post("/provider-check/ring", data=confirmed(operator)).headers["location"].endswith("?busy=1")
    operator.http.post("/provider-check/answer", data=fields_of(asks) | {"rang": "no"})
    ended = page_with(operator, lambda page: "All is as it must be" in page)
    operator.http.post("/provider-check/ring", data=fields)  # sent again from the browser's history
    assert ledger(stack) == (2, 1)
    shown = words_on(ended)
    assert "AloVoice refused the form of this request" in shown
    assert "ALODIAL_PROVIDER_BODY=multipart-json" in shown
    assert "The extid came back: as a number. Type: application/json. From the address 127.0.0.1." in shown
    assert "POST /requestcall/***" in shown
    learned = operator.get("/provider-check")
    assert "Form of the request AloVoice understood multipart-json. observed today" in words_on(learned)
    kept = operator.get("/provider-check/cassette.json").text
    for page in (ended, learned.text, kept):
        assert PHONE not in page
        assert TOKEN not in page
        assert CALLBACK_SECRET not in page


def test_nothing_rings_without_the_role_the_signature_or_a_number_that_may_be_called(stack: Stack) -> None:
    stack.environment["ALODIAL_API_KEYS"] += ",planted-reader-key-55aa;name=reader;roles=read"
    stack.start()
    operator, reader = sign_in(stack), Operator(Address(stack), "planted-reader-key-55aa")  # type: ignore[arg-type]
    fields = confirmed(operator)
    assert reader.get("/provider-check").status_code == 403
    assert reader.post("/provider-check/ring", fields).status_code == 403
    assert operator.post("/provider-check/ring", fields | {"phone": "+998977076909"}).status_code == 403
    assert operator.post("/provider-check/confirm", {"phone": "12"}).status_code == 422
    assert operator.get("/provider-check/run").headers["location"] == "/provider-check"
    assert ledger(stack) == (0, 0)


def test_without_the_packages_of_the_workers_the_page_has_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_httpx(_: EntryPoint) -> Any:
        raise ModuleNotFoundError("httpx")

    monkeypatch.setattr(EntryPoint, "load", without_httpx)
    assert provider_check._program.__wrapped__() is None
