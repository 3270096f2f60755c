"""The sandbox's phones on the monitor: played by hand, beside a test call; never for the real AloVoice."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.monitor.i18n import LANGUAGES
from alodial.settings import Settings
from alodial_workers.sandbox import SandboxConfig, running_sandbox

from .client import Operator, words_on
from .conftest import API_KEY, TWO_WAY, Web

CALL = {"callfrom": "712037006", "callto": "994412860 977076909", "lang": "uz"}
EYES, SHOP = "planted-key-that-reads-4f1c", "planted-key-that-submits-83ad"
XSS = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """At life's pace, so that nothing goes on by itself under a test."""
    with running_sandbox(SandboxConfig(hand_seconds=600)) as url:
        yield url


@pytest.fixture(scope="module")
def at_sandbox(redis_server: Any, sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    keys = f"{API_KEY},{EYES};roles=read,{SHOP};name=shop;roles=submit+read"
    web = Web(redis_server.url, tmp_path_factory.mktemp("phone"), PROVIDER_URL=sandbox, API_KEYS=keys)
    yield web
    assert web.stop() == 0


@pytest.fixture
def hand(sandbox: str) -> Iterator[httpx.Client]:
    """The sandbox itself, in hand."""
    with httpx.Client(base_url=sandbox, trust_env=False, timeout=5) as http:
        assert http.post("/sandbox/hand", json={"on": True}).status_code == 200
        yield http
        http.post("/sandbox/hand", json={"on": False})


@pytest.fixture
def operator(at_sandbox: Web, settings: Settings) -> Iterator[Operator]:
    operator = Operator(at_sandbox, name="Aziza")
    yield operator
    operator.http.close()


@pytest.fixture
def queue(settings: Settings) -> Iterator[CallQueue]:
    with CallQueue(settings=settings) as queue:
        yield queue


def ring(http: httpx.Client, extid: str, *callto: str, callfrom: str = "712037006") -> None:
    to = [{"phone": number} for number in callto or ("994412860",)]
    body = {"callfrom": {"phone": callfrom}, "callto": to, "extid": extid}
    assert http.post("/requestcall/t", json=body).status_code == 200


def buttons(page: httpx.Response, extid: str) -> tuple[dict[str, str], list[str]]:
    """The hidden fields of a call's form, and what its buttons do."""
    forms = re.findall(r'<form method="post" action="/phone/act".*?</form>', page.text, re.DOTALL)
    for form in forms:
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        if fields["extid"] == extid:
            return fields, re.findall(r'name="act" value="(\w+)"', form)
    return {}, []


def press(operator: Operator, extid: str, act: str) -> httpx.Response:
    """Presses a button that is on the page, and follows to the page after it."""
    fields, there = buttons(operator.get("/phone"), extid)
    assert act in there
    answer = operator.http.post("/phone/act", data=fields | {"act": act})
    assert answer.status_code == 303, answer.text
    return operator.get(answer.headers["location"])


def test_a_call_is_played_from_its_ring_to_its_result(operator: Operator, hand: httpx.Client) -> None:
    ring(hand, "901", "994412860", "977076909")
    page = operator.get("/phone")
    assert "712037006 rings. What does it do?" in words_on(page)
    assert buttons(page, "901")[1] == ["answer", "busy", "no_answer", "congestion", "unavailable"]
    press(operator, "901", "answer")
    page = press(operator, "901", "busy")
    assert "994412860 busy" in words_on(page)
    page = press(operator, "901", "answer")
    assert buttons(page, "901")[1] == ["hang_up"]
    page = press(operator, "901", "hang_up")
    assert "The result will say ANSWER" in words_on(page)
    assert buttons(page, "901")[1] == ["send", "send_twice", "send_late", "send_never", "send_garbled"]
    page = press(operator, "901", "send_never")
    assert "its result was kept back; none will come" in words_on(page)
    assert buttons(page, "901") == ({}, [])
    events = [one["event"] for one in hand.get("/sandbox/calls/901").json()["timeline"]]
    assert events == ["ringing", "answered", "ringing", "busy", "ringing", "answered", "connected", "ended"]


def test_the_hand_is_switched_on_and_off_from_the_page(operator: Operator, sandbox: str, at_sandbox: Web) -> None:
    assert 'href="/phone"' in operator.get("/calls").text
    assert "The phones play themselves" in words_on(operator.get("/phone"))
    back = operator.post("/phone/hand", {"on": "yes"}, page="/phone")
    assert back.headers["location"] == "/phone?did=hand_on"
    page = words_on(operator.get("/phone?did=hand_on"))
    assert "You play the phones" in page
    assert "New calls come into your hands" in page
    assert httpx.get(f"{sandbox}/sandbox", trust_env=False).json()["by_hand"] is True
    operator.post("/phone/hand", {"on": "no"}, page="/phone")
    assert httpx.get(f"{sandbox}/sandbox", trust_env=False).json()["by_hand"] is False
    log = at_sandbox.log.read_text()
    assert "sandbox_phone.hand" in log
    assert "Aziza" in log


def test_a_button_pressed_too_late_does_nothing(operator: Operator, hand: httpx.Client) -> None:
    ring(hand, "902")
    fields, _ = buttons(operator.get("/phone"), "902")
    press(operator, "902", "answer")
    answer = operator.http.post("/phone/act", data=fields | {"act": "answer"})
    assert answer.headers["location"] == "/phone?did=late"
    assert "nothing was done" in words_on(operator.get("/phone?did=late"))
    # The recipient, who rings now, was not answered by it.
    assert "994412860 rings. What does it do?" in words_on(operator.get("/phone"))
    gone = operator.http.post("/phone/act", data=fields | {"act": "answer", "extid": "999"})
    assert gone.headers["location"] == "/phone?did=gone"


@pytest.mark.parametrize(
    "odd", [{"act": "explode"}, {"turn": "x"}, {"id": "9" * 40}, {"extid": ""}, {"id": "\u0661"}, {"turn": "-1"}]
)
def test_a_form_that_is_none_of_ours_does_nothing(operator: Operator, hand: httpx.Client, odd: dict[str, str]) -> None:
    ring(hand, "903")
    fields, _ = buttons(operator.get("/phone"), "903")
    answer = operator.http.post("/phone/act", data=fields | {"act": "answer"} | odd)
    assert (answer.status_code, answer.headers["location"]) == (303, "/phone?did=late")


def test_the_open_page_is_renewed_only_by_what_changes(operator: Operator, hand: httpx.Client) -> None:
    ring(hand, "904")
    page = operator.get("/phone").text
    again = re.search(r'hx-get="(/phone/ringing\?mark=\w+)"', page)
    assert again is not None
    assert operator.get(again[1]).status_code == 204
    press(operator, "904", "answer")
    renewed = operator.get(again[1])
    assert renewed.status_code == 200
    assert renewed.text.startswith('<div id="hand"')
    assert "994412860 rings" in words_on(renewed)


def test_a_test_call_goes_through_the_queue_and_pressed_twice_it_is_one(operator: Operator, queue: CallQueue) -> None:
    page = operator.get("/phone").text
    assert "No worker is alive, so nothing will ring." in words_on(page)
    once = re.search(r'name="once" value="(\w+)"', page)
    assert once is not None
    fields = CALL | {"once": once[1]}
    answer = operator.post("/phone/call", fields, page="/phone")
    assert answer.status_code == 303
    extid = re.fullmatch(r"/phone\?did=called&call=(\d+)", answer.headers["location"])
    assert extid is not None
    assert operator.post("/phone/call", fields, page="/phone").headers["location"] == answer.headers["location"]
    record = queue.get(extid[1])
    assert record.request["callto"] == [
        {"phone": "+998994412860", "lang": "uz"},
        {"phone": "+998977076909", "lang": "uz"},
    ]
    assert record.reference == "test call"
    done = operator.get(answer.headers["location"])
    assert f'href="/calls/{extid[1]}"' in done.text
    # Typed anew on the same page it is another call.
    other = operator.post("/phone/call", fields | {"callto": "901112233"}, page="/phone")
    assert other.headers["location"] != answer.headers["location"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"callfrom": "12"}, "callfrom"),
        ({"callfrom": ""}, "callfrom"),
        ({"callto": ""}, "callto"),
        ({"callto": "994412860 12"}, "callto"),
        ({"callto": XSS}, "callto"),
        ({"lang": "<b>"}, "lang"),
        ({"callto": " ".join(["994412860"] * 30)}, "callto"),
    ],
)
def test_what_is_typed_wrongly_is_told_at_its_field_and_stays(
    operator: Operator, typed: dict[str, str], field: str
) -> None:
    answer = operator.post("/phone/call", CALL | typed, page="/phone")
    assert answer.status_code == 422
    assert re.search(rf'id="{field}-wrong" role="alert"', answer.text)
    assert "<script>alert" not in answer.text
    assert 'value="712037006"' in answer.text or "callfrom" in typed


