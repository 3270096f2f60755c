"""The do-not-call screen."""

import time

import httpx
import pytest

from alodial import CallQueue
from alodial.calls.erasure import KEPT_TEXTS
from alodial.errors import NotFound
from alodial.i18n import translated
from alodial.key_limits import KeyLimits
from alodial.store import do_not_call, key_records
from web.conftest import Web

from .client import Operator, words_on

PAGE = "/do-not-call"


def test_numbers_are_added_searched_and_removed_after_a_confirmation(web: Web, queue: CallQueue) -> None:
    operator = Operator(web, name="Aziza")
    added = operator.post(PAGE, {"numbers": "8-90-1234567\n+998 90 765-43-21, Ali", "reason": "asked us"}, page=PAGE)
    assert "2 numbers added." in words_on(added)
    entry = queue.dnc.find("901234567")[0]
    assert (entry.reason, entry.actor) == ("asked us", "key:#1 (Aziza)")
    found = words_on(operator.get(f"{PAGE}?number=90+123+45+67"))
    assert "+998901234567 is on the list." in found
    assert "asked us" in found
    asked = operator.post(f"{PAGE}/remove", {"number": "901234567"}, page=PAGE)
    assert "Remove +998901234567 from the list?" in words_on(asked)
    assert queue.dnc.find("901234567")
    done = operator.post(f"{PAGE}/remove", {"number": "901234567", "sure": "yes"}, page=PAGE)
    assert "may be called again" in words_on(done)
    assert not queue.dnc.find("901234567")
    assert "is not on the list" in words_on(operator.get(f"{PAGE}?number=901234567"))


def test_lines_that_are_no_numbers_come_back_to_be_mended(web: Web, queue: CallQueue) -> None:
    answer = Operator(web).post(PAGE, {"numbers": "901234567\nabc<b>\n901234567", "reason": "x"}, page=PAGE)
    assert answer.status_code == 422
    assert "1 number added." in words_on(answer)
    assert "1 was there already." in words_on(answer)
    assert ">abc&lt;b&gt;</textarea>" in answer.text
    assert queue.dnc.count() == 1
    russian = Operator(web, language="ru").post(PAGE, {"numbers": "90 123 45", "reason": ""}, page=PAGE)
    assert "Строка 1: в номере не хватает цифр; напишите номер целиком" in words_on(russian)


def test_what_is_no_number_is_not_searched_for(web: Web) -> None:
    answer = Operator(web).get(f"{PAGE}?number=%3Cscript%3E")
    assert answer.status_code == 422
    assert "That is no number" in words_on(answer)
    assert "<script>" not in answer.text


def test_a_long_list_is_looked_through_in_pages(web: Web, queue: CallQueue) -> None:
    numbers = [f"+99890{1_000_000 + i}" for i in range(700)]
    queue.dnc.add(numbers, reason="<img src=x onerror=alert(1)>")
    operator = Operator(web)
    seen: set[str] = set()
    address = PAGE
    for _ in range(50):
        page = operator.get(address)
        seen |= {number for number in numbers if number in page.text}
        assert "<img" not in page.text
        if "More of the list" not in page.text:
            break
        address = page.text.rpartition('href="/do-not-call?cursor=')[2].partition('"')[0]
        address = f"{PAGE}?cursor={address}"
    assert seen == set(numbers)
    assert operator.get(f"{PAGE}?cursor=99999999999999999999").status_code == 200


def _import(operator: Operator, content: bytes, name: str = "optout.csv", **fields: str) -> httpx.Response:
    data = {"form_token": operator.token(PAGE)} | fields
    return operator.http.post(f"{PAGE}/import", data=data, files={"file": (name, content)})


def _ended(operator: Operator, address: str) -> httpx.Response:
    """The page of an import when it has ended."""
    until = time.monotonic() + 15
    while (page := operator.get(address)).text.count("<progress") and time.monotonic() < until:
        time.sleep(0.02)
    return page


def test_a_file_is_imported_and_the_exported_list_is_one_that_can_be_imported(web: Web, queue: CallQueue) -> None:
    operator = Operator(web, name="Aziza")
    content = b'phone,name\n901234567,Ali\nnobody,Vali\n"907654321; 901112233",\n901234567,\n'
    began = _import(operator, content, reason="regulator")
    done = words_on(_ended(operator, began.headers["location"]))
    assert "3 numbers added. 1 was there already. 1 " in done
    assert "Row 3: " in done
    entry = queue.dnc.find("901234567")[0]
    assert (entry.reason, entry.actor) == ("regulator", "key:#1 (Aziza)")
    export = operator.get("/do-not-call.csv")
    assert export.headers["content-disposition"].startswith("attachment")
    lines = export.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "number,since,by,reason"
    assert len(lines) == 4
    queue.dnc.remove(["901234567", "907654321", "901112233"])
    again = _import(operator, export.content)
    assert "3 numbers added." in words_on(_ended(operator, again.headers["location"]))
    assert web.logged("operator.acted", "dnc.export")


