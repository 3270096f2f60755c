"""One call's screen: why it did not ring, its course, what came back, what may be done."""

import json
import re
from typing import Any

import pytest

from alodial import CallQueue
from alodial.monitor import call_rows
from alodial.store import call_transitions
from web.conftest import Web

from .call_stage import RESULT, Stage
from .client import Operator, words_on

XSS = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def sentence(page: Any) -> str:
    found = re.search(r'<p class="sentence">([^<]*)</p>', page.text)
    assert found is not None
    return words_on(found[1])


def test_the_reason_why_a_call_did_not_ring_is_at_the_top_in_every_state(
    operator: Operator, stage: Stage, queue: CallQueue
) -> None:
    def told(id: str) -> str:
        page = operator.get(f"/calls/{id}")
        assert page.status_code == 200
        return sentence(page)

    placed = stage.place()
    assert told(placed.id) == "It has not rung yet: no worker is alive. Start one (alodial worker)."
    stage.beat()
    assert told(placed.id).startswith("It is ready and waits its turn")
    queue.stop("a wrong list")
    assert told(placed.id) == "It has not rung yet: the emergency stop is on. Reason: a wrong list."
    queue.resume()
    stage.settle("retry", "connect_failed", delay=300)
    assert re.search(
        r"no connection to AloVoice\. That was safe to repeat \(1 so far\); next try to(day|morrow)", told(placed.id)
    )
    later = stage.place(not_before="2099-01-01T00:00:00+05:00")
    assert "it waits for its time and goes out" in told(later.id)
    taken = stage.place()
    stage.settle("taken")
    assert told(taken.id).startswith("AloVoice took it; the result will say whether it rang. It is awaited until to")
    unsure = stage.unconfirmed("answer_timeout")
    assert told(unsure.id).startswith(
        "Nobody knows whether it rang: no answer came in time after the request had left. Its result is awaited until"
    )
    assert told(stage.rejected("do_not_call").id) == "It was not rung: a number of it is on the do-not-call list."
    assert "refused it with status 422" in told(stage.rejected("status_422").id)
    assert told(stage.completed("busy").id) == "It was dialled, and the number was busy."
    assert told(stage.completed("answered").id) == "It rang and was answered; the talk lasted 30 s."
    stage.place()
    canceled = stage.place()
    queue.cancel(canceled.id)
    assert told(canceled.id) == "It never rang: the program that placed it canceled it in time."


def test_a_token_that_is_refused_is_named_with_its_account(operator: Operator, stage: Stage) -> None:
    placed = stage.place()
    stage.beat()
    stage.settle("auth", "token_refused")
    assert "AloVoice refuses the token of account default" in sentence(operator.get(f"/calls/{placed.id}"))


def test_an_attempt_that_is_still_to_come_is_not_called_one_of_which_nothing_was_sent(
    operator: Operator, stage: Stage
) -> None:
    waiting = stage.place(redial={"max_attempts": 2, "delays": {"busy": [3600]}})
    stage.result(stage.settle("taken").extid, "busy")
    page = operator.get(f"/calls/{waiting.id}").text
    assert "not yet" in page
    assert "nothing was sent" not in page
    canceled = stage.place()
    stage.queue.cancel(canceled.id)
    assert "nothing was sent" in operator.get(f"/calls/{canceled.id}").text


def test_the_page_shows_the_whole_timeline(operator: Operator, stage: Stage) -> None:
    placed = stage.place(reference="order-17", metadata={"shop": "Chilonzor"})
    call = stage.settle("taken", body='{"answer": {"id": 17}}')
    stage.result(call.extid)
    page = operator.get(f"/calls/{placed.id}")
    text = words_on(page)
    for expected in (
        "Call order-17",
        "by w1",
        "taken (HTTP 200 , 12 ms)",
        '{"answer": {"id": 17}}',
        "Answered by 994412860",
        "Length 30 s",
        "shop Chilonzor",
        "alodial.call.queued",
        "alodial.call.submitted",
        "alodial.call.completed",
        f"{placed.id}-1",
    ):
        assert expected in text, expected
    assert 'href="https://records.example/17.wav" rel="noopener noreferrer nofollow"' in page.text
    assert f'href="/logs?call={placed.id}"' in page.text
    assert "p-talk" in page.text
    assert 'hx-trigger="every 2s"' not in page.text
    for name in (placed.extid, placed.id):
        assert operator.get(f"/calls/{name}").status_code == 200
    assert operator.get("/calls/123").status_code == 404
    assert operator.get("/calls/%00").status_code == 404


def test_a_call_that_goes_on_is_renewed_only_where_it_changed(operator: Operator, stage: Stage) -> None:
    placed = stage.place()
    page = operator.get(f"/calls/{placed.id}")
    assert 'hx-trigger="every 2s"' in page.text
    mark = re.search(r'name="was" value="([0-9a-f]+)"', page.text)
    assert mark is not None
    same = operator.get(f"/calls/{placed.id}/live?was={mark[1]}&state=queued")
    assert same.headers["hx-reswap"] == "none"
    assert 'hx-swap-oob="true"' in same.text
    assert "hx-reswap" not in operator.get(f"/calls/{placed.id}/live?was=0&state=queued").headers
    stage.settle("taken")
    moved = operator.get(f"/calls/{placed.id}/live?was={mark[1]}&state=queued")
    assert moved.headers["hx-redirect"] == f"/calls/{placed.id}"