def test_only_forms_of_ours_by_somebody_signed_in_are_heard(
    operator: Operator, at_sandbox: Web, hand: httpx.Client, queue: CallQueue
) -> None:
    ring(hand, "905")
    fields, _ = buttons(operator.get("/phone"), "905")
    for address, data in (
        ("/phone/act", fields | {"act": "answer"}),
        ("/phone/hand", {"on": "no"}),
        ("/phone/call", CALL),
    ):
        assert operator.http.post(address, data=data | {"form_token": "0" * 64}).status_code == 403
        foreign = operator.http.post(
            address, data=data | {"form_token": fields["form_token"]}, headers={"Origin": "http://evil.example"}
        )
        assert foreign.status_code == 403
        assert httpx.post(at_sandbox.url + address, data=data, trust_env=False).status_code in (401, 403)
    assert httpx.get(f"{at_sandbox.url}/phone/ringing", trust_env=False).status_code == 303
    assert buttons(operator.get("/phone"), "905")[0]["turn"] == fields["turn"]
    assert list(queue.calls().calls) == []


def test_who_only_reads_sees_masked_phones_and_plays_none(
    at_sandbox: Web, hand: httpx.Client, settings: Settings, queue: CallQueue
) -> None:
    ring(hand, "909")
    eyes = Operator(at_sandbox, EYES)
    page = eyes.get("/phone")
    assert page.status_code == 200
    assert 'action="/phone' not in page.text
    assert "712037006" not in page.text
    assert "994412860" not in eyes.get("/phone/ringing").text
    turn = {"act": "answer", "extid": "909", "id": "1", "turn": "1"}
    for address, fields in (("/phone/act", turn), ("/phone/hand", {"on": "no"}), ("/phone/call", CALL)):
        assert eyes.post(address, fields).status_code == 403
    assert list(queue.calls().calls) == []


