"""``alodial campaign`` and ``alodial dnc``."""

import csv
import sys
from pathlib import Path

import pytest

from alodial import CallFilter, CallQueue, Page

from .conftest import Alodial

ALWAYS = ("--from", "712037006", "--hours", "09:00-20:00")


def write(path: str, *phones: str) -> Path:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([("Phone", "Name"), *((phone, "x") for phone in phones)])
    return Path(path)


def test_a_file_is_checked_submitted_controlled_and_exported(alodial: Alodial) -> None:
    write("list.csv", "994412860", "977076909")
    checked = alodial("campaign", "check", "list.csv", "--json")
    assert checked.code == 0
    assert checked.documents[0]["good"] == 2
    made = alodial("campaign", "submit", "list.csv", *ALWAYS, "--name", "mine", "--redial", "busy=5m,15m", "--json")
    assert made.code == 0
    record = made.documents[0]
    assert record["request"]["policy"]["redial"]["delays"] == {"busy": [300, 900]}
    assert alodial("campaign", "pause", "mine", "--reason", "why", "--json").documents[0]["state"] == "paused"
    assert alodial("campaign", "resume", record["id"][:8], "--json").documents[0]["state"] == "running"
    assert alodial("campaign", "pace", "mine", "2.5", "--json").documents[0]["request"]["policy"]["pace"] == 2.5
    assert alodial("campaign", "cancel", "mine", "--yes", "--json").documents[0]["calls"] == {"canceled": 2}
    assert alodial("campaign", "resume", "mine").code == 1
    assert [act["action"] for act in alodial("campaign", "activity", "mine", "--json").documents][:2] == [
        "canceled",
        "changed",
    ]
    assert alodial("campaign", "export", "mine", "out.csv").code == 0
    with Path("out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Phone"], row["alodial_state"]) for row in rows] == [
        ("994412860", "canceled"),
        ("977076909", "canceled"),
    ]
    assert alodial("campaign", "report", "mine", "report.html").code == 0
    assert "<svg" in Path("report.html").read_text()
    assert alodial("campaign", "list", "--json").documents[0]["name"] == "mine"


@pytest.mark.parametrize(("delimiter", "separator"), [(",", ","), (";", ";"), ("|", "|"), ("tab", "\t")])
def test_an_export_has_the_separator_that_was_wanted_and_is_read_back(
    delimiter: str, separator: str, alodial: Alodial
) -> None:
    write("list.csv", "994412860", "977076909")
    assert alodial("campaign", "submit", "list.csv", *ALWAYS, "--name", "mine", "--paused").code == 0
    assert alodial("campaign", "export", "mine", "out.csv", "--delimiter", delimiter).code == 0
    assert Path("out.csv").read_text("utf-8-sig").startswith(f"Phone{separator}Name{separator}alodial_")
    (checked,) = alodial("campaign", "check", "out.csv", "--map", "phone=Phone", "--json").documents
    assert (checked["delimiter"], checked["rows"]) == (separator, 2)


def test_a_separator_that_cannot_be_read_back_is_refused_with_those_that_can(alodial: Alodial) -> None:
    write("list.csv", "994412860")
    assert alodial("campaign", "submit", "list.csv", *ALWAYS, "--name", "mine", "--paused").code == 0
    refused = alodial("campaign", "export", "mine", "out.csv", "--delimiter", "x")
    assert refused.code == 2
    assert "use , or ; or | or tab" in " ".join(refused.err.split())


