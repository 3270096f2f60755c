"""What the form about an uploaded file says, and what becomes of it."""

from pathlib import Path

import pytest

from alodial.campaigns.errors import InvalidCampaign
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.row_check import CheckReport, RowChecker
from alodial.monitor.file_form import NO_ANSWERS, FileAnswers, answers_of, request_part, stamp_of, view_of
from alodial.settings import Settings
from alodial_schemas.campaigns import parse_campaign

PLAIN = "Телефон;Имя;Город\n901234567;Ali;Toshkent\n"


def preview_of(folder: Path, text: str, answers: FileAnswers = NO_ANSWERS) -> CheckReport:
    path = folder / "list.csv"
    path.write_text(text, "utf-8")
    request = parse_campaign({"name": "t", "call": {"callfrom": "712037006"}, **request_part(answers)})
    checker = RowChecker(
        open_source(path), request, Settings(_env_file=None), suppressed=lambda numbers: [False] * len(numbers)
    )
    return checker.report


def form_of(preview: CheckReport, **changes: str) -> dict[str, str]:
    """What the page would send with these changes."""
    view = view_of(preview, "two-way")
    uses = {f"use{at}": picker.use for at, picker in enumerate(view.pickers)}
    return {"stamp": view.stamp, "header_row": str(preview.header_row)} | uses | changes


def test_a_form_that_is_sent_as_it_is_decides_nothing(tmp_path: Path) -> None:
    preview = preview_of(tmp_path, "Телефон;Имя\n901234567;Ali\n")
    assert answers_of(form_of(preview), NO_ANSWERS, preview) == NO_ANSWERS


def test_a_field_that_is_chosen_for_another_column_leaves_the_one_that_had_it(tmp_path: Path) -> None:
    preview = preview_of(tmp_path, "Телефон;Имя;Город\n901234567;Ali;901234568\n")
    answers = answers_of(form_of(preview, use2="phone"), NO_ANSWERS, preview)
    assert answers.mapping is not None
    assert {field: column for field, column in answers.mapping.items() if column != "-"} == {
        "phone": "Город",
        "name": "Имя",
    }
    again = preview_of(tmp_path, "Телефон;Имя;Город\n901234567;Ali;901234568\n", answers)
    assert [picker.use for picker in view_of(again, "two-way").pickers] == ["", "name", "phone"]


def test_two_columns_for_one_field_are_refused(tmp_path: Path) -> None:
    preview = preview_of(tmp_path, "a;b;c\n1;2;3\n")
    with pytest.raises(InvalidCampaign) as caught:
        answers_of(form_of(preview, use0="name", use1="name"), NO_ANSWERS, preview)
    assert [problem.code for problem in caught.value.problems] == ["mapped_twice"]


def test_a_question_stays_open_until_its_own_columns_are_decided(tmp_path: Path) -> None:
    text = "Телефон;Имя;Действует до\n901234567;Ali;01.01.2020\n"
    preview = preview_of(tmp_path, text)
    assert [question.code for question in preview.questions] == ["expires_column"]
    assert [picker.use for picker in view_of(preview, "two-way").pickers] == ["phone", "name", "?"]
    partly = answers_of(form_of(preview, use1=""), NO_ANSWERS, preview)
    assert [question.code for question in preview_of(tmp_path, text, partly).questions] == ["expires_column"]
    decided = answers_of(form_of(preview, use2=""), NO_ANSWERS, preview)
    assert preview_of(tmp_path, text, decided).questions == []
    used = answers_of(form_of(preview, use2="expires_at"), NO_ANSWERS, preview)
    assert preview_of(tmp_path, text, used).understood["expires_at"] == "Действует до"


def test_nobody_is_called_while_no_column_is_the_phone(tmp_path: Path) -> None:
    text = "Телефон;Имя\n901234567;Ali\n"
    preview = preview_of(tmp_path, text)
    answers = answers_of(form_of(preview, use0=""), NO_ANSWERS, preview)
    again = preview_of(tmp_path, text, answers)
    assert [question.code for question in again.questions] == ["no_phone_column"]
    chosen = answers_of(form_of(again, use0="phone"), answers, again)
    assert preview_of(tmp_path, text, chosen).understood == {"phone": "Телефон", "name": "Имя"}


def test_another_header_row_has_other_columns(tmp_path: Path) -> None:
    text = "Телефон;ФИО\nСотовый;Имя\n901234567;Ali\n"
    preview = preview_of(tmp_path, text)
    assert preview.header_row == 1
    mapped = FileAnswers(mapping={"phone": "Телефон"})
    answers = answers_of(form_of(preview, header_row="2", use1="phone2"), mapped, preview)
    assert answers == FileAnswers(header_row=2)
    assert preview_of(tmp_path, text, answers).understood == {"phone": "Сотовый", "name": "Имя"}


def test_a_form_that_was_made_for_other_columns_chooses_none(tmp_path: Path) -> None:
    old = preview_of(tmp_path, "a;b\n1;2\n")
    preview = preview_of(tmp_path, "Телефон;Имя\n901234567;Ali\n")
    assert stamp_of(old) != stamp_of(preview)
    stale = form_of(old, use0="phone", header_row="1")
    assert answers_of(stale, NO_ANSWERS, preview).mapping is None


def test_hostile_values_are_no_answers(tmp_path: Path) -> None:
    preview = preview_of(tmp_path, PLAIN)
    form = form_of(preview, header_row="9" * 50, hidden="<b>", uzbek="perhaps", use0="nonsense", sheet="")
    answers = answers_of(form, NO_ANSWERS, preview)
    assert (answers.sheet, answers.header_row, answers.hidden, answers.uzbek) == ("", None, None, False)
    assert answers.mapping is not None
    assert answers.mapping["phone"] == "-"
