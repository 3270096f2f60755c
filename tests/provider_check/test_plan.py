"""What an outcome means for the series, and what an exchange proves."""

from typing import Any, get_args

import pytest

from alodial_workers.alovoice.answer_classification import Outcome, Verdict
from alodial_workers.provider_check.env_lines import with_line
from alodial_workers.provider_check.masking import for_cassette
from alodial_workers.provider_check.plan import Seen, extid_fate, next_step, order_of_forms, proposals
from alodial_workers.sandbox.cassette import played


@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("status", [None, 200, 302, 400, 401, 404, 405, 409, 422, 429, 500, 503])
def test_another_form_follows_only_a_refusal_that_is_about_the_body(outcome: Any, status: int | None) -> None:
    following = next_step(Verdict(outcome, "x", status))
    assert (following == "another_form") == (outcome == "rejected" and status is not None)


def test_the_configured_form_goes_first() -> None:
    assert order_of_forms("json") == ("json", "multipart-brackets", "multipart-json")


@pytest.mark.parametrize(
    ("body", "content_type", "fate"),
    [
        (b'{"externalid": 123123, "dialstatus": "BUSY"}', "application/json", "number"),
        (b'{"externalid": "123123", "dialstatus": "BUSY"}', "application/json", "text"),
        (b"externalid=123123&dialstatus=BUSY", "application/x-www-form-urlencoded", "text"),
        (b'{"dialstatus": "BUSY"}', "application/json", "missing"),
        (b'{"externalid": 123123, "dials', "application/json", "other"),
        (b"\xff\x00", "", "missing"),
    ],
)
def test_it_says_how_the_extid_came_back(body: bytes, content_type: str, fate: str) -> None:
    assert extid_fate(body, content_type, "123123") == fate


def test_settings_are_proposed_for_what_was_seen_only() -> None:
    refused = frozenset({400, 404})
    seen = Seen("json", frozenset({400}), ("8.8.8.8", "127.0.0.1", "8.8.8.8"))
    lines = [line.line for line in proposals(seen, body="multipart-json", refused=refused, sources=())]
    assert lines == ["ALODIAL_PROVIDER_BODY=json", "ALODIAL_REFUSED_STATUSES=[404]", "ALODIAL_CALLBACK_SOURCES=8.8.8.8"]
    assert proposals(Seen("json"), body="json", refused=refused, sources=()) == []


def test_a_line_of_env_is_replaced_and_nothing_else() -> None:
    text = "A=1\n# ALODIAL_PROVIDER_BODY=json\nB=2"
    assert with_line(text, "ALODIAL_PROVIDER_BODY", "x") == "A=1\nALODIAL_PROVIDER_BODY=x\nB=2"
    assert with_line(text, "ALODIAL_NEW", "y") == text + "\nALODIAL_NEW=y\n"


def test_a_cassette_has_no_number_secret_or_link_and_plays_with_other_ones() -> None:
    body = (
        b'{"from": "+998901234567", "to": "901234567", "trunk": 712037006, "id": 17641062991234, "extid": 123123,'
        b' "begin": 1764106299, "record": "https://cld.example/rec/tok3n.wav", "key": "planted"}'
    )
    text = for_cassette(body, ["planted"], "901234567", ["123123"], 1764106000)
    assert text == (
        '{"from": "{phone}", "to": "{phone}", "trunk": 710000000, "id": 17000000000000, "extid": {extid},'
        ' "begin": 1764106299, "record": "https://example.invalid/record", "key": "***"}'
    )
    assert played(text, "712", "9").startswith('{"from": "712", "to": "712",')