def test_who_submits_places_a_test_call_of_its_own_and_plays_none(
    at_sandbox: Web, hand: httpx.Client, settings: Settings, queue: CallQueue
) -> None:
    shop = Operator(at_sandbox, SHOP)
    page = shop.get("/phone")
    assert 'action="/phone/call"' in page.text
    assert 'action="/phone/hand"' not in page.text
    extid = shop.post("/phone/call", CALL, page="/phone").headers["location"].rpartition("=")[2]
    assert queue.get(extid).owner == "shop"
    assert shop.post("/phone/hand", {"on": "no"}).status_code == 403


def test_for_the_real_alovoice_nothing_can_be_done_here(web: Web, queue: CallQueue) -> None:
    operator = Operator(web)
    page = operator.get("/phone")
    assert page.status_code == 200
    assert "Calls of this installation go to the real AloVoice" in words_on(page)
    assert 'action="/phone' not in page.text
    assert "every 1s" not in page.text
    assert 'href="/phone"' not in page.text
    assert operator.post("/phone/call", CALL).status_code == 409
    assert operator.post("/phone/hand", {"on": "yes"}).headers["location"] == "/phone?did=nobody"
    assert list(queue.calls().calls) == []


class Impostor:
    """Answers at the sandbox's address with whatever it is told to."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        impostor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(impostor.status)
                self.end_headers()
                self.wfile.write(impostor.body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture(scope="module")
def impostor() -> Iterator[Impostor]:
    made = Impostor()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def at_impostor(redis_server: Any, impostor: Impostor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(redis_server.url, tmp_path_factory.mktemp("impostor"), PROVIDER_URL=impostor.url)
    yield web
    assert web.stop() == 0


def told(**more: Any) -> dict[str, Any]:
    """A sandbox's answer, with one call in hand."""
    phone = {"id": 1, "extid": "1", "stage": "ringing", "turn": 1, "since": "2026-11-23T10:00:00Z", "until": None}
    phone |= {"alone": False, "dialstatus": None, "hidden": 0, "acts": ["answer"], "sent": None, "fate": None}
    phone |= {"lines": [{"party": "initiator", "number": "712037006", "state": "ringing"}]} | more
    whole = {"sandbox": "alodial", "by_hand": True, "hand_seconds": 5, "held": 1, "most": 20, "speed": 1}
    return whole | {"callback": True, "phones": [phone]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html>Sign in</html>",
        b"[" * 60_000,
        b'{"sandbox": "alodial"}',
        b"\xff\xfe",
        b'"' + b"x" * 5_000_000 + b'"',
        json.dumps(told(turn=10**30)).encode(),
        json.dumps(told(turn=1)).replace("1,", "1e999,").encode(),
        json.dumps(told(stage="<script>")).encode(),
        json.dumps(told(lines=[])).encode(),
        json.dumps(told(since="yesterday")).encode(),
        json.dumps(told(since="0001-01-01T00:00:00+23:59")).encode(),
        json.dumps(told(until="9999-12-31T23:59:59-23:59")).encode(),
        json.dumps(told(since="2026-11-23T10:00:00")).encode(),
    ],
)
def test_an_answer_that_no_sandbox_gives_is_told_and_never_breaks_the_page(
    at_impostor: Web, impostor: Impostor, settings: Settings, queue: CallQueue, body: bytes
) -> None:
    impostor.status, impostor.body = 200, body
    operator = Operator(at_impostor)
    page = operator.get("/phone")
    assert page.status_code == 200
    assert "no alodial sandbox" in words_on(page)
    assert operator.post("/phone/call", CALL).status_code == 409
    assert list(queue.calls().calls) == []