def test_a_file_that_leaves_its_phone_column_open_is_imported_after_the_answer(web: Web, queue: CallQueue) -> None:
    operator = Operator(web, language="ru")
    content = b"a;b\n901234567;907654321\n901234568;907654322\n"
    address = _import(operator, content).headers["location"]
    asked = _ended(operator, address)
    assert "Пока ничего не загружено" in words_on(asked)
    assert queue.dnc.count() == 0
    operator.post(address, {"answer0": ["b", "not offered"]}, page=address)
    assert "2 номера" in words_on(_ended(operator, address))
    assert [bool(queue.dnc.find(number)) for number in ("907654321", "901234567")] == [True, False]


def test_a_file_that_cannot_be_read_is_named_with_the_problem_and_no_file_is_asked_for(web: Web) -> None:
    operator = Operator(web)
    page = words_on(_ended(operator, _import(operator, b"\x00\x01\x02").headers["location"]))
    assert "Choose another file" in page
    assert operator.get(f"{PAGE}/import/0123456789abcdef").status_code == 404
    nothing = operator.http.post(f"{PAGE}/import", files={"x": ("", b"")}, data={"form_token": operator.token(PAGE)})
    assert "no_file" in nothing.headers["location"]
    assert "Choose a file." in words_on(operator.get(nothing.headers["location"]))


@pytest.mark.parametrize(("roles", "imports", "exports"), [(["read"], 403, 403), (["read", "submit"], 303, 403)])
def test_the_list_goes_in_with_the_role_submit_and_out_with_the_role_operate(
    web: Web, roles: list[str], imports: int, exports: int
) -> None:
    key = web.http.post("/v1/keys", json={"name": "dispatcher", "roles": roles}).json()["key"]
    operator = Operator(web, key)
    assert _import(operator, b"901234567\n").status_code == imports
    assert operator.get("/do-not-call.csv").status_code == exports
    foreign = operator.http.post(
        f"{PAGE}/import", headers={"Origin": "https://elsewhere.example"}, files={"file": b"1"}
    )
    assert foreign.status_code == 403
    untold = operator.http.post(f"{PAGE}/import", files={"file": b"1"})
    assert untold.status_code == 403


def test_operators_see_the_lists_of_keys_and_how_many_people_were_erased(web: Web, queue: CallQueue) -> None:
    record, _ = key_records.new_record(
        "shop", ["submit"], own=True, limits={}, base=KeyLimits(), expires=None, actor="cli:x", now=0
    )
    queue.store.run_steps(key_records.create, record)
    queue.dnc.add(["901234567"], owner="shop", reason="<b>asked</b>")
    entry = do_not_call.entry_json("erased", "cli:x", 0)
    queue.store.run(do_not_call.forget_numbers(["+998907654321"], entry))
    operator = Operator(web)
    page = operator.get(PAGE)
    assert "1 erased person is never called either" in words_on(page)
    assert '<a href="/do-not-call/keys/shop">shop</a>' in page.text
    assert "907654321" not in page.text
    own = operator.get(f"{PAGE}/keys/shop")
    assert "Do-not-call list of shop" in words_on(own)
    assert "+998901234567" in own.text
    assert "<b>asked" not in own.text
    assert "is on the list" in words_on(operator.get(f"{PAGE}?number=907654321")), "whoever has the number may ask"
    assert operator.get(f"{PAGE}/keys/nobody").status_code == 404


@pytest.mark.parametrize(
    ("language", "said"),
    [("ru", "Пока остаётся: имя кампании "), ("uz", "kampaniyasining nomi, u muddati o‘tib o‘chirilguncha")],
)
def test_where_an_erased_number_stays_is_said_in_the_language_of_the_page(
    web: Web, queue: CallQueue, language: str, said: str
) -> None:
    queue.submit_campaign(["977076909"], {"name": "of 901234567", "call": {"callfrom": "712037006"}})
    page = Operator(web, language=language).post(f"{PAGE}/erase", {"number": "901234567"}, page=PAGE)
    assert said in words_on(page)
    assert [text for text in KEPT_TEXTS.values() if translated(text, language) == text] == []


def test_a_person_is_erased_after_the_counts_were_seen(web: Web, queue: CallQueue) -> None:
    call = queue.enqueue({"callfrom": "712037006", "callto": ["901234567"]})
    operator = Operator(web)
    asked = words_on(operator.post(f"{PAGE}/erase", {"number": "90 123 45 67"}, page=PAGE))
    assert "Everything about +998901234567 would be erased for good:" in asked
    assert "1 call" in asked
    assert queue.get(call.id).state == "queued"
    done = words_on(operator.post(f"{PAGE}/erase", {"number": "+998901234567", "sure": "yes"}, page=PAGE))
    assert "Erased. The number is on the do-not-call list, where nobody can read it." in done
    with pytest.raises(NotFound):
        queue.get(call.id)
    assert "That is no number" in words_on(operator.post(f"{PAGE}/erase", {"number": "abc"}, page=PAGE))
