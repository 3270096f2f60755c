"""A person plays the phones: what rings waits for an act, and automatic play resumes without one."""

import json
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from waiting import wait_until

from .conftest import Receiver, Sandbox, sandbox_with

PATIENT = {"speed": 1, "by_hand": True, "hand_seconds": 600}
CALLER, FIRST, SECOND = "712037006", "994412890", "977076909"


@pytest.fixture
def manual(receiver: Receiver) -> Generator[Sandbox, None, None]:
    """Manual play at real speed, with a receiver for results; automatic play does not resume within a test."""
    with sandbox_with(**PATIENT, callback_url=receiver.url) as sandbox:
        yield sandbox


def phones(sandbox: Sandbox) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sandbox.http.get("/sandbox/phones").json()["phones"]
    return rows


def act(sandbox: Sandbox, extid: str, name: str, **more: Any) -> dict[str, Any]:
    """Does an act; the phone after it."""
    answer = sandbox.http.post(f"/sandbox/calls/{extid}/act", json={"act": name} | more)
    assert answer.status_code == 200, answer.text
    phone: dict[str, Any] = answer.json()
    return phone


def states(phone: dict[str, Any]) -> list[str]:
    return [line["state"] for line in phone["lines"]]


def settled(sandbox: Sandbox, extid: str) -> str:
    """The fate of a call's result, once it is known."""
    done = wait_until(
        lambda: [phone for phone in phones(sandbox) if (phone["extid"], phone["stage"]) == (extid, "done")]
    )
    fate: str = done[0]["fate"]
    return fate


def test_a_call_rings_until_somebody_answers_and_talks_until_somebody_hangs_up(
    manual: Sandbox, receiver: Receiver
) -> None:
    assert manual.two_way(FIRST, extid="1").json()["answer"]["extid"] == "1"
    (phone,) = phones(manual)
    assert (phone["stage"], states(phone), phone["alone"]) == ("ringing", ["ringing", "waiting"], False)
    assert phone["acts"] == ["answer", "busy", "no_answer", "congestion", "unavailable"]
    phone = act(manual, "1", "answer")
    assert (phone["stage"], states(phone)) == ("ringing", ["on_line", "ringing"])
    # Its ending says that it is busy; the person who plays it decides otherwise.
    phone = act(manual, "1", "answer")
    assert (phone["stage"], states(phone), phone["acts"]) == ("talking", ["talking", "talking"], ["hang_up"])
    assert receiver.bodies == []
    phone = act(manual, "1", "hang_up")
    assert (phone["stage"], states(phone), phone["dialstatus"]) == ("ended", ["over", "over"], "ANSWER")
    assert manual.http.get("/sandbox/calls").json()["calls"][0]["dialstatus"] == "ANSWER"
    act(manual, "1", "send")
    (result,) = receiver.results(1)
    assert (result["dialstatus"], result["to_number"], result["externalid"]) == ("ANSWER", [FIRST], 1)
    assert len(result["id"]) == 2
    assert [entry["event"] for entry in manual.timeline("1")] == [
        *("ringing", "answered", "ringing", "answered", "connected", "ended"),
    ]
    assert settled(manual, "1") == "delivered"
    assert manual.ledger()["in_progress"] == 0


@pytest.mark.parametrize(
    ("name", "dialstatus"),
    [("busy", "BUSY"), ("no_answer", "NOANSWER"), ("congestion", "CONGESTION"), ("unavailable", "CHANUNAVAIL")],
)
def test_each_refusal_of_the_first_phone_ends_the_call(
    manual: Sandbox, receiver: Receiver, name: str, dialstatus: str
) -> None:
    manual.two_way(FIRST, extid="2")
    phone = act(manual, "2", name)
    assert (phone["stage"], states(phone)) == ("ended", [name, "not_rung"])
    act(manual, "2", "send")
    assert receiver.results(1)[0]["dialstatus"] == dialstatus
    assert manual.story("2")[1] == f"initiator {CALLER} {name}"


