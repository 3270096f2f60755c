"""A campaign through the monitor: its file, its check, its page, what is done to it."""

import html
import io
import re
import time
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from alodial import CallQueue
from alodial.campaigns.exporting.results import OURS
from alodial.campaigns.exporting.texts import headings
from alodial.campaigns.importing.header_words import meaning
from alodial.campaigns.row_search import RowSearch
from alodial.i18n import LANGUAGES, Translator
from alodial.store.keys import Keys
from alodial_schemas.campaigns import parse_campaign
from web.conftest import OTHER_KEY, Web

from .client import Operator, words_on

keys = Keys()

ALWAYS = "daily 00:00-24:00"
XSS = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def rows(count: int, start: int = 901000000) -> bytes:
    return ("Телефон;Имя\n" + "".join(f"{start + i};Клиент {i}\n" for i in range(count))).encode()


def uploads(web: Web) -> set[str]:
    """Files that wait for somebody."""
    return {path.name for path in (web.spool / "uploads").glob("*")}


def settled(operator: Operator, address: str, *, unlike: str = 'id="progress"') -> httpx.Response:
    """The page at that address once its file is no longer being read."""
    deadline = time.monotonic() + 20
    while True:
        page = operator.get(address)
        if unlike not in page.text or time.monotonic() > deadline:
            return page
        time.sleep(0.05)


def checked(
    operator: Operator, content: bytes, filename: str = "rows.csv", **fields: str
) -> tuple[str, httpx.Response]:
    """The draft's address and its page."""
    sent = operator.upload(content, filename, **fields)
    assert sent.status_code == 303, words_on(sent)
    address = sent.headers["location"]
    return address, settled(operator, address)


def test_a_file_with_an_open_question_or_without_rows_says_so_and_counts_nothing(operator: Operator) -> None:
    _, page = checked(operator, "Имя;Рабочий телефон;Мобильный телефон\nА;712000001;901234567\n".encode("utf-8-sig"))
    words = words_on(page)
    assert "CSV · UTF-8 ·" in words
    assert "Answer the questions above" in words
    assert "0 rows" not in words
    assert 'class="tile' not in page.text
    _, page = checked(operator, "Телефон;Имя\n".encode())
    assert "there is nobody to call. Add rows to it and upload it again." in words_on(page)
    _, page = checked(operator, b"")
    assert "Upload another file" in words_on(page)


def submitted(operator: Operator, content: bytes, **fields: str) -> str:
    """The campaign's address."""
    address, _ = checked(operator, content, **fields)
    assert operator.confirm(address).headers["location"] == address
    page = settled(operator, address)
    assert page.status_code == 303, words_on(page)
    return page.headers["location"].partition("?")[0]


def picked(page: httpx.Response) -> list[str]:
    """What each column's picker shows."""
    selects = re.findall(r'<select id="use\d+".*?</select>', page.text, re.DOTALL)
    return [re.findall(r'<option value="([^"]*)" selected', select)[0] for select in selects]


