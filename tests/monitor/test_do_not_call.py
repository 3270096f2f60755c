"""The do-not-call screen."""

from alodial import CallQueue
from web.conftest import Web

from .client import Operator, words_on

PAGE = "/do-not-call"


def test_numbers_are_added_searched_and_removed_after_a_confirmation(web: Web, queue: CallQueue) -> None:
    operator = Operator(web, name="Aziza")
    added = operator.post(PAGE, {"numbers": "901234567\n+998 90 765-43-21, Ali", "reason": "asked us"}, page=PAGE)
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
