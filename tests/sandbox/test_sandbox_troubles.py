"""The magic endings and the random faults: what the customer meets, and what the ledger says really happened."""

import json
import time

import httpx
import pytest

from alodial_workers.sandbox.behaviours import BEHAVIOUR_ENDINGS, TROUBLE_ENDINGS, Trouble
from waiting import wait_until

from .conftest import Receiver, Sandbox, sandbox_with


def number(trouble: Trouble) -> str:
    return "9012345" + next(ending for ending, one in TROUBLE_ENDINGS.items() if one is trouble)


def test_an_answer_that_is_lost_comes_after_the_phones_rang(silent: Sandbox) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        silent.two_way("901234580", extid="80")
    assert silent.story("80")[-1] == "call ended"
    assert silent.ledger()["extids"]["80"] == 1


@pytest.mark.parametrize(("ending", "status"), [("81", 503), ("87", 429)])
def test_a_call_refused_for_now_rings_nobody_and_its_repeat_is_taken(silent: Sandbox, ending: str, status: int) -> None:
    extid = f"1{ending}"
    refused = silent.two_way(f"9012345{ending}", extid=extid)
    assert (refused.status_code, refused.headers["retry-after"]) == (status, "1")
    assert extid not in silent.ledger()["extids"]
    assert silent.two_way(f"9012345{ending}", extid=extid).status_code == 200
    assert silent.ledger()["extids"][extid] == 1


@pytest.mark.parametrize(("ending", "status"), [("70", 401), ("86", 400)])
def test_a_call_refused_for_good_is_refused_each_time_and_rings_nobody(
    silent: Sandbox, ending: str, status: int
) -> None:
    extid = f"2{ending}"
    for _ in range(2):
        assert silent.two_way(f"9012345{ending}", extid=extid).status_code == status
    assert extid not in silent.ledger()["extids"]


@pytest.mark.parametrize(("ending", "status"), [("85", 200), ("89", 500)])
def test_an_unclear_answer_comes_after_the_phones_rang(silent: Sandbox, ending: str, status: int) -> None:
    answer = silent.two_way(f"9012345{ending}", extid=f"3{ending}")
    assert answer.status_code == status
    assert "answer" not in answer.text
    assert silent.story(f"3{ending}")[-1] == "call ended"


def test_a_slow_answer_outlasts_the_client_and_the_phones_ring() -> None:
    with sandbox_with(slow_answer=5) as sandbox:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{sandbox.url}/requestcall/token",
                json={"callto": "901234588", "ivrid": 1, "fromline": "712037006", "extid": "88"},
                timeout=0.2,
                trust_env=False,
            )
        assert sandbox.story("88")[-1] == "call ended"


def test_a_result_comes_twice(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way(number(Trouble.DOUBLE), extid="82")
        one, two = receiver.results(2)
    assert one == two


def test_a_result_comes_before_the_answer(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url, speed=1) as sandbox:
        assert sandbox.two_way(number(Trouble.EARLY), extid="83").status_code == 200
        assert len(receiver.bodies) == 1
        assert sandbox.story("83")[-1] == "call ended"


def test_a_result_never_comes(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way(number(Trouble.NO_CALLBACK), extid="84")
        wait_until(lambda: sandbox.ledger()["in_progress"] == 0)
        assert sandbox.ledger()["callbacks"] == {}
    assert receiver.bodies == []


def test_a_result_has_a_status_that_nobody_has_seen(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way(number(Trouble.UNSEEN_STATUS), extid="71")
        (result,) = receiver.results(1)
    assert result["dialstatus"] == "VOICEMAIL_FULL"


def test_a_result_cannot_be_read(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way(number(Trouble.UNREADABLE), extid="72")
        wait_until(lambda: receiver.bodies)
    with pytest.raises(ValueError):
        json.loads(receiver.bodies[0][1])


def test_a_result_is_ten_minutes_of_life_late(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url, speed=1000) as sandbox:
        began = time.monotonic()
        sandbox.two_way(number(Trouble.LATE), extid="73")
        receiver.results(1)
        assert time.monotonic() - began >= 0.6


def test_two_results_contradict_each_other(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way(number(Trouble.CONFLICT), extid="74")
        one, two = receiver.results(2)
    assert (one["dialstatus"], two["dialstatus"]) == ("ANSWER", "NOANSWER")


def test_only_the_first_recipient_makes_trouble(silent: Sandbox) -> None:
    assert silent.two_way("901234501", "901234586", extid="90", callfrom="901234586").status_code == 200


def test_an_ivr_call_meets_the_trouble_of_the_number_it_rings(silent: Sandbox) -> None:
    body = {"callto": "901234586", "ivrid": 222, "fromline": 712037006, "extid": "91"}
    assert silent.post(body).status_code == 400


def test_every_fault_can_be_drawn_and_the_ledger_counts_what_was_met() -> None:
    with sandbox_with(faults={"answer_lost": 0.3, "refuse": 0.3}, seed=5) as sandbox:
        seen = {"answer_lost": 0, "refuse": 0, "fine": 0}
        for extid in range(1, 101):
            try:
                status = sandbox.two_way("901234501", extid=str(extid)).status_code
            except httpx.RemoteProtocolError:
                seen["answer_lost"] += 1
            else:
                seen["fine" if status == 200 else "refuse"] += 1
        ledger = sandbox.ledger()
    assert all(count > 10 for count in seen.values())
    assert ledger["troubles"] == {"answer_lost": seen["answer_lost"], "refuse": seen["refuse"]}
    assert ledger["posts"] == 100
    assert ledger["rung"] == len(ledger["extids"]) == seen["answer_lost"] + seen["fine"]


def test_the_same_seed_draws_the_same_faults() -> None:
    outcomes = []
    for _ in range(2):
        with sandbox_with(faults={"refuse": 0.5}, seed=3) as sandbox:
            outcomes.append([sandbox.two_way("901234501", extid=str(n)).status_code for n in range(1, 21)])
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {200, 503}


def test_no_ending_means_two_things() -> None:
    assert not BEHAVIOUR_ENDINGS.keys() & TROUBLE_ENDINGS.keys()
    assert set(TROUBLE_ENDINGS.values()) == set(Trouble)
