"""``alodial calls``: looking at calls and canceling them."""

import pytest

from alodial import CallQueue
from monitor.call_stage import Stage

from .conftest import TWO_WAY, Alodial

AWAY = "redis://:planted-password@127.0.0.1:1/0"


def _place(alodial: Alodial, *options: str) -> str:
    extid: str = alodial(*TWO_WAY, *options, "--json").documents[0]["extid"]
    return extid


def test_a_list_is_filtered_by_state_reference_phone_and_campaign(alodial: Alodial) -> None:
    _place(alodial, "--extid", "1", "--reference", "a")
    _place(alodial, "--extid", "2", "--reference", "b", "--not-before", "2099-01-01T00:00:00Z")
    _place(alodial, "--extid", "3", "--to", "977076909")

    def listed(*options: str) -> list[str]:
        return [row["extid"] for row in alodial("calls", "list", "--json", *options).documents]

    assert listed() == ["3", "2", "1"]
    assert listed("--state", "scheduled") == ["2"]
    assert listed("--reference", "a") == ["1"]
    assert listed("--phone", "977076909") == ["3"]
    assert listed("--phone", "+998 97 707 69 09") == ["3"]
    assert listed("--phone", "8 97 707 69 09") == ["3"], "as calls take it"
    assert listed("--campaign", "of-nobody") == []
    assert alodial("calls", "list", "--campaign", "of-nobody").err == "warning: no campaign of-nobody\nno calls\n"
    assert listed("--campaign", "none") == ["3", "2", "1"]


def test_a_list_goes_on_where_the_last_one_ended(alodial: Alodial) -> None:
    for extid in "123":
        _place(alodial, "--extid", extid)
    first = alodial("calls", "list", "--limit", "2", "--json")
    assert [row["extid"] for row in first.documents] == ["3", "2"]
    cursor = first.err.split()[-1]
    assert [row["extid"] for row in alodial("calls", "list", "--cursor", cursor, "--json").documents] == ["1"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--state", "bogus"),
        ("--cursor", "xyz"),
        ("--limit", "0"),
        ("--limit", "x"),
        ("--disposition", "bogus"),
        ("--since", "soon"),
        ("--until", "99"),
    ],
)
def test_a_wrong_option_of_a_list_is_named(wrong: tuple[str, str], alodial: Alodial) -> None:
    done = alodial("calls", "list", *wrong)
    assert done.code == 2
    assert wrong[0].lstrip("-") in done.err
    assert "hint: alodial calls list --help" in done.err


