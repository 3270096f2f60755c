"""The guided first call against the real sandbox: each trouble is named, and never does a phone ring twice."""

import asyncio
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from alodial.i18n import translated
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial_workers.provider_check.attempt import ACCOUNT
from alodial_workers.provider_check.probe import certificate, reach

from .conftest import PHONE, REFUSED, RESULT, TAKEN, Stack, post

keys = Keys()


def test_without_a_phone_nothing_is_posted(stack: Stack) -> None:
    stack.start()
    done = stack.check()
    assert [(step["step"], step["ok"]) for step in done.steps[:3]] == [("dns", True), ("tls", True), ("reach", True)]
    assert {step["class"] for step in done.all("fact")} == {"documented", "inferred"}
    assert (done.code, done.ledger["posts"]) == (0, 0)


@pytest.mark.parametrize(("scheme", "step"), [("http", "reach"), ("https", "tls")])
def test_an_address_where_nobody_listens_is_refused_in_words(scheme: str, step: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: nobody else takes the port
        port = bound.getsockname()[1]
        if scheme == "http":
            seen = asyncio.run(reach(f"http://127.0.0.1:{port}", 15))
        else:
            seen = asyncio.run(certificate("127.0.0.1", port, ["127.0.0.1"], 15))
    assert (seen.name, seen.ok) == (step, False)
    assert seen.observed.endswith("refused")


def test_a_learned_form_keeps_its_name_in_front_in_every_language() -> None:
    assert translated("body_form: form json is understood", "ru") == "body_form: форма json понята"
    assert translated("body_form: form json is understood", "uz") == "body_form: json tushunildi"


def test_a_phone_rings_only_after_a_confirmation(stack: Stack) -> None:
    stack.start()
    done = stack.check("--phone", PHONE)
    assert (done.code, done.ledger["posts"]) == (2, 0)
    assert "--yes" in done.err


def test_the_first_form_is_understood_and_its_result_completes_the_call(stack: Stack) -> None:
    stack.start(worker=True)
    done = stack.check("--phone", PHONE, "--yes")
    assert done.code == 0, done.err
    assert [step["class"] for step in done.all("call")] == ["taken"]
    assert done.step("callback")["observed"].startswith("extid came back: number")
    assert done.step("result")["ok"]
    assert done.step("settings")["class"] == "unchanged"
    assert (done.ledger["posts"], done.ledger["rung"]) == (1, 1)


def test_a_refused_form_leads_to_the_next_and_the_setting_is_proposed(stack: Stack) -> None:
    stack.start({"posts": [REFUSED, TAKEN], "callbacks": [RESULT]}, worker=True)
    done = stack.check("--phone", PHONE, "--yes")
    assert done.code == 0, done.err
    assert [step["class"] for step in done.all("call")] == ["rejected", "taken"]
    assert done.step("settings")["observed"].startswith("ALODIAL_PROVIDER_BODY=multipart-json ")
    assert (done.ledger["posts"], done.ledger["rung"]) == (2, 1)
    extids = {step["observed"].partition("extid ")[2].partition(":")[0] for step in done.all("call")}
    assert len(extids) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>sign in</html>"), (200, '{"error": "busy"}'), (500, "{}"), (302, ""), (None, "")],
    ids=["unreadable", "marked as an error", "500", "a redirect", "no answer"],
)
def test_no_further_form_is_tried_once_a_phone_may_ring(stack: Stack, status: int | None, body: str) -> None:
    stack.start({"posts": [post("multipart-brackets", status, body, rang=True), TAKEN], "callbacks": [RESULT]})
    done = stack.check("--phone", PHONE, "--yes")
    assert [step["class"] for step in done.all("call")] == ["unconfirmed"]
    assert done.step("callback")["class"] == "extid"  # the result comes and proves that it rang
    assert done.code == 1
    assert (done.ledger["posts"], done.ledger["rung"]) == (1, 1)


@pytest.mark.parametrize(
    ("status", "label"), [(404, "address"), (405, "address"), (401, "auth"), (403, "auth"), (429, "retry")]
)
def test_an_answer_that_is_not_about_the_body_ends_the_series(stack: Stack, status: int, label: str) -> None:
    stack.start({"posts": [post("multipart-brackets", status, "{}", rang=False), TAKEN]})
    done = stack.check("--phone", PHONE, "--yes")
    assert [step["class"] for step in done.all("call")] == [label]
    assert (done.code, done.ledger["posts"], done.ledger["rung"]) == (1, 1, 0)
    store = Store(stack.settings)
    held = store.call(lambda client, _: client.hgetall(f"{keys.PREFIX}acct:{ACCOUNT}"))
    assert {b"hold", b"brk"}.isdisjoint(held), "the next check would be held"
    store.close()


def test_a_call_without_a_callback_says_whom_to_ask(stack: Stack) -> None:
    stack.start({"posts": [post("multipart-brackets", 200, "{}", rang=True)]})
    done = stack.check("--phone", PHONE, "--yes", wait=2)
    assert (done.step("callback")["ok"], done.step("callback")["class"]) == (False, "missing")
    assert "AloVoice's staff" in done.err
    assert (done.code, done.ledger["rung"]) == (1, 1)


def test_a_callback_without_its_extid_is_shown_and_named(stack: Stack) -> None:
    nameless = {"content_type": "application/json", "body": '{"to_number": "{phone}", "dialstatus": "BUSY"}'}
    stack.start({"posts": [post("multipart-brackets", 200, "{}", rang=True)], "callbacks": [nameless]})
    done = stack.check("--phone", PHONE, "--yes")
    assert done.step("callback")["class"] == "no_extid"
    assert (done.code, done.ledger["rung"]) == (1, 1)


def test_an_untrusted_certificate_ends_the_check_before_anything_rings(stack: Stack) -> None:
    stack.start()
    posts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = stack.check("--phone", PHONE, "--yes", ALODIAL_PROVIDER_URL=f"https://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    assert (done.code, done.step("tls")["class"], done.all("call")) == (1, "tls_untrusted", [])
    assert posts == []


def test_the_do_not_call_list_holds_for_the_check_too(stack: Stack) -> None:
    stack.start()
    stack.alodial("dnc", "add", PHONE)
    done = stack.check("--phone", PHONE, "--yes")
    assert done.step("call")["class"] == "not_sent"
    assert (done.code, done.ledger["posts"]) == (1, 0)


def test_the_emergency_stop_holds_for_the_check_and_leaves_no_call_behind(stack: Stack) -> None:
    stack.start()
    stack.alodial("stop")
    assert stack.check("--phone", PHONE, "--yes").step("call")["class"] == "not_sent"
    stack.alodial("resume")
    ledger = stack.check().ledger
    assert ledger["posts"] == 0
    assert '"state":"canceled"' in stack.alodial("calls", "list", "--json")


def test_the_recorded_cassette_holds_no_number_and_plays_the_same(stack: Stack) -> None:
    stack.start({"posts": [REFUSED, TAKEN], "callbacks": [RESULT]})
    kept = stack.check("--phone", PHONE, "--yes").cassette
    assert kept is not None
    assert PHONE not in str(kept)
    assert [(row["form"], row["status"], row["body"], row["rang"]) for row in kept["posts"]] == [
        (row["form"], row["status"], row["body"], row["rang"]) for row in (REFUSED, TAKEN)
    ]
    assert [row["body"] for row in kept["callbacks"]] == [RESULT["body"]]
    again = stack.check()
    assert {step["class"] for step in again.all("fact")} >= {"observed"}
