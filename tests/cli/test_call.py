"""``alodial call``: what is written at the prompt is what is stored."""

import pytest

from alodial import CallQueue
from alodial.store import call_transitions
from alodial.store.client import Store

from .conftest import TWO_WAY, Alodial

IVR = ("call", "ivr", "--to", "994412860", "--ivrid", "222", "--fromline", "712037006")


def test_a_two_way_call_is_stored_with_all_its_options(alodial: Alodial) -> None:
    placed = alodial(
        *(
            "call",
            "two-way",
            "--from",
            "712037006/ru",
            "--to",
            "994412860/uz",
            "--to",
            "977076909",
            "--to-queue",
            "6000",
        ),
        *("--extid", "123123", "--reference", "order-17", "--priority", "urgent", "--on-unconfirmed", "redial"),
        *("--metadata", "shop=12", "--metadata", "note=a=b", "--not-before", "2099-01-01T10:00:00+05:00"),
        *("--expires-at", "2099-01-02T10:00:00+05:00", "--json"),
    )
    assert placed.code == 0
    [row] = placed.documents
    assert row == {"id": row["id"], "extid": "123123", "state": "scheduled", "created": True}
    [record] = alodial("calls", "show", "123123", "--json").documents
    assert record["request"] == {
        "callfrom": {"phone": "+998712037006", "lang": "ru"},
        "callto": [{"phone": "+998994412860", "lang": "uz"}, {"phone": "+998977076909"}, {"queue": "6000"}],
    }
    assert record["metadata"] == {"shop": "12", "note": "a=b"}
    assert (record["reference"], record["priority"], record["on_unconfirmed"]) == ("order-17", "urgent", "redial")
    assert (record["not_before"], record["expires_at"]) == ("2099-01-01T05:00:00.000Z", "2099-01-02T05:00:00.000Z")


def test_an_ivr_call_is_stored(alodial: Alodial) -> None:
    [row] = alodial(*IVR, "--json").documents
    [record] = alodial("calls", "show", row["id"], "--json").documents
    assert record["request"] == {"callto": "+998994412860", "ivrid": 222, "fromline": "+998712037006"}


def test_the_same_key_returns_the_same_call(alodial: Alodial) -> None:
    first, again = (alodial(*TWO_WAY, "--idempotency-key", "k", "--json") for _ in range(2))
    assert [first.documents[0]["created"], again.documents[0]["created"]] == [True, False]
    assert first.documents[0]["id"] == again.documents[0]["id"]
    assert again.code == 0
    assert "was there before" in alodial(*TWO_WAY, "--idempotency-key", "k").out


def test_another_call_under_a_taken_extid_fails(alodial: Alodial) -> None:
    assert alodial(*TWO_WAY, "--extid", "5").code == 0
    done = alodial(*IVR, "--extid", "5")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: extid_conflict")
    assert "hint: " in done.err


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("call", "two-way", "--from", "712037006", "--to", "12"), "callto"),
        ((*TWO_WAY, "--extid", "0123"), "extid"),
        ((*TWO_WAY, "--not-before", "tomorrow"), "--not-before"),
        ((*TWO_WAY, "--priority", "high"), "priority"),
        ((*TWO_WAY, "--account", "nope"), "account"),
        ((*TWO_WAY, "--on-unconfirmed", "perhaps"), "on_unconfirmed"),
        ((*TWO_WAY, "--metadata", "novalue"), "--metadata"),
        (("call", "two-way", "--from", "712037006"), "--to"),
        (("call", "two-way", "--to", "994412860"), "--from"),
        (("call", "ivr", "--to", "994412860", "--ivrid", "x", "--fromline", "712037006"), "--ivrid"),
    ],
)
def test_an_invalid_option_is_named_with_its_remedy_and_nothing_is_stored(
    given: tuple[str, ...], named: str, alodial: Alodial
) -> None:
    done = alodial(*given)
    assert done.code == 2
    assert done.out == ""
    error, hint = done.err.splitlines()[:2]
    assert error.startswith("error: ")
    assert named in error
    assert hint.startswith("hint: ")
    assert alodial("calls", "list", "--json").documents == []


def test_waiting_ends_after_its_timeout_and_the_call_goes_on(alodial: Alodial) -> None:
    done = alodial(*TWO_WAY, "--wait", "--timeout", "0.3", "--json")
    assert done.code == 1
    assert [record["state"] for record in done.documents] == ["queued"]
    assert "queued" in done.err.splitlines()[0]
    assert "error: still queued" in done.err


def test_ctrl_c_while_waiting_says_that_the_call_goes_on_and_how_to_cancel_it(
    alodial: Alodial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_queue: CallQueue, _name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CallQueue, "get", interrupted)
    done = alodial(*TWO_WAY, "--extid", "17", "--wait")
    assert done.code == 130
    assert done.err.splitlines()[-2:] == ["warning: the call is stored and goes on", "hint: alodial calls cancel 17"]


def test_waiting_for_a_call_that_ends_otherwise_than_completed_fails(alodial: Alodial, store: Store) -> None:
    placed = alodial(*TWO_WAY, "--idempotency-key", "k", "--json").documents[0]
    store.run(call_transitions.cancel([placed["extid"]]))
    done = alodial(*TWO_WAY, "--idempotency-key", "k", "--wait", "--timeout", "30", "--json")
    assert done.code == 1
    assert done.documents[0]["state"] == "canceled"
    assert [line.split()[3] for line in done.err.splitlines()] == ["queued", "canceled"]


def test_a_time_that_is_over_is_accepted_with_a_warning(alodial: Alodial) -> None:
    done = alodial(*TWO_WAY, "--not-before", "2020-01-01T00:00:00+05:00", "--json")
    assert done.code == 0
    (document,) = done.documents
    assert document["warnings"] == ["not_before is over already: the call goes at once"]
    assert "warning: not_before is over already" in done.err
    assert "warnings" not in alodial(*TWO_WAY, "--not-before", "+0s", "--json").documents[0]


def test_waiting_without_a_worker_says_so(alodial: Alodial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alodial.cli.call.WORKER_CHECK", 0.1)
    done = alodial(*TWO_WAY, "--wait", "--timeout", "30")
    assert done.code == 1
    assert "error: no worker is running; the call is stored and waits for one" in done.err
    assert "hint: alodial worker" in done.err


def test_a_value_with_letters_is_shown_to_its_sender(alodial: Alodial) -> None:
    done = alodial("call", "two-way", "--from", "712037006", "--to", "9944x2860")
    assert "'99**x**60' holds something other than digits" in done.err