def answered(operator: Operator, address: str, **answers: str) -> httpx.Response:
    """The draft's page after its form about the file was sent with these answers and everything else as it was."""
    page = settled(operator, address)
    form = page.text.partition('id="file-form"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    fields |= dict(re.findall(r'<input type="radio" name="(\w+)" id="[^"]*" value="([^"]*)" checked', form))
    for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        fields[name] = html.unescape((re.findall(r'<option value="([^"]*)" selected', options) or [""])[0])
    sent = operator.post(f"{address}/file", fields | answers, page=address)
    assert sent.status_code == 303
    return settled(operator, address)


def placed(queue: CallQueue, count: int = 10, **policy: Any) -> str:
    """A campaign's id."""
    request = parse_campaign({"name": f"planted {count}", "call": {"callfrom": "712037006"}, "policy": policy})
    return queue.campaigns.submit([f"+99890{1_000_000 + i}" for i in range(count)], request, actor="test").id


def test_a_file_is_checked_reviewed_and_submitted(web: Web, operator: Operator) -> None:
    content = rows(30) + "12;Коротко\n901000001;Повтор\n9,98901E+11;Степень\n".encode()
    before = uploads(web)
    address, page = checked(operator, content, name="Spring offer")
    text = words_on(page)
    for part in ("rows 33", "good 30", "bad 2", "repeated 1", "do-not-call list 0", "UTF-8", "A Телефон"):
        assert part in text, part
    assert picked(page) == ["phone", "name"]
    assert "The first call would be to +998901000000" in text
    assert re.search(r"1 row : .+ digits", text)
    assert "32 Телефон 12" in text
    assert "Continue with 30 rows" in text
    last = words_on(operator.get(f"{address}/confirm"))
    assert "calls 30 people on the numbers in “Телефон”, first ringing your number +998712037006. It starts now" in last
    assert "only within these hours: 09:00-20:00" in last
    assert "Submit: call 30 rows" in last
    assert "It will take about" in last
    assert operator.confirm(address).status_code == 303
    done = settled(operator, address)
    assert done.status_code == 303
    shown = operator.get(done.headers["location"])
    text = words_on(shown)
    assert "The campaign is submitted." in text
    assert "Spring offer" in text
    assert "(Aziza)" in text
    assert "Rows ended 0 / 30" in text
    assert "Rows that were not taken" in text
    assert uploads(web) == before
    assert operator.get(address).status_code == 404


def test_problems_are_in_the_readers_language(web: Web) -> None:
    russian = Operator(web, language="ru")
    address, page = checked(russian, rows(3) + b";x\n")
    assert "номера нет" in words_on(page)
    assert "Отправить: позвонить по 3 строкам" in words_on(russian.get(f"{address}/confirm"))


def test_rows_that_were_not_taken_stand_by_kind_with_one_remedy_on_both_pages(web: Web) -> None:
    russian = Operator(web, language="ru")
    address, page = checked(russian, rows(3) + b";x\n12;y\n;z\n")
    kinds = ["2 строки : номера нет; впишите номер", "1 строка : в номере не хватает цифр; напишите номер целиком"]
    assert all(kind in words_on(page) for kind in kinds)
    russian.confirm(address)
    campaign = settled(russian, address).headers["location"].partition("?")[0]
    for path in (campaign, f"{campaign}/problems"):
        shown = russian.get(path)
        assert all(kind in words_on(shown) for kind in kinds)
        assert shown.text.count("<details><summary>Показать строки") == 2


def test_a_number_on_the_do_not_call_list_is_counted_apart(operator: Operator) -> None:
    operator.post("/do-not-call", {"numbers": "901000002"}, page="/do-not-call")
    _, page = checked(operator, rows(5))
    assert "do-not-call list 1" in words_on(page)
    assert "Continue with 4 rows" in words_on(page)


@pytest.mark.parametrize(
    ("content", "filename", "why"),
    [
        (b"", "a.csv", "is empty"),
        (b"%PDF-1.4 nothing", "a.pdf", "not a table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xls", ".xlsx"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    operator: Operator, content: bytes, filename: str, why: str
) -> None:
    _, page = checked(operator, content, filename)
    assert "The file cannot be used as it is." in words_on(page)
    assert why in words_on(page)
    assert "Continue" not in words_on(page)


def test_the_column_with_the_phone_can_be_chosen_afterwards(operator: Operator) -> None:
    address, page = checked(operator, b"who;where\n901000001;Ali\n901000002;Vali\n")
    assert "No heading says which column is the phone" in words_on(page)
    assert "Continue" not in words_on(page)
    page = answered(operator, address, use0="phone")
    assert "good 2" in words_on(page)
    assert picked(page) == ["phone", ""]


def test_invalid_settings_are_marked_at_their_fields_and_the_file_is_kept(operator: Operator) -> None:
    wrong = {"pace": "fast", "opens1": "noon", "day1_mon": "on", "closes1": "12:00", "weight": "1000"}
    wrong |= {"redial_busy_1": "never", "starts_at": "2030-01-01T09:00"}
    address, page = checked(operator, rows(4), **wrong)
    assert "Fix the settings before the file is checked" in words_on(page)
    assert 'id="redial_busy_1-wrong"' in page.text
    mended = wrong | {"redial_busy_1": "5"}
    operator.post(address, {"callfrom": "712037006", "account": "default"} | mended, page=address)
    page = settled(operator, address)
    for field in ("pace", "opens1", "weight"):
        assert f'id="{field}-wrong"' in page.text
        assert f'value="{wrong[field]}"' in page.text
    good = {"callfrom": "712037006", "account": "default", "pace": "2,5", "weight": "3"}
    good |= {f"day1_{day}": "on" for day in ("mon", "tue", "wed", "thu", "fri")} | {
        "opens1": "10:00",
        "closes1": "12:00",
    }
    operator.post(address, good, page=address)
    assert "good 4" in words_on(settled(operator, address))
    text = words_on(operator.get(f"{address}/confirm"))
    assert "2.5 a second" in text
    assert "Mon, Tue, Wed, Thu, Fri 10:00–12:00 (Asia/Tashkent)" in text


def test_a_form_without_a_file_asks_for_it(operator: Operator) -> None:
    answer = operator.http.post(
        "/campaigns/new",
        data={"form_token": operator.token("/campaigns/new"), "name": "kept"},
        files={"file": ("", b"")},
    )
    assert answer.status_code == 422
    assert "Choose a file." in words_on(answer)
    assert 'value="kept"' in answer.text


def test_a_two_way_campaign_without_a_first_number_is_asked_for_it_and_no_row_is_blamed(operator: Operator) -> None:
    address, page = checked(operator, rows(5), callfrom="")
    assert "Your number (rings first) : is empty, and the file has no column of it" in words_on(page)
    assert 'id="callfrom-wrong"' in page.text
    assert "Phone is" not in words_on(page)
    operator.post(address, {"callfrom": "712037006", "account": "default"}, page=address)
    assert "good 5" in words_on(settled(operator, address))


def test_the_same_rows_twice_need_a_word(operator: Operator) -> None:
    first = submitted(operator, rows(5), name="first")
    address, _ = checked(operator, rows(5), name="second")
    operator.confirm(address)
    page = settled(operator, address)
    assert "submitted before, as the campaign “first”" in words_on(page)
    swapped = operator.http.get(f"{address}/progress", headers={"HX-Request": "true"})
    for shown in (page, swapped):
        assert f'<a href="{address}/confirm">Call these people once more</a>' in shown.text
    assert f'href="{first}"' in page.text
    operator.confirm(address, again="yes")
    assert settled(operator, address).status_code == 303


def test_an_upload_is_seen_only_with_the_key_that_made_it_and_can_be_thrown_away(web: Web, operator: Operator) -> None:
    before = uploads(web)
    address, _ = checked(operator, rows(2))
    assert len(uploads(web) - before) == 4  # the file, how it is read, the report, and the rows that its check rejected
    other = Operator(web, OTHER_KEY)
    assert other.get(address).status_code == 404
    assert other.post(f"{address}/submit").status_code == 404
    assert operator.post(f"{address}/drop", page=address).status_code == 303
    assert operator.get(address).status_code == 404
    assert uploads(web) == before


def test_pausing_asks_back_with_the_count_and_goes_into_the_log(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 12, hours={"windows": ALWAYS})
    asked = operator.get(f"/campaigns/{id}/pause")
    assert "Pause 12 calls" in words_on(asked)
    assert queue.campaigns.get(id).state == "running"
    done = operator.post(f"/campaigns/{id}/pause", {"reason": "lunch"}, page=f"/campaigns/{id}/pause")
    assert done.headers["location"] == f"/campaigns/{id}?done=pause"
    assert queue.campaigns.get(id).state == "paused"
    text = words_on(operator.get(f"/campaigns/{id}"))
    assert "Reason: lunch" in text
    assert "paused · key:#1 (Aziza)" in text
    assert operator.post(f"/campaigns/{id}/resume").headers["location"] == f"/campaigns/{id}?done=resume"
    assert queue.campaigns.get(id).state == "running"


def test_cancel_names_the_count_and_is_for_good(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 1)
    assert "Cancel 1 call" in words_on(operator.get(f"/campaigns/{id}/cancel"))
    operator.post(f"/campaigns/{id}/cancel")
    assert queue.campaigns.get(id).state == "canceled"
    refused = operator.post(f"/campaigns/{id}/resume")
    assert refused.status_code == 409
    assert "nothing was changed" in words_on(refused)
    assert operator.get(f"/campaigns/{id}/cancel").headers["location"] == f"/campaigns/{id}"


def test_the_pace_is_changed_while_it_runs(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 5)
    page = f"/campaigns/{id}/pace"
    assert re.search(r'name="weight"[^>]* value="1"', operator.get(page).text)  # as it stands: an empty one is refused
    assert operator.post(page, {"pace": "1,5", "channels": "4", "weight": "7"}, page=page).status_code == 303
    policy = queue.campaigns.get(id).request["policy"]
    assert (policy["pace"], policy["channels"], policy["weight"]) == (1.5, 4, 7)
    assert 'value="1.5"' in operator.get(page).text
    for field, value in (("pace", "0"), ("pace", "nan"), ("channels", "2.5"), ("weight", ""), ("weight", "101")):
        answer = operator.post(page, {"pace": "", "channels": "", "weight": "1"} | {field: value}, page=page)
        assert answer.status_code == 422, (field, value)
        assert f'id="{field}-wrong"' in answer.text
    assert operator.post(page, {"pace": "", "channels": "", "weight": "1"}, page=page).status_code == 303
    assert "pace" not in queue.campaigns.get(id).request.get("policy", {})


def test_a_clone_is_a_new_campaign_that_waits(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 6)
    assert "Make a campaign of 6 rows" in words_on(operator.get(f"/campaigns/{id}/clone"))
    made = operator.post(f"/campaigns/{id}/clone", {"new_name": "second round"}).headers["location"]
    record = queue.campaigns.get(made.removeprefix("/campaigns/").partition("?")[0])
    assert (record.name, record.state, record.rows["good"]) == ("second round", "paused", 6)


def test_the_unanswered_of_an_ended_campaign_are_called_again(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 6)
    assert operator.get(f"/campaigns/{id}/retry").headers["location"] == f"/campaigns/{id}"
    queue.campaigns.cancel(id, actor="test")
    assert "Call up to 6 rows again" in words_on(operator.get(f"/campaigns/{id}/retry"))
    made = operator.post(f"/campaigns/{id}/retry").headers["location"]
    record = queue.campaigns.get(made.removeprefix("/campaigns/").partition("?")[0])
    assert record.id != id
    assert record.rows["good"] == 6


def test_a_retry_says_how_many_calls_are_still_out_before_it_leaves_them_out(
    queue: CallQueue, operator: Operator
) -> None:
    id = placed(queue, 6)
    queue.campaigns.cancel(id, actor="test")
    queue.store.redis.hset(keys.campaign_counts(id), "submitted", "2")
    asked = operator.get(f"/campaigns/{id}/retry")
    assert "2 calls of this campaign are still in progress" in words_on(asked)
    refused = operator.post(f"/campaigns/{id}/retry")
    assert "still in progress" in words_on(refused)
    assert 'name="leave_out" value="1"' in asked.text
    made = operator.post(f"/campaigns/{id}/retry", {"leave_out": "1"}).headers["location"]
    assert not made.startswith(f"/campaigns/{id}")


def test_a_double_click_makes_one_campaign(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 6)
    form = operator.get(f"/campaigns/{id}/clone")
    key = re.search(r'name="key" value="([0-9a-f]{32})"', form.text)
    assert key is not None
    made = {operator.post(f"/campaigns/{id}/clone", {"key": key[1]}).headers["location"] for _ in range(2)}
    assert len(made) == 1
    queue.campaigns.cancel(id, actor="test")
    key = re.search(r'name="key" value="([0-9a-f]{32})"', operator.get(f"/campaigns/{id}/retry").text)
    assert key is not None
    made = {operator.post(f"/campaigns/{id}/retry", {"key": key[1]}).headers["location"] for _ in range(2)}
    assert len(made) == 1
    assert len(queue.campaigns.list().campaigns) == 3


def test_a_campaign_outside_of_its_hours_says_when_it_goes_on(queue: CallQueue, operator: Operator) -> None:
    # Two hours from now, for one hour, by a clock that is never near midnight.
    zone = next(f"Etc/GMT{h:+d}" for h in range(-12, 13) if (datetime.now(UTC) - timedelta(hours=h)).hour == 12)
    id = placed(queue, 3, hours={"windows": "14:30-15:30", "timezone": zone})
    text = words_on(operator.get(f"/campaigns/{id}"))
    assert "waiting for calling hours" in text
    assert re.search(r"It goes on (today|tomorrow) \d\d:30 UTC\S*, in [12] h", text)
    assert "waiting for calling hours" in words_on(operator.get("/campaigns"))


def test_a_campaign_whose_last_rows_are_called_again_later_does_not_say_that_it_is_calling(
    queue: CallQueue, operator: Operator
) -> None:
    id = placed(queue, 3, hours={"windows": "00:00-24:00"})
    assert "It is calling." in words_on(operator.get(f"/campaigns/{id}"))
    queue.store.redis.hset(keys.campaign(id), "cur", "3")
    queue.store.redis.hset(keys.campaign_counts(id), mapping={"scheduled": "2", "completed": "1"})
    assert "Nobody is being called now." in words_on(operator.get(f"/campaigns/{id}"))
    queue.store.redis.hset(keys.campaign_counts(id), mapping={"scheduled": "1", "submitted": "1"})
    assert "It is calling." in words_on(operator.get(f"/campaigns/{id}"))


def test_a_campaign_that_is_to_begin_says_when(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 3, starts_at=(datetime.now(UTC) + timedelta(hours=3, minutes=1)).isoformat())
    assert re.search(r"It begins (today|tomorrow) \d\d:\d\d UTC\S*, in 3 h", words_on(operator.get(f"/campaigns/{id}")))


def test_the_live_part_leads_to_the_whole_page_once_the_state_is_another(queue: CallQueue, operator: Operator) -> None:
    id = placed(queue, 3)
    same = operator.get(f"/campaigns/{id}/live?was=running")
    assert "hx-redirect" not in same.headers
    assert 'hx-trigger="every 2s"' in same.text
    assert "<html" not in same.text
    queue.campaigns.cancel(id, actor="test")
    changed = operator.get(f"/campaigns/{id}/live?was=running")
    assert changed.headers["hx-redirect"] == f"/campaigns/{id}"
    assert "hx-trigger" not in changed.text


def test_a_page_that_was_open_before_the_first_call_ended_is_loaded_again_for_the_chart(
    queue: CallQueue, operator: Operator
) -> None:
    id = placed(queue, 3)
    address = f"/campaigns/{id}/live?was=running&ended=0"
    assert html.escape(address) in operator.get(f"/campaigns/{id}").text
    assert "hx-redirect" not in operator.get(address).headers
    queue.store.redis.hincrby(queue.store.keys.campaign_counts(id), "completed", 1)
    assert operator.get(address).headers["hx-redirect"] == f"/campaigns/{id}"
    page = operator.get(f"/campaigns/{id}").text
    assert f"/campaigns/{id}/live?was=running" in page
    assert "ended=0" not in page


def test_a_page_that_is_open_after_sign_out_is_sent_to_the_door(web: Web) -> None:
    answer = Operator(web, None).get("/campaigns/x/live", **{"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/")


def test_the_list_can_be_narrowed_to_a_state(queue: CallQueue, operator: Operator) -> None:
    running, paused = placed(queue, 2), placed(queue, 4)
    queue.campaigns.pause(paused, actor="test")
    text = operator.get("/campaigns?state=paused").text
    assert f"/campaigns/{paused}" in text
    assert f"/campaigns/{running}" not in text
    assert operator.get("/campaigns?state=%3Cscript%3E&cursor=-1").status_code == 200
    assert f"/campaigns/{running}" in operator.get("/").text


def test_the_results_can_be_taken_away(queue: CallQueue, operator: Operator) -> None:
    address = submitted(operator, rows(4) + b"12;x\n")
    csv = operator.get(f"{address}/results.csv")
    assert csv.headers["content-type"].startswith("text/csv")
    assert "attachment" in csv.headers["content-disposition"]
    assert "901000003" in csv.text
    xlsx = operator.get(f"{address}/results.xlsx")
    assert zipfile.is_zipfile(io.BytesIO(xlsx.content))
    assert "12" in operator.get(f"{address}/problems.csv").text
    assert operator.get(f"{address}/problems").status_code == 200
    report = operator.get(f"{address}/report")
    assert report.headers["content-type"].startswith("text/html")
    for kind in ("results.csv", "results.xlsx", "problems.csv", "report"):
        assert operator.get(f"/campaigns/nothing/{kind}").status_code == 404


def test_the_rows_of_a_campaign_are_found_by_name_phone_and_outcome(queue: CallQueue, operator: Operator) -> None:
    address = submitted(operator, rows(130))
    text = words_on(operator.get(f"{address}/rows"))
    assert "2 Клиент 0 +998901000000 not begun 0" in text
    assert "Клиент 50" not in text
    further = re.search(r'href="([^"]*cursor=[^"]*)"', operator.get(f"{address}/rows").text)
    assert further is not None
    assert "Клиент 50" in words_on(operator.get(html.unescape(further[1])))
    found = words_on(operator.get(f"{address}/rows?q=клиент 77"))
    assert "+998901000077" in found
    assert "+998901000076" not in found
    assert "Клиент 128" in words_on(operator.get(f"{address}/rows?q=90 100 01 28"))
    assert "No row matches." in words_on(operator.get(f"{address}/rows?outcome=d:answered"))
    exported = operator.get(f"{address}/rows.csv?q=клиент 77").text
    assert exported.count("\n") == 2
    assert "Клиент 77" in exported
    assert operator.get(f"{address}/rows?cursor=9999999-9999999&outcome=%00").status_code == 200


def test_a_large_campaign_is_searched_piece_by_piece(
    queue: CallQueue, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = submitted(operator, rows(1200))
    id = address.rpartition("/")[2]
    monkeypatch.setattr("alodial.campaigns.queries.MAX_SCANNED", 500)
    page = queue.campaigns.find_rows(id, RowSearch("клиент 1199"))
    assert (page.rows, page.cursor, page.scanned) == ([], "1-0", 500)
    page = queue.campaigns.find_rows(id, RowSearch("клиент 1199"), cursor="2-0")
    assert [row.cells[1] for row in page.rows] == ["Клиент 1199"]
    assert page.cursor is None
    seen, cursor = [], ""
    while cursor is not None:
        page = queue.campaigns.find_rows(id, RowSearch(outcome="s:waiting"), cursor=cursor, limit=70)
        seen += [row.number for row in page.rows]
        cursor = page.cursor
    assert seen == list(range(2, 1202))
    assert len(list(queue.campaigns.matching_rows(id, RowSearch("клиент 11")))) == 111


def test_exports_and_the_report_are_in_the_readers_language(web: Web) -> None:
    russian = Operator(web, language="ru")
    address, _ = checked(russian, rows(3) + b"12;x\n", "список.csv", name="Осень/2026")
    russian.confirm(address)
    address = settled(russian, address).headers["location"].partition("?")[0]
    csv = russian.get(f"{address}/results.csv")
    assert quote("Осень_2026.csv", safe="") in csv.headers["content-disposition"]
    assert csv.content.startswith(b"\xef\xbb\xbf")
    assert "Телефон;Имя;Строка;Куда звонили;Состояние;Итог" in csv.text
    assert ";не начаты;" in csv.text
    rejected = russian.get(f"{address}/problems.csv").text
    assert "Строка;Столбец;Причина;Как исправить" in rejected
    assert "в номере не хватает цифр" in rejected
    report = words_on(russian.get(f"{address}/report"))
    assert "отчёт о кампании" in report
    assert "Доля ответивших" in report
    assert "двусторонний звонок" in report
    for english in ("Answered", "waiting", "nothing yet", "rows"):
        assert english not in report, english


def test_headings_of_exports_are_never_taken_for_columns_of_a_list() -> None:
    for language in LANGUAGES:
        names = headings(Translator(language, ZoneInfo("UTC")), OURS)
        taken = {heading: meaning(heading).field for heading in names}
        assert set(taken.values()) <= {"", "reference"}, taken
        assert len(set(names)) == len(names)


def test_a_mapping_is_remembered_for_the_next_file_with_the_same_header(web: Web, operator: Operator) -> None:
    header = b"who;where;other\n"
    address, _ = checked(operator, header + b"901000001;Ali;977000001\n")
    page = answered(operator, address, use0="phone", use1="name")
    assert picked(page) == ["phone", "name", ""]
    operator.confirm(address)
    assert settled(operator, address).status_code == 303
    address, page = checked(operator, header + b"901000002;Vali;977000002\n")
    assert picked(page) == ["phone", "name", ""]
    assert "as in your last file" in words_on(page)
    _, other = checked(Operator(web, OTHER_KEY), header + b"901000003;Guli;977000003\n")
    assert picked(other) == ["", "", ""]
    operator.post(f"{address}/forget", page=address)
    assert picked(settled(operator, address)) == ["", "", ""]
    _, page = checked(operator, header + b"901000004;Guli;977000003\n")
    assert picked(page) == ["", "", ""]


def test_a_key_has_its_limits_here_too(web: Web, queue: CallQueue, tmp_path: Any) -> None:
    desk, normal = "planted-key-desk-77ab", "planted-key-normal-77ac"
    keys_of_both = f"{desk};name=desk;waiting_calls=2,{normal};name=normal;priorities=normal"
    limited = Web(queue.settings.redis_url.get_secret_value(), tmp_path, API_KEYS=keys_of_both)
    try:
        operator, other = Operator(limited, desk), Operator(limited, normal)
        address, _ = checked(operator, rows(3))
        operator.confirm(address)
        assert "Your key’s limit waiting_calls is reached" in words_on(settled(operator, address))
        campaign = submitted(operator, rows(2))
        copy = operator.post(f"{campaign}/clone", {"key": "k"}, page=f"{campaign}/clone")
        assert "the limit waiting_calls of this key is reached" in words_on(copy)
        address, _ = checked(other, rows(1))
        refused = other.confirm(address)
        assert (refused.status_code, "the priorities normal only" in words_on(refused)) == (403, True)
    finally:
        limited.stop()
    assert [f"/campaigns/{record.id}" for record in queue.campaigns.list().campaigns] == [campaign]


def test_only_what_was_shown_is_submitted(queue: CallQueue, operator: Operator) -> None:
    address, _ = checked(operator, "Телефон;Второй\n901000001;901000009\n".encode())
    version = re.search(r'name="version" value="([0-9a-f]+)"', operator.get(f"{address}/confirm").text)
    assert version is not None
    answered(operator, address, use1="phone")
    sent = operator.post(f"{address}/submit", {"version": version[1]}, page=address)
    assert sent.headers["location"] == address
    assert queue.campaigns.list().campaigns == []
    last = words_on(operator.get(f"{address}/confirm"))
    assert "“Второй”" in last
    assert "“Телефон”" not in last


def test_a_test_call_goes_to_ones_own_phone_once(queue: CallQueue, operator: Operator) -> None:
    address, _ = checked(operator, rows(3))
    form = operator.get(f"{address}/confirm").text
    key = re.search(r'name="key" value="([0-9a-f]+)"', form)
    assert key is not None
    wrong = operator.post(f"{address}/test", {"number": "12", "key": key[1]}, page=address)
    assert wrong.status_code == 422
    for _ in range(2):
        placed = operator.post(f"{address}/test", {"number": "977076909", "key": key[1]}, page=address)
        assert "The test call is placed." in words_on(placed)
    (call,) = queue.calls().calls
    assert [phone["phone"] for phone in call.request["callto"]] == ["+998977076909"]
    assert queue.campaigns.list().campaigns == []


def test_rejected_rows_are_downloaded_before_anything_is_submitted(web: Web) -> None:
    uzbek = Operator(web, language="uz")
    address, page = checked(uzbek, rows(2) + "12;Қисқа\n901000000;Такрор\n".encode(), "октябрь.csv")
    assert "Qatorlarni ko‘rsatish" in words_on(page)
    got = uzbek.get(f"{address}/rejected.csv")
    assert quote("октябрь", safe="") in got.headers["content-disposition"]
    assert "12;Қисқа;4;Телефон;" in got.text
    assert "Такрор" not in got.text


def hostile_file() -> bytes:
    cells = [XSS, "{{ 7*191 }}", "' onmouseover=alert(3) '", "javascript:alert(4)", "\u202egnp.exe", "A" * 10_000]
    header = ";".join(["Телефон", *(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells)])
    body = "\n".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells)
    return f"{header}\n901000001;a;b;c;d;e;f\n{body}\n".encode()


def test_hostile_texts_of_a_campaign_are_escaped(queue: CallQueue, operator: Operator) -> None:
    address, page = checked(operator, hostile_file(), f"{XSS}.csv", name=XSS[:90])
    for one in (page, operator.get(submitted(operator, hostile_file(), name=XSS[:90], filename=f"{XSS}.csv"))):
        assert "<script>alert" not in one.text
        assert "<img src=x" not in one.text
        assert "&lt;script&gt;alert(1)" in one.text
        assert "1337" not in re.findall(r"\{\{.*?\}\}|\b1337\b", one.text)
    id = queue.campaigns.list().campaigns[0].id
    operator.post(f"/campaigns/{id}/pause", {"reason": XSS})
    for where in (f"/campaigns/{id}", f"/campaigns/{id}/live", f"/campaigns/{id}/cancel", "/campaigns", "/", address):
        assert "<script>alert" not in operator.get(where).text
        assert "<img src=x" not in operator.get(where).text


def test_an_unknown_campaign_has_an_error_page(operator: Operator) -> None:
    for address in ("/campaigns/none", "/campaigns/none/live", "/campaigns/none/pause", "/campaigns/drafts/none"):
        answer = operator.get(address)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.slow
def test_while_redis_is_away_the_monitor_says_so(tmp_path: Any) -> None:
    from alodial.testing.redis_server import EmbeddedRedis  # noqa: PLC0415  # a server of its own, to be taken away

    server = EmbeddedRedis(fsync="no").start()
    web = Web(server.url, tmp_path, REDIS_TIMEOUT="0.3")
    try:
        operator = Operator(web)
        server.stop()
        for address in ("/", "/campaigns", "/do-not-call", "/campaigns/x"):
            answer = operator.get(address)
            assert answer.status_code == 503
            assert "Redis is not answering" in words_on(answer)
            assert "Try again" in words_on(answer)
    finally:
        web.stop()


def test_an_address_of_no_campaign_is_a_page_in_the_language_of_the_reader(web: Web) -> None:
    page = Operator(web, language="ru").get("/campaigns/019a0000-0000-7000-8000-000000000000")
    assert page.status_code == 404
    text = words_on(page)
    assert "Страница не найдена" in text
    assert "кампании 019a0000-0000-7000-8000-000000000000 нет" in text