def test_the_next_recipient_rings_after_one_that_does_not_answer_with_the_same_announcements() -> None:
    files = {"initiator": "1.wav", "recipient": "2.wav", "next": "3.wav", "failed": "4.wav"}
    with sandbox_with(**PATIENT, announcements=files) as sandbox:
        sandbox.two_way(FIRST, SECOND, extid="3")
        for name in ("answer", "no_answer", "busy"):
            phone = act(sandbox, "3", name)
        assert states(phone) == ["over", "no_answer", "busy"]
        assert sandbox.story("3")[2:] == [
            f"initiator {CALLER} announced 1.wav",
            f"recipient {FIRST} ringing",
            f"recipient {FIRST} no_answer",
            f"initiator {CALLER} announced 3.wav",
            f"recipient {SECOND} ringing",
            f"recipient {SECOND} busy",
            f"initiator {CALLER} announced 4.wav",
            "call ended",
        ]
        act(sandbox, "3", "send")
        assert settled(sandbox, "3") == "nowhere"  # it was given no callback URL


def test_the_caller_on_the_line_can_hang_up_while_another_phone_rings(manual: Sandbox, receiver: Receiver) -> None:
    manual.two_way(FIRST, SECOND, extid="4")
    refused = manual.http.post("/sandbox/calls/4/act", json={"act": "hang_up"})
    assert refused.status_code == 409  # nobody is on the line yet
    assert "hang_up" in act(manual, "4", "answer")["acts"]
    phone = act(manual, "4", "hang_up")
    assert states(phone) == ["over", "canceled", "not_rung"]
    act(manual, "4", "send")
    assert receiver.results(1)[0]["dialstatus"] == "CANCEL"


def test_a_queue_and_an_ivr_call_are_played_manually_too(manual: Sandbox, receiver: Receiver) -> None:
    manual.post({"callfrom": {"phone": CALLER}, "callto": [{"queue": "6000"}], "extid": "5"})
    act(manual, "5", "answer")
    phone = act(manual, "5", "answer")
    assert [line["party"] for line in phone["lines"]] == ["initiator", "queue"]
    manual.post({"callto": FIRST, "ivrid": "222", "fromline": CALLER, "extid": "6"})
    phone = act(manual, "6", "answer")
    assert [(line["party"], line["state"]) for line in phone["lines"]] == [("ivr", "talking")]
    assert act(manual, "6", "hang_up")["dialstatus"] == "ANSWER"
    act(manual, "6", "send")
    assert receiver.results(1)[0]["to_number"] == [FIRST]


def test_the_result_is_sent_twice_never_or_garbled_as_the_person_decides(manual: Sandbox, receiver: Receiver) -> None:
    for extid, how in (("7", "send_twice"), ("8", "send_never"), ("9", "send_garbled")):
        manual.two_way(FIRST, extid=extid)
        act(manual, extid, "busy")
        act(manual, extid, how)
        assert settled(manual, extid) == ("never" if extid == "8" else "delivered")
    twice, again, garbled = [body for _, body in receiver.bodies]
    assert twice == again
    assert json.loads(twice)["externalid"] == 7
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        json.loads(garbled)
    assert [phone["sent"] for phone in phones(manual)] == ["send_garbled", "send_never", "send_twice"]


def test_a_late_result_waits_and_can_still_be_sent_at_once(manual: Sandbox, receiver: Receiver) -> None:
    manual.two_way(FIRST, extid="10")
    act(manual, "10", "busy")
    phone = act(manual, "10", "send_late")
    assert (phone["stage"], "send_late" in phone["acts"], receiver.bodies) == ("late", False, [])
    assert phone["until"] > phone["since"]
    manual.http.post("/sandbox/hand", json={"on": False})
    assert phones(manual)[0]["stage"] == "late"
    act(manual, "10", "send")
    receiver.results(1)


