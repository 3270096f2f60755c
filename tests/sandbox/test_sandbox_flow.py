"""The course of a call, as the sandbox's timeline tells it."""

from itertools import pairwise

import pytest

from .conftest import Sandbox, sandbox_with


def test_a_recipient_who_answers_is_connected(silent: Sandbox) -> None:
    silent.two_way("994412860", extid="1")
    assert silent.story("1") == [
        "initiator 712037006 ringing",
        "initiator 712037006 answered",
        "recipient 994412860 ringing",
        "recipient 994412860 answered",
        "recipient 994412860 connected",
        "call ended",
    ]


@pytest.mark.parametrize(
    ("ending", "event"), [("90", "busy"), ("91", "no_answer"), ("92", "congestion"), ("93", "unavailable")]
)
def test_an_initiator_who_is_not_reached_ends_the_call_before_any_recipient_is_rung(
    silent: Sandbox, ending: str, event: str
) -> None:
    number = f"9012345{ending}"
    silent.two_way("994412860", extid=f"20{ending}", callfrom=number)
    assert silent.story(f"20{ending}") == [f"initiator {number} ringing", f"initiator {number} {event}", "call ended"]


def test_recipients_are_rung_one_after_another_until_one_is_connected(silent: Sandbox) -> None:
    silent.two_way("901234590", "901234591", "901234592", "901234593", "901234501", "901234502", extid="3")
    assert silent.story("3")[2:] == [
        "recipient 901234590 ringing",
        "recipient 901234590 busy",
        "recipient 901234591 ringing",
        "recipient 901234591 no_answer",
        "recipient 901234592 ringing",
        "recipient 901234592 congestion",
        "recipient 901234593 ringing",
        "recipient 901234593 unavailable",
        "recipient 901234501 ringing",
        "recipient 901234501 answered",
        "recipient 901234501 connected",
        "call ended",
    ]


def test_the_files_are_announced_in_the_order_of_the_provider_page(announcing: Sandbox) -> None:
    announcing.two_way("901234590", "901234501", extid="4")
    assert announcing.story("4") == [
        "initiator 712037006 ringing",
        "initiator 712037006 answered",
        "initiator 712037006 announced 1.wav",
        "recipient 901234590 ringing",
        "recipient 901234590 busy",
        "initiator 712037006 announced 3.wav",
        "recipient 901234501 ringing",
        "recipient 901234501 answered",
        "recipient 901234501 announced 2.wav",
        "recipient 901234501 connected",
        "call ended",
    ]


def test_an_exhausted_list_is_announced_to_the_initiator_and_ends_the_call(announcing: Sandbox) -> None:
    announcing.two_way("901234590", "901234591", extid="5")
    assert announcing.story("5")[3:] == [
        "recipient 901234590 ringing",
        "recipient 901234590 busy",
        "initiator 712037006 announced 3.wav",
        "recipient 901234591 ringing",
        "recipient 901234591 no_answer",
        "initiator 712037006 announced 4.wav",
        "call ended",
    ]


def test_a_stage_without_a_file_passes_in_silence_while_the_others_are_heard() -> None:
    with sandbox_with(announcements={"failed": "4.wav"}) as sandbox:
        sandbox.two_way("901234590", "901234591", extid="6")
        announced = [entry["file"] for entry in sandbox.timeline("6") if entry["event"] == "announced"]
    assert announced == ["4.wav"]


def test_a_queue_is_rung_answers_and_is_connected(announcing: Sandbox) -> None:
    announcing.post({"callfrom": {"phone": "712037006"}, "callto": [{"queue": "6090"}], "extid": "7"})
    assert announcing.story("7")[3:] == [
        "queue 6090 ringing",
        "queue 6090 answered",
        "queue 6090 announced 2.wav",
        "queue 6090 connected",
        "call ended",
    ]


def test_an_ivr_call_rings_the_number_and_puts_it_into_the_menu(announcing: Sandbox) -> None:
    announcing.post({"callto": "712037006", "ivrid": 222, "fromline": 712037006, "extid": "8"})
    assert announcing.story("8") == [
        "ivr 712037006 ringing",
        "ivr 712037006 answered",
        "ivr 712037006 connected",
        "call ended",
    ]


def test_an_ivr_call_to_a_busy_number_ends(silent: Sandbox) -> None:
    silent.post({"callto": "712037090", "ivrid": 222, "fromline": 712037006, "extid": "9"})
    assert silent.story("9") == ["ivr 712037090 ringing", "ivr 712037090 busy", "call ended"]


def test_entries_carry_their_moments_in_order_and_nothing_of_the_future() -> None:
    numbers = {"712037006": {"ring_seconds": 50}, "901234501": {"ring_seconds": 2, "talk_seconds": 5}}
    with sandbox_with(speed=100, scenario={"numbers": numbers}) as sandbox:
        sandbox.two_way("901234501", extid="10")
        first = sandbox.http.get("/sandbox/calls/10").json()["timeline"]
        assert [entry["event"] for entry in first] == ["ringing"]
        moments = [entry["at"] for entry in sandbox.timeline("10")]
    assert all(earlier <= later for earlier, later in pairwise(moments))
    assert all(len(moment) == len("2026-01-27T00:00:00.000Z") and moment.endswith("Z") for moment in moments)


def test_a_repeated_post_rings_the_phones_again_and_the_ledger_shows_it(silent: Sandbox) -> None:
    for _ in range(2):
        assert silent.two_way("901230001", extid="11", callfrom="901230002").status_code == 200
    assert silent.story("11").count("initiator 901230002 ringing") == 2
    ledger = silent.ledger()
    assert ledger["extids"]["11"] == 2
    assert ledger["rings"]["901230002"] == 2


def test_the_same_numbers_take_the_same_course_with_the_same_seed() -> None:
    with sandbox_with(speed=1000, seed=7) as one, sandbox_with(speed=1000, seed=7) as two:
        stories = []
        for sandbox in (one, two):
            sandbox.two_way("901234591", "901234501", extid="12")
            stories.append(sandbox.story("12"))
    assert stories[0] == stories[1]