@pytest.mark.parametrize("command", ["check", "submit"])
def test_hours_by_the_number_without_the_tables_of_zones_are_refused_with_what_to_install(
    command: str, alodial: Alodial, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("list.csv", "994412860")
    monkeypatch.setitem(sys.modules, "phonenumbers.tzdata", None)
    done = alodial("campaign", command, "list.csv", *ALWAYS, "--zone", "number")
    assert done.code == 1
    assert "error: policy.hours.timezone: needs the time zones of numbers" in done.err
    assert "hint: pip install 'alodial[zones]'" in done.err


def test_bad_rows_are_reported_and_written_to_a_file_and_the_good_rows_are_submitted(alodial: Alodial) -> None:
    write("list.csv", "994412860", "12", "994412860")
    done = alodial("campaign", "submit", "list.csv", *ALWAYS, "--errors", "bad.csv")
    assert done.code == 0
    assert "1 good, 1 bad, 1 duplicate" in done.out
    assert "has 2 national digits" in Path("bad.csv").read_text(encoding="utf-8-sig")
    assert "12" in alodial("campaign", "problems", "list").out


def test_a_campaign_without_rejected_rows_says_so_in_the_language_chosen(alodial: Alodial) -> None:
    write("list.csv", "994412860")
    assert alodial("campaign", "submit", "list.csv", *ALWAYS).code == 0
    assert alodial("campaign", "problems", "list").out == "no row was rejected\n"
    assert alodial("campaign", "problems", "list", "--language", "ru").out == "непринятых строк нет\n"
    assert alodial("campaign", "problems", "list", "--json").out == ""


def test_the_same_rows_are_refused_unless_again_is_set(alodial: Alodial) -> None:
    write("list.csv", "994412860", "977076909")
    write("other.csv", "977076909", "994412860")
    assert alodial("campaign", "submit", "list.csv", *ALWAYS).code == 0
    for name in ("list.csv", "other.csv"):
        refused = alodial("campaign", "submit", name, *ALWAYS)
        assert refused.code == 1
        assert "as campaign 'list'" in refused.err
        assert "--again" in refused.err
    assert alodial("campaign", "submit", "list.csv", *ALWAYS, "--name", "second", "--again").code == 0


def test_wrong_options_are_refused_with_an_example(alodial: Alodial) -> None:
    write("list.csv", "994412860")
    for options in (("--hours", "always"), ("--redial", "busy"), ("--map", "phone"), ("--row-ttl", "soon")):
        done = alodial("campaign", "submit", "list.csv", "--from", "712037006", *options)
        assert done.code == 2
        assert options[0] in done.err
    assert alodial("campaign", "submit", "nowhere.csv", *ALWAYS).code == 1
    assert alodial("campaign", "submit", "list.csv", "--ivr", "5").code == 1


def test_numbers_on_the_do_not_call_list_are_left_out_and_the_list_has_the_reason(alodial: Alodial) -> None:
    assert alodial("dnc", "add", "994412860", "--reason", "asked").code == 0
    entry = alodial("dnc", "list", "--number", "+998 99 441 28 60", "--json").documents[0]
    assert (entry["number"], entry["reason"]) == ("+998994412860", "asked")
    write("list.csv", "994412860", "977076909")
    assert "1 good, 1 suppressed" in alodial("campaign", "submit", "list.csv", *ALWAYS).out
    assert alodial("dnc", "export", "out.csv").code == 0
    assert alodial("dnc", "remove", "994412860", "--yes").code == 0
    assert alodial("dnc", "list", "--json").documents == []
    assert alodial("dnc", "import", "out.csv", "--json").documents[0]["added"] == 1


def test_a_test_call_goes_to_the_operators_phone_and_submits_nothing(alodial: Alodial) -> None:
    write("list.csv", "994412860")
    done = alodial("campaign", "submit", "list.csv", *ALWAYS, "--test", "901234567", "--json")
    call = alodial("calls", "show", done.documents[0]["extid"], "--json").documents[0]
    assert call["request"]["callto"] == [{"phone": "+998901234567"}]
    assert alodial("campaign", "list", "--json").documents == []


def test_check_reads_the_template(alodial: Alodial) -> None:
    for language in ("en", "ru", "uz"):
        for ending in ("csv", "xlsx"):
            name = f"list-{language}.{ending}"
            assert alodial("campaign", "template", name, "--language", language).code == 0
            assert "phone" in alodial("campaign", "check", name, "--json").documents[0]["columns"]


def test_the_same_key_gives_the_same_campaign(alodial: Alodial) -> None:
    write("list.csv", "994412860", "977076909")
    submit = ("campaign", "submit", "list.csv", *ALWAYS, "--name", "mine", "--again", "--key", "k", "--json")
    ids = {alodial(*submit).documents[0]["id"] for _ in range(2)}
    assert len(ids) == 1
    (id,) = ids
    assert alodial("campaign", "cancel", id, "--yes").code == 0
    retries = [alodial("campaign", "retry", id, "--key", "k", "--json") for _ in range(2)]
    assert [done.code for done in retries] == [0, 0]
    assert retries[0].documents[0]["id"] == retries[1].documents[0]["id"]
    once_more = alodial("campaign", "retry", id)
    assert once_more.code == 1
    assert "was retried before" in once_more.err
    assert "--again" not in once_more.err
    assert alodial("campaign", "clone", id, "--name", "other", "--key", "c").code == 0
    conflict = alodial("campaign", "clone", id, "--key", "c")
    assert conflict.code == 1
    assert "--key" in conflict.err


def test_calls_are_listed_by_the_name_of_their_campaign(alodial: Alodial, queue: CallQueue) -> None:
    Path("spring.csv").write_text("phone\n901234567\n", encoding="utf-8")
    assert alodial("campaign", "submit", "spring.csv", *ALWAYS).code == 0
    filters: list[str] = []

    def calls(_queue: CallQueue, wanted: CallFilter, **_: object) -> Page:
        filters.append(wanted.campaign)
        return Page([], None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallQueue, "calls", calls)
        assert alodial("calls", "list", "--campaign", "spring").code == 0
    assert filters == [queue.campaigns.get("spring").id]


def test_a_do_not_call_list_of_no_campaign_is_refused(alodial: Alodial) -> None:
    done = alodial("dnc", "add", "994412860", "--campaign", "nobody")
    assert done.code == 1
    assert "no campaign nobody" in done.err


def test_a_file_that_leaves_a_doubt_is_asked_about_and_the_option_answers_it(alodial: Alodial) -> None:
    Path("doubt.csv").write_text("Номер;ФИО;Сотовый тел.\n301234567;Иванов;901234567\n", encoding="utf-8")
    asked = alodial("campaign", "check", "doubt.csv", "--json")
    assert asked.code == 1
    (question,) = asked.documents[0]["questions"]
    assert question["code"] == "weak_phone_column"
    assert [choice["option"] for choice in question["choices"]] == ['--map "phone=Сотовый тел."', "--map phone=Номер"]
    counted = alodial("campaign", "check", "doubt.csv").out
    assert "good" not in counted
    assert "will take" not in counted
    spoken = alodial("campaign", "submit", "doubt.csv", *ALWAYS)
    assert spoken.code == 1
    assert "--map phone=Номер" in spoken.err
    assert alodial("campaign", "list", "--json").documents == []
    answered = alodial("campaign", "check", "doubt.csv", "--map", "phone=C", "--json")
    assert answered.code == 0
    assert answered.documents[0]["columns"] == {"phone": "Сотовый тел.", "name": "ФИО"}
    assert answered.documents[0]["ignored"] == ["Номер"]
    assert alodial("campaign", "submit", "doubt.csv", *ALWAYS, "--map", "phone=C", "--test", "901234568").code == 0
    table = alodial("campaign", "check", "doubt.csv", "--map", "phone=C", "--header-row", "1").out
    assert "not used" in table


def test_the_report_is_in_the_language_of_the_option_else_of_the_terminal(
    alodial: Alodial, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("doubt.csv").write_text("Номер;ФИО;Сотовый тел.\n301234567;Иванов;901234567\n12;Б;12\n", encoding="utf-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    russian = alodial("campaign", "check", "doubt.csv")
    assert (
        "вопрос: Телефоном может быть не один столбец: «Сотовый тел.» (столбец C), «Номер» (столбец A)" in russian.err
    )
    assert "не используется" in russian.out
    uzbek = alodial("campaign", "check", "doubt.csv", "--map", "phone=C", "--language", "uz", "--errors", "bad.csv")
    assert "raqamda raqamlar yetishmaydi" in uzbek.out
    assert Path("bad.csv").read_text("utf-8-sig").startswith("Номер;ФИО;Сотовый тел.;Qator;Ustun;Sabab;")
    refused = alodial("campaign", "submit", "doubt.csv", *ALWAYS, "--language", "uz")
    assert "Qaysi biri bo‘yicha qo‘ng‘iroq qilinsin?" in refused.err
    assert "файла нет" in alodial("campaign", "check", "none.csv").err
    assert alodial("campaign", "check", "doubt.csv", "--language", "de").code == 2
    assert (
        alodial("campaign", "submit", "doubt.csv", *ALWAYS, "--map", "phone=C", "--name", "mine", "--paused").code == 0
    )
    assert "в номере не хватает цифр" in alodial("campaign", "problems", "mine").out
    assert alodial("campaign", "report", "mine", "report.html").code == 0
    assert "отчёт о кампании" in Path("report.html").read_text("utf-8")
    assert alodial("campaign", "export", "mine", "out.csv").code == 0
    assert "alodial_state" in Path("out.csv").read_text("utf-8-sig")
    assert alodial("campaign", "export", "mine", "out.csv", "--language", "ru").code == 0
    assert Path("out.csv").read_text("utf-8-sig").startswith("Номер;ФИО;Сотовый тел.;Строка;Куда звонили;Состояние;")


def test_without_a_kind_of_call_the_message_names_the_options_and_no_bad_rows(alodial: Alodial) -> None:
    write("list.csv", "994412860", "977076909")
    done = alodial("campaign", "submit", "list.csv")
    assert done.code == 1
    assert "nothing says what each row's phone is connected to" in done.err
    assert "add --from NUMBER, --queue QUEUE, or --ivr MENU" in done.err
    assert "bad" not in done.err