def test_a_call_is_canceled_and_a_late_cancel_says_so(operator: Operator, stage: Stage, web: Web) -> None:
    placed = stage.place()
    assert "cannot be undone" in words_on(operator.get(f"/calls/{placed.id}/cancel"))
    answer = operator.post(f"/calls/{placed.id}/cancel", page=f"/calls/{placed.id}/cancel")
    assert answer.headers["location"] == f"/calls/{placed.id}?done=cancel"
    assert stage.queue.get(placed.id).state == "canceled"
    assert "an operator canceled it in time" in words_on(operator.get(f"/calls/{placed.id}"))
    assert web.logged("cancel_calls", placed.id)
    late = stage.completed()
    answer = operator.post(f"/calls/{late.id}/cancel")
    assert "Too late" in words_on(operator.get(answer.headers["location"]))
    assert operator.get(f"/calls/{late.id}/dance").headers["location"] == f"/calls/{late.id}"
    assert operator.post(f"/calls/{late.id}/dance").headers["location"] == f"/calls/{late.id}"


def test_an_ended_call_rings_again_as_a_new_call_that_names_it(operator: Operator, stage: Stage) -> None:
    old = stage.rejected(reference="order-1")
    answers = [operator.post(f"/calls/{old.id}/redial").headers["location"] for _ in range(5)]
    assert len({one.partition("?")[0] for one in answers}) == 1
    assert [one.partition("=")[2] for one in answers] == ["redial", *["again"] * 4]
    page = operator.get(answers[0])
    assert "The call is placed again" in words_on(page)
    assert f'href="/calls/{old.id}"' in page.text


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://records.example/1.wav", True),
        ("http://10.0.0.1:8000/a b.wav", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        (" https://records.example/1.wav", False),
        ("https://user:secret@records.example/1.wav", False),
        ("//records.example/1.wav", False),
        ("https:records.example", False),
        ("https:\\\\records.example", False),
        ("https://[::1", False),
        ("https://records.example/\n1.wav", False),
        ("vbscript:x", False),
        ("", False),
        (None, False),
        (17, False),
        ("https://records.example/" + "x" * 3000, False),
    ],
)
def test_only_a_plain_web_address_becomes_a_link(url: Any, link: bool) -> None:
    assert bool(call_rows.recording(url)) is link


def test_a_second_result_and_a_strange_number_are_pointed_out(operator: Operator, stage: Stage) -> None:
    placed = stage.place()
    call = stage.settle("taken")
    stage.result(call.extid, to_numbers=["998911111111"])
    stage.result(call.extid, dialstatus="BUSY")
    text = words_on(operator.get(f"/calls/{placed.id}"))
    assert "names a number that this call did not ask for" in text
    assert "A second, different result came" in text
    fine = words_on(operator.get(f"/calls/{stage.completed().id}"))
    assert "did not ask for" not in fine


def test_every_outside_text_is_escaped(operator: Operator, stage: Stage) -> None:
    placed = stage.place(reference=XSS[:100], metadata={XSS[:60]: XSS})
    call = stage.settle("taken", body=XSS)
    stage.result(
        call.extid,
        "unknown",
        **{name: XSS for name in RESULT if name not in ("attempts", "call_ids")},
        attempts=[{"to_number": XSS, "dialstatus": XSS, "begin_time": 1795000000, "end_time": 1795000009}],
    )
    page = operator.get(f"/calls/{placed.id}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert words_on(page).count("alert(1)") > 5


@pytest.mark.parametrize(
    "what", [{}, {"attempts": "text"}, {"attempts": [1, None, {"begin_time": "x"}]}, {"duration": "x"}]
)
def test_a_result_of_another_shape_breaks_nothing(operator: Operator, stage: Stage, what: dict[str, Any]) -> None:
    placed = stage.place()
    call = stage.settle("taken")
    nothing = dict.fromkeys(RESULT)
    stage.store.run(
        call_transitions.apply_results(
            [call_transitions.Applying(call.extid, json.dumps(nothing | what), "d" * 32, "unknown")]
        )
    )
    assert operator.get(f"/calls/{placed.id}").status_code == 200


@pytest.mark.parametrize("language", ["en", "ru", "uz"])
def test_every_screen_of_calls_speaks_every_language(web: Web, stage: Stage, language: str) -> None:
    unsure, bad = stage.unconfirmed("status_500"), stage.rejected("status_400")
    stage.place()
    operator = Operator(web, language=language)
    for address in (
        "/calls",
        "/calls/cancel?state=queued",
        "/calls/redial?state=unconfirmed",
        f"/calls/{unsure.id}",
        f"/calls/{bad.id}",
        f"/calls/{unsure.id}/redial",
        "/unconfirmed",
        "/failed",
    ):
        page = operator.get(address)
        assert page.status_code == 200, address
        assert f'<html lang="{language}">' in page.text
