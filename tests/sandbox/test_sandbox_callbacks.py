"""What the sandbox POSTs after a call."""

import io
import wave
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from alodial_schemas.alovoice.result import CallResult, parse_results
from waiting import wait_until

from .conftest import Receiver, sandbox_with


def only_result(receiver: Receiver) -> CallResult:
    wait_until(lambda: receiver.bodies)
    (content_type, body) = receiver.bodies[0]
    (result,) = parse_results(body, content_type)
    assert isinstance(result, CallResult), result
    return result


def test_the_result_of_a_connected_call_has_the_documented_fields(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        taken = sandbox.two_way("901234590", "901234501", extid="123123").json()["answer"]
        (result,) = receiver.results(1)
    assert result["externalid"] == 123123
    assert result["id"] == [taken["id"], taken["id"] + 1, taken["id"] + 2]
    assert result["from_number"] == ["712037006"]
    assert result["to_number"] == ["901234501"]
    assert result["dialstatus"] == "ANSWER"
    assert result["begin_time"] < result["answer_time"] < result["end_time"]
    assert result["duration"] == result["end_time"] - result["answer_time"]
    assert [one["dialstatus"] for one in result["attempts"]] == ["BUSY", "ANSWER"]
    assert result["trunk_number"]


@pytest.mark.parametrize(
    ("ending", "dialstatus"), [("90", "BUSY"), ("91", "NOANSWER"), ("92", "CONGESTION"), ("93", "CHANUNAVAIL")]
)
@pytest.mark.parametrize("party", ["initiator", "recipient", "ivr"])
def test_each_failure_is_told_by_its_dialstatus(receiver: Receiver, party: str, ending: str, dialstatus: str) -> None:
    number = f"9012345{ending}"
    with sandbox_with(callback_url=receiver.url) as sandbox:
        if party == "ivr":
            sandbox.post({"callto": number, "ivrid": 1, "fromline": "712037006", "extid": "1"})
        elif party == "recipient":
            sandbox.two_way(number, extid="1")
        else:
            sandbox.two_way("901234501", extid="1", callfrom=number)
        (result,) = receiver.results(1)
    assert result["dialstatus"] == dialstatus
    assert (result["answer_time"], result["duration"], result["to_number"], result["record"]) == (0, 0, [], "")


@pytest.mark.parametrize("encoding", ["json", "form", "multipart"])
@pytest.mark.parametrize("spelling", ["id", "[]id", "id[]"])
def test_a_result_reads_alike_in_every_encoding_and_spelling(receiver: Receiver, encoding: str, spelling: str) -> None:
    settings: dict[str, Any] = {"callback_encoding": encoding, "callback_spelling": spelling}
    with sandbox_with(callback_url=receiver.url, **settings) as sandbox:
        taken = sandbox.two_way("901234590", "901234501", extid="123123").json()["answer"]
        result = only_result(receiver)
    assert spelling.encode() in receiver.bodies[0][1].replace(b"%5B%5D", b"[]")
    assert result.extid == "123123"
    assert result.call_ids == [taken["id"], taken["id"] + 1, taken["id"] + 2]
    assert result.from_numbers == ["712037006"]
    assert result.to_numbers == ["901234501"]
    assert result.dialstatus == "ANSWER"
    assert len(result.attempts) == 2


def test_the_record_link_can_be_followed(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way("901234501", extid="1")
        (result,) = receiver.results(1)
        sound = httpx.get(result["record"], trust_env=False)
    with wave.open(io.BytesIO(sound.content)) as reader:
        assert reader.getnframes() == reader.getframerate()


@pytest.mark.parametrize(
    ("extid", "externalid"), [("123", 123), ("0123", 123), ("9007199254740993", 9007199254740992), ("order-1", None)]
)
def test_an_extid_comes_back_as_the_number_that_a_javascript_server_makes_of_it(
    receiver: Receiver, extid: str, externalid: int | None
) -> None:
    with sandbox_with(callback_url=receiver.url) as sandbox:
        sandbox.two_way("901234501", extid=extid)
        (result,) = receiver.results(1)
    assert result["externalid"] == externalid


def test_a_receiver_that_is_away_for_a_while_gets_the_result_all_the_same(receiver: Receiver) -> None:
    receiver.refuse = 3
    with sandbox_with(callback_url=receiver.url, callback_retry_seconds=0.01) as sandbox:
        sandbox.two_way("901234501", extid="1")
        receiver.results(1)
        wait_until(lambda: sandbox.ledger()["callbacks"] == {"refused": 3, "delivered": 1})
        assert sandbox.ledger()["in_progress"] == 0


def test_a_result_that_nobody_takes_is_given_up_and_the_call_is_no_longer_in_progress(receiver: Receiver) -> None:
    receiver.refuse = 1000
    with sandbox_with(callback_url=receiver.url, callback_retry_seconds=0.01, callback_tries=4) as sandbox:
        sandbox.two_way("901234501", extid="1")
        wait_until(lambda: sandbox.ledger()["callbacks"] == {"refused": 4, "given_up": 1})
        wait_until(lambda: sandbox.ledger()["in_progress"] == 0)


def test_an_ivr_result_names_its_line_and_no_initiator(receiver: Receiver) -> None:
    with sandbox_with(callback_url=receiver.url, callback_encoding="form") as sandbox:
        sandbox.post({"callto": "901234501", "ivrid": 222, "fromline": 712037006, "extid": "1"})
        wait_until(lambda: receiver.bodies)
    fields = parse_qs(receiver.bodies[0][1].decode())
    assert fields["trunk_number"] == ["712037006"]
    assert "from_number" not in fields