def test_a_late_result_comes_by_itself_in_the_end(receiver: Receiver) -> None:
    # Ten simulated minutes are 60 ms.
    with sandbox_with(by_hand=True, speed=10_000, callback_url=receiver.url) as sandbox:
        sandbox.two_way(FIRST, extid="11")
        act(sandbox, "11", "busy")
        act(sandbox, "11", "send_late")
        assert receiver.results(1)[0]["dialstatus"] == "BUSY"
        assert settled(sandbox, "11") == "delivered"


def test_automatic_play_resumes_when_nobody_acts_in_time(receiver: Receiver) -> None:
    with sandbox_with(by_hand=True, hand_seconds=0.05, speed=1000, callback_url=receiver.url) as sandbox:
        sandbox.two_way(FIRST, SECOND, extid="12")
        (result,) = receiver.results(1)
        # The first recipient is busy, as its ending says.
        assert (result["dialstatus"], result["to_number"]) == ("ANSWER", [SECOND])
        assert f"recipient {FIRST} busy" in sandbox.story("12")
        assert settled(sandbox, "12") == "delivered"


def test_when_nobody_acts_the_trouble_of_the_ending_happens(receiver: Receiver) -> None:
    with sandbox_with(by_hand=True, hand_seconds=0.02, speed=5000, callback_url=receiver.url) as sandbox:
        sandbox.two_way("901234582", extid="13")  # double
        sandbox.two_way("901234584", extid="14")  # no_callback
        sandbox.two_way("901234573", extid="15")  # late
        bodies = receiver.results(3)
        assert settled(sandbox, "14") == "never"
        assert sorted(body["externalid"] for body in bodies) == [13, 13, 15]


def test_a_call_that_plays_automatically_can_be_played_manually_again() -> None:
    with sandbox_with(by_hand=True, hand_seconds=0.05, speed=0.01) as sandbox:
        sandbox.two_way(SECOND, extid="16")
        alone = wait_until(lambda: [phone for phone in phones(sandbox) if phone["alone"]])
        assert states(alone[0]) == ["on_line", "ringing"]  # at this speed it rings for minutes
        assert act(sandbox, "16", "busy")["stage"] == "ended"


def test_switched_off_automatic_play_resumes_at_once_and_new_calls_play_automatically(receiver: Receiver) -> None:
    with sandbox_with(by_hand=True, hand_seconds=600, speed=5000, callback_url=receiver.url) as sandbox:
        sandbox.two_way(SECOND, extid="17")
        assert sandbox.http.post("/sandbox/hand", json={"on": False}).json()["by_hand"] is False
        receiver.results(1)
        sandbox.two_way(SECOND, extid="18")
        assert receiver.results(2)[1]["externalid"] == 18
        assert [phone["extid"] for phone in phones(sandbox)] == ["17"]
        assert sandbox.http.post("/sandbox/hand", json={"on": True}).json()["by_hand"] is True
        sandbox.two_way(SECOND, extid="19")
        assert phones(sandbox)[0]["stage"] == "ringing"


def test_at_most_twenty_calls_are_played_manually_and_the_others_automatically(receiver: Receiver) -> None:
    with sandbox_with(by_hand=True, hand_seconds=600, speed=5000, callback_url=receiver.url) as sandbox:
        for n in range(25):
            sandbox.two_way(SECOND, extid=str(100 + n))
        assert sorted(body["externalid"] for body in receiver.results(5)) == [120, 121, 122, 123, 124]
        assert len(phones(sandbox)) == 20


def test_the_answer_stays_short_whatever_rings() -> None:
    with sandbox_with(**PATIENT) as sandbox:
        many = [f"+99890{n:012d}"[:16] for n in range(900)]
        for n in range(25):
            assert sandbox.two_way(*many, extid="ў" * 127 + chr(65 + n), callfrom="+998901234567890").status_code == 200
        answer = sandbox.http.get("/sandbox/phones")
        assert len(answer.content) < 64 * 1024
        assert answer.json()["phones"][0]["hidden"] == 901 - 12