def test_a_wrong_number_of_a_list_is_explained_in_the_language_of_the_terminal(
    alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    done = alodial("calls", "list", "--phone", "12")
    assert done.code == 2
    assert done.err.startswith("error: --phone: ")
    assert "hint: write 9 digits" in done.err
    environment.setenv("LANG", "ru_RU.UTF-8")
    assert "ошибка: --phone: в номере не хватает цифр" in alodial("calls", "list", "--phone", "12").err


def test_a_table_cuts_nothing_off_however_narrow_it_is(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COLUMNS", "40")
    extid = _place(alodial, "--reference", "r" * 100)
    out = alodial("calls", "list").out
    assert extid in out
    assert "r" * 100 in out
    assert "\u2026" not in out


def test_an_empty_list_prints_a_message_and_no_document(alodial: Alodial) -> None:
    assert alodial("calls", "list").err == "no calls\n"
    assert alodial("calls", "list", "--json").out == ""


def test_show_prints_the_facts_and_full_numbers(alodial: Alodial) -> None:
    extid = _place(alodial, "--to-queue", "6000", "--reference", "order-17", "--metadata", "shop=12")
    shown = alodial("calls", "show", extid)
    for words in (extid, "queued", "+998712037006", "+998994412860, queue 6000", "order-17", "shop=12", "timeline"):
        assert words in shown.out
    [record] = alodial("calls", "show", extid, "--json").documents
    assert alodial("calls", "show", record["id"]).out == shown.out


def test_show_begins_with_why_the_call_did_not_ring(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    extid = _place(alodial)
    assert alodial("calls", "show", extid).out.splitlines()[1] == (
        "  It has not rung yet: no worker is alive. Start one (alodial worker)."
    )
    assert alodial("stop", "--reason", "wrong list").code == 0
    assert "It has not rung yet: the emergency stop is on. Reason: wrong list." in alodial("calls", "show", extid).out
    environment.setenv("LANG", "ru_RU.UTF-8")
    assert "Он ещё не звонил: включена аварийная остановка." in alodial("calls", "show", extid).out
    environment.delenv("LANG")
    assert alodial("calls", "cancel", extid).code == 0
    assert "It never rang: an operator canceled it in time." in alodial("calls", "show", extid).out


def test_text_that_looks_like_markup_is_printed_unchanged(alodial: Alodial) -> None:
    for reference in ("a[/b]c", "[red]", "end\\"):
        extid = _place(alodial, "--reference", reference, "--metadata", f"k={reference}")
        for command in (("calls", "show", extid), ("calls", "list"), ("events",)):
            done = alodial(*command)
            assert done.code == 0
            assert reference in done.out


def test_an_unknown_call_is_an_error_with_a_hint(alodial: Alodial) -> None:
    done = alodial("calls", "show", "99")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: no call 99\nhint: alodial calls list\n"
    by_reference = alodial("calls", "show", "order 17")
    assert by_reference.err == "error: no call order 17\nhint: alodial calls list --reference 'order 17'\n"


def test_canceling_goes_on_after_one_that_cannot_be_canceled(alodial: Alodial) -> None:
    first, last = _place(alodial), _place(alodial)
    done = alodial("calls", "cancel", first, "99", last, "--json")
    assert done.code == 1
    assert [row.get("state") or row["error"]["code"] for row in done.documents] == ["canceled", "not_found", "canceled"]


def test_canceling_for_people(alodial: Alodial) -> None:
    done = alodial("calls", "cancel", extid := _place(alodial))
    assert done.code == 0
    assert done.out.rstrip().endswith(f"extid {extid}  canceled")


def test_a_list_is_filtered_by_outcome_account_and_time(alodial: Alodial) -> None:
    first, last = _place(alodial), _place(alodial, "--account", "default")
    alodial("calls", "cancel", first)

    def listed(*options: str) -> list[str]:
        return [row["extid"] for row in alodial("calls", "list", "--json", *options).documents]

    assert listed("--account", "default") == [last, first]
    assert listed("--account", "other") == []
    assert listed("--disposition", "answered") == []
    assert listed("--since", "1h") == [last, first]
    assert listed("--until", "1h") == []
    assert listed("--since", "2099-01-01T00:00:00Z") == []
    assert listed("--reason", "params_error") == []


def test_an_ended_call_is_redialed_once_however_often_the_command_is_repeated(alodial: Alodial) -> None:
    ended = _place(alodial, "--reference", "order-17")
    alodial("calls", "cancel", ended)
    [again] = alodial("calls", "redial", ended, "--yes", "--json").documents
    assert again["created"]
    assert again["extid"] != ended
    assert (
        alodial("calls", "redial", ended, "--yes")
        .out.rstrip()
        .endswith(f"extid {again['extid']}  queued (was there before)")
    )
    assert [row["reference"] for row in alodial("calls", "list", "--json").documents] == ["order-17"] * 2


def test_a_call_in_progress_is_not_redialed_and_the_hint_says_what_to_do(alodial: Alodial) -> None:
    done = alodial("calls", "redial", _place(alodial))
    assert (done.code, done.out) == (1, "")
    assert "is queued: it has not ended yet\nhint: wait for its end, or cancel it first" in done.err


def test_an_unconfirmed_call_is_redialed_only_with_yes(alodial: Alodial, queue: CallQueue) -> None:
    extid = Stage(queue).unconfirmed().extid
    asked = alodial("calls", "redial", extid)
    assert asked.code == 2
    assert "its phone may have rung, and would ring a second time" in asked.err
    assert "repeat the command with --yes" in asked.err
    [again] = alodial("calls", "redial", extid, "--yes", "--json").documents
    assert (again["extid"] == extid, again["state"]) == (True, "scheduled")


def test_without_redis_a_command_fails_with_a_message_that_has_no_password(
    alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", AWAY)
    for command in (("calls", "list"), TWO_WAY, ("dead", "list"), ("stop",), ("events",)):
        done = alodial(*command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: Redis at 127.0.0.1:1 did not answer (refused)")
        assert "hint: " in done.err
        assert "planted-password" not in done.err