def test_texts_from_there_are_shown_as_texts(at_impostor: Web, impostor: Impostor, settings: Settings) -> None:
    odd = told(extid=XSS, dialstatus=XSS, stage="unheard_of", acts=["answer", "unheard_of"])
    odd["phones"][0]["lines"] = [{"party": "unheard_of", "number": XSS, "state": "ringing"}]
    impostor.status, impostor.body = 200, json.dumps(odd).encode()
    page = Operator(at_impostor).get("/phone")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert "unheard_of" in page.text
    assert 'value="unheard_of"' not in page.text
    assert 'href="/calls/&lt;' not in page.text


@pytest.mark.parametrize("status", [404, 500, 301, 204])
def test_another_status_is_no_sandbox(at_impostor: Web, impostor: Impostor, settings: Settings, status: int) -> None:
    impostor.status, impostor.body = status, b"" if status == 204 else b'{"detail": "Not Found"}'
    assert "no alodial sandbox" in words_on(Operator(at_impostor).get("/phone"))


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose head never ends, a byte every tenth of a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip(peer: socket.socket) -> None:
        with peer:
            try:
                peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.1):
                    peer.sendall(b"x")
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.close()


def test_a_dripping_answer_holds_up_neither_the_page_nor_the_server(
    redis_server: Any, settings: Settings, tmp_path: Path
) -> None:
    with dripping() as url:
        web = Web(redis_server.url, tmp_path, PROVIDER_URL=url)
        try:
            operator = Operator(web)
            began = time.monotonic()
            # As many as the threads that a server of two cores has, and twice that.
            for _ in range(12):
                assert "The sandbox does not answer" in words_on(operator.get("/phone/ringing"))
            assert time.monotonic() - began < 12 * 2
            assert threads(web) < 20
            assert web.place(TWO_WAY).status_code == 202
        finally:
            assert web.stop() == 0


def threads(web: Web) -> int:
    """Threads that read the network on our behalf would pile up here."""
    return len(list(Path(f"/proc/{web.process.pid}/task").iterdir()))


def test_while_the_sandbox_is_away_the_page_says_so_and_asks_on(
    redis_server: Any, settings: Settings, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        web = Web(redis_server.url, tmp_path, PROVIDER_URL=f"http://127.0.0.1:{free.getsockname()[1]}")
        try:
            page = Operator(web).get("/phone")
            assert "The sandbox does not answer" in words_on(page)
            assert "Nobody is really rung" not in words_on(page)
            assert "every 1s" in page.text
            assert 'action="/phone/call"' not in page.text
        finally:
            assert web.stop() == 0


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_phones_speak_every_language(
    at_sandbox: Web, hand: httpx.Client, settings: Settings, language: str
) -> None:
    extid = {"en": "906", "ru": "907", "uz": "908"}[language]
    ring(hand, extid)
    page = Operator(at_sandbox, language=language).get("/phone")
    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text
    assert buttons(page, extid)[1][0] == "answer"