def test_a_long_list_is_cut_around_the_phone_that_rings() -> None:
    with sandbox_with(**PATIENT) as sandbox:
        sandbox.two_way(*[f"9012345{n:02d}" for n in range(60)], extid="20")
        act(sandbox, "20", "answer")
        for _ in range(30):
            phone = act(sandbox, "20", "busy")
        assert phone["lines"][0]["party"] == "initiator"
        assert [line["number"] for line in phone["lines"] if line["state"] == "ringing"] == ["901234530"]
        assert len(phone["lines"]) == 12


def test_an_act_that_was_meant_for_a_phone_before_hits_no_other(manual: Sandbox) -> None:
    manual.two_way(FIRST, SECOND, extid="21")
    turn = phones(manual)[0]["turn"]
    act(manual, "21", "answer", turn=turn)
    again = manual.http.post("/sandbox/calls/21/act", json={"act": "answer", "turn": turn})
    assert again.status_code == 409
    assert "possible: answer, busy" in again.json()["error"]
    assert states(phones(manual)[0]) == ["on_line", "ringing", "waiting"]


def test_two_posts_of_one_extid_are_two_calls_with_ids_of_their_own(manual: Sandbox) -> None:
    manual.two_way(FIRST, extid="22")
    manual.two_way(FIRST, extid="22")
    first, second = phones(manual)
    assert second["id"] == first["id"] + 2
    assert act(manual, "22", "busy", id=second["id"])["id"] == second["id"]
    assert [phone["stage"] for phone in phones(manual)] == ["ringing", "ended"]


def test_troubles_before_the_ring_happen_in_manual_play_too(manual: Sandbox) -> None:
    assert manual.two_way("901234586", extid="23").status_code == 400
    assert manual.two_way("901234589", extid="24").status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        manual.two_way("901234580", extid="25")
    assert [phone["extid"] for phone in phones(manual)] == ["24", "25"]


def test_an_early_result_plays_automatically(manual: Sandbox, receiver: Receiver) -> None:
    assert manual.two_way("901234583", extid="26").status_code == 200
    assert receiver.results(1)[0]["externalid"] == 26
    assert phones(manual) == []


def test_steps_of_manual_play_are_in_order_of_time() -> None:
    with sandbox_with(by_hand=True, speed=100, hand_seconds=600) as sandbox:
        sandbox.two_way(FIRST, extid="27")
        for name in ("answer", "answer", "hang_up"):
            act(sandbox, "27", name)
        moments = [entry["at"] for entry in sandbox.timeline("27")]
        assert moments == sorted(moments)


def test_a_sandbox_identifies_itself(silent: Sandbox) -> None:
    facts = silent.http.get("/sandbox").json()
    assert facts["sandbox"] == "alodial"
    assert (facts["by_hand"], facts["hand_seconds"], facts["callback"]) == (False, 120.0, False)


@pytest.mark.parametrize(
    ("address", "content", "kind", "status", "says"),
    [
        ("hand", '{"on": true}', "text/plain", 400, "content-type"),
        ("hand", "on=true", "application/x-www-form-urlencoded", 400, "content-type"),
        ("hand", '{"on": 1}', "application/json", 400, "on: not a boolean"),
        ("hand", "[" * 60_000, "application/json", 400, "body"),
        ("hand", " " * 70_000, "application/json", 413, "body: above"),
        ("calls/28/act", '{"act": "explode"}', "application/json", 400, "act: not known"),
        ("calls/28/act", '{"act": ["answer"]}', "application/json", 400, "act: not known"),
        ("calls/28/act", '{"act": "answer", "turn": true}', "application/json", 400, "turn: not an integer"),
        ("calls/28/act", '{"act": "answer", "id": 1}', "application/json", 404, "extid"),
        ("calls/none/act", '{"act": "answer"}', "application/json", 404, "extid"),
        ("calls/28/act", '{"act": "send"}', "application/json", 409, "possible: answer"),
    ],
)
def test_an_impossible_act_is_refused_with_the_remedy(
    manual: Sandbox, address: str, content: str, kind: str, status: int, says: str
) -> None:
    manual.two_way(FIRST, extid="28")
    answer = manual.http.post(f"/sandbox/{address}", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert phones(manual)[0]["stage"] == "ringing"
