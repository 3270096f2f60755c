"""An address that is no page: a page for browsers, a problem document for programs."""

import httpx
import pytest

from alodial.monitor.unknown_address import prefers_html
from web.conftest import Web

from .client import words_on

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "There is no page at this address"), ("ru-RU", "страницы нет"), ("uz", "sahifa yo‘q")],
)
@pytest.mark.parametrize(("address", "status"), [("/campaings", 404), ("/calls/a/b/c", 404), ("/sign-out", 405)])
def test_a_browser_gets_a_page_in_its_language_with_a_way_home(
    web: Web, language: str, words: str, address: str, status: int
) -> None:
    answer = httpx.get(web.url + address, headers={"Accept": BROWSER, "Accept-Language": language})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert ("allow" in answer.headers) == (status == 405)
    assert words in words_on(answer)
    assert '<a href="/">' in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9"])
def test_a_program_gets_a_problem_document(web: Web, accept: str) -> None:
    answer = httpx.get(f"{web.url}/campaings", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"
    assert httpx.post(f"{web.url}/campaings", headers={"Accept": BROWSER}).json()["code"] == "not_found"


@pytest.mark.parametrize("address", ["/v1/nothing", "//callbacks/a/b", "/requestcall/a/b", "/V1"])
def test_an_address_of_programs_answers_with_a_problem_document_in_a_browser_too(web: Web, address: str) -> None:
    answer = httpx.get(web.url + address, headers={"Accept": BROWSER})
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        ("", False),
        ("text/html", True),
        ("TEXT/HTML;q=0.5, */*;q=0.1", True),
        ("text/html;q=0.5, application/*", False),
        ("text/html;q=many, */*", False),
        ("text/plain", False),
    ],
)
def test_html_is_preferred_where_it_is_named_and_weighs_more_than_json(accept: str, preferred: bool) -> None:
    assert prefers_html(accept) is preferred
