"""An upload in a real browser: the file is shown, asked about and corrected before anybody is called."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from alodial import CallQueue

from .conftest import Visitor
from .messy_lists import LISTS, MessyList

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]


def messy_file(folder: Path) -> Path:
    """Two columns that may be the phone, a title above the headings, wrong numbers, hidden rows and a second sheet."""
    path = folder / "Должники ноябрь.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("Список")
    sheet.write_row(0, 0, ["Список должников на 24.11.2026"])
    sheet.write_row(2, 0, ["№", "ФИО", "Рабочий телефон", "Мобильный телефон", "Сумма долга", "Менеджер"])
    for at in range(25):
        work = f"71203{at:04d}" if at % 5 else "12"
        sheet.write_row(3 + at, 0, [at + 1, f"Иванов {at}", work, f"+99890{1_000_000 + at}", 150_000 + at, "Азиза"])
    sheet.set_row(10, None, None, {"hidden": True})
    sheet.set_row(11, None, None, {"hidden": True})
    book.add_worksheet("Инструкция").write_row(0, 0, ["Как заполнять"])
    book.close()
    return path


def uploaded(visitor: Visitor, file: Path, **fields: str) -> Any:
    page = visitor.page
    visitor.go("/campaigns/new")
    page.fill("#callfrom", "712037006")
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.set_input_files("#file", file)
    page.click("button.main")
    page.wait_for_selector("#file-form")
    page.wait_for_selector("#progress", state="detached")
    return page


def test_the_questions_about_a_file_are_answered_on_its_page(visit: Visit, queue: CallQueue, tmp_path: Path) -> None:
    visitor = visit(locale="ru-RU")
    visitor.sign_in()
    page = uploaded(visitor, messy_file(tmp_path))
    page.wait_for_selector("#questions")
    assert page.query_selector("text=Дальше") is None
    page.select_option("#use3", "phone")
    page.wait_for_selector("#hidden-skip")
    page.check("#hidden-skip")
    page.wait_for_selector("text=Дальше: 23 строки")
    visitor.picture("upload-answered")
    page.click("text=Дальше: 23 строки")
    page.wait_for_selector("#sentence")
    visitor.picture("upload-confirm")
    assert "Кампания позвонит 23 людям по номерам из столбца «Мобильный телефон»" in visitor.text()
    page.click("text=Отправить: позвонить по 23 строкам")
    page.wait_for_url(re.compile(r"/campaigns/[0-9a-f-]{36}"))
    (record,) = queue.campaigns.list().campaigns
    phones = {row.phones for row in queue.campaigns.rows(record.id)}
    assert phones == {(f"+99890{1_000_000 + at}",) for at in range(25) if at not in (7, 8)}
    assert visitor.complaints == []


@pytest.mark.parametrize(("locale", "width"), [("ru-RU", 375), ("uz-UZ", 768), ("en-GB", 1440)])
def test_the_pages_of_an_upload_are_clean_for_axe_and_fit_their_window(
    visit: Visit, axe: str, tmp_path: Path, locale: str, width: int
) -> None:
    visitor = visit(width, locale)
    visitor.sign_in()
    page = uploaded(visitor, messy_file(tmp_path))

    def checked(screen: str) -> None:
        visitor.picture(f"upload-{locale[:2]}-{width}-{screen}")
        assert visitor.faults(axe) == [], screen
        assert not visitor.too_wide(), screen

    page.wait_for_selector("#questions")
    checked("asked")
    page.select_option("#use2", "phone")
    page.wait_for_selector("#hidden-keep")
    page.check("#hidden-keep")
    page.wait_for_selector("#problems-title")
    page.click(".kinds summary")
    checked("mistakes")
    page.click("a.main")
    page.wait_for_selector("#sentence")
    page.fill("#number", "12")
    page.click("#test-title ~ form button")
    page.wait_for_selector("#number-wrong")
    checked("last")


@pytest.mark.parametrize("messy", LISTS, ids=lambda messy: messy.name)
def test_a_messy_list_calls_exactly_those_whom_its_owner_means(
    messy: MessyList, visit: Visit, queue: CallQueue, tmp_path: Path
) -> None:
    visitor = visit(1440, "ru-RU")
    visitor.sign_in()
    page = uploaded(visitor, messy.write(tmp_path), callfrom=messy.callfrom)
    called = press_through(page, messy, lambda: visitor.picture(f"messy-{messy.name}"))
    record = queue.campaigns.get(called)
    rung = {phone[-9:] for row in queue.campaigns.rows(record.id) for phone in row.phones}
    assert rung == messy.called
    assert visitor.complaints == []


def press_through(page: Any, messy: MessyList, picture: Callable[[], None] = lambda: None) -> str:
    """Answers the page's questions, goes on to the last page and submits; the campaign's id."""
    if messy.asks:
        page.wait_for_selector("#questions")
        assert page.query_selector("a.button.main") is None
    for selector, value in messy.picks:
        page.wait_for_selector(f"{selector}:enabled")
        if value:
            page.select_option(selector, value)
        else:
            page.check(selector)
        page.wait_for_selector("#progress", state="detached")
    page.wait_for_selector("a.button.main")
    assert page.query_selector("#questions") is None
    picture()  # not before: a picture changes styles that the next update of the page would copy
    page.click("a.button.main")
    page.wait_for_selector("#sentence")
    page.click("form[action$='/submit'] button")
    page.wait_for_url(re.compile(r"/campaigns/[0-9a-f-]{36}"))
    return str(page.url.rpartition("/")[2].partition("?")[0])
