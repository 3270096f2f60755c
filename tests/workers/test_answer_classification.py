"""What each answer of AloVoice and each broken exchange means for the call."""

import email.utils
import gzip
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from alodial.settings import Settings
from alodial_workers.alovoice.answer_classification import (
    KEPT_TEXT,
    MAX_PAUSE,
    Outcome,
    Verdict,
    classify_answer,
    classify_error,
    read_json,
    retry_after,
    strict_json,
)

SETTINGS = Settings(_env_file=None)
OK = b'{"answer": {"id": 4711, "extid": "123123"}}'


def classified(status: int, body: bytes = b"", settings: Settings = SETTINGS, **headers: str) -> Verdict:
    return classify_answer(
        status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), body, settings
    )


CANNED: dict[str, tuple[Outcome, int, bytes]] = {
    "json with an answer is taken": ("taken", 200, OK),
    "created with json is taken": ("taken", 201, OK),
    "accepted with json is taken": ("taken", 202, OK),
    "an empty object is taken: it says of no error": ("taken", 200, b"{}"),
    "a bare number is taken": ("taken", 200, b"4711"),
    "a byte order mark before json is taken": ("taken", 200, b"\xef\xbb\xbf" + OK),
    "json with an error field that is null is taken": ("taken", 200, b'{"error": null, "id": 1}'),
    "json with success true is taken": ("taken", 200, b'{"success": true, "errors": []}'),
    "an answer with another call's id is taken and kept": ("taken", 200, b'{"answer": {"extid": "999"}}'),
    "an error field is ambiguous": ("unconfirmed", 200, b'{"error": "no such line"}'),
    "an error inside the answer is ambiguous": ("unconfirmed", 200, b'{"answer": {"error": {"code": 7}}}'),
    "an answer that is the word error is ambiguous": ("unconfirmed", 200, b'{"answer": "error"}'),
    "an error inside a list is ambiguous": ("unconfirmed", 200, b'[{"error": "x"}]'),
    "a text that begins with error is ambiguous": ("unconfirmed", 200, b'"Error: bad token"'),
    "success false is ambiguous": ("unconfirmed", 200, b'{"success": false}'),
    "a status of 500 inside json is ambiguous": ("unconfirmed", 200, b'{"statusCode": 500, "message": "x"}'),
    "the status failed inside json is ambiguous": ("unconfirmed", 200, b'{"status": " Failed "}'),
    "an html login page is ambiguous": ("unconfirmed", 200, b"<!doctype html><title>Login</title>"),
    "an empty 200 is ambiguous": ("unconfirmed", 200, b""),
    "white space is ambiguous": ("unconfirmed", 200, b" \r\n"),
    "204 is ambiguous": ("unconfirmed", 204, b""),
    "json null is ambiguous": ("unconfirmed", 200, b"null"),
    "json false is ambiguous": ("unconfirmed", 200, b"false"),
    "half of a json is ambiguous": ("unconfirmed", 200, b'{"answer": {"id": 4'),
    "two jsons are ambiguous": ("unconfirmed", 200, b"{}{}"),
    "NaN is ambiguous": ("unconfirmed", 200, b'{"id": NaN}'),
    "Infinity is ambiguous": ("unconfirmed", 200, b'{"id": -Infinity}'),
    "cp1251 is ambiguous": ("unconfirmed", 200, '{"answer": "принято"}'.encode("cp1251")),
    "utf-16 is ambiguous": ("unconfirmed", 200, '{"answer": 1}'.encode("utf-16")),
    "a depth bomb is ambiguous": ("unconfirmed", 200, b"[" * 60_000),
    "a closed depth bomb is ambiguous": ("unconfirmed", 200, b'{"a":' * 9_000 + b"1" + b"}" * 9_000),
    "an int of 5,000 digits is ambiguous": ("unconfirmed", 200, b'{"id": ' + b"9" * 5_000 + b"}"),
    "a body that was cut is ambiguous": ("unconfirmed", 200, b" " * (64 * 1024)),
    "gzip that nobody asked for is ambiguous": ("unconfirmed", 200, gzip.compress(OK, mtime=0)),
    "301 is ambiguous and not followed": ("unconfirmed", 301, OK),
    "302 is ambiguous and not followed": ("unconfirmed", 302, OK),
    "307 is ambiguous and not followed": ("unconfirmed", 307, OK),
    "308 is ambiguous and not followed": ("unconfirmed", 308, OK),
    "304 is ambiguous": ("unconfirmed", 304, b""),
    "400 refuses for good": ("rejected", 400, b'{"error": "bad"}'),
    "404 doubts the address": ("address", 404, b"<html>"),
    "405 doubts the address": ("address", 405, b""),
    "409 refuses for good": ("rejected", 409, b""),
    "413 refuses for good": ("rejected", 413, b""),
    "415 refuses for good": ("rejected", 415, b""),
    "422 refuses for good": ("rejected", 422, b"{}"),
    "401 is the token": ("auth", 401, b""),
    "403 is the token": ("auth", 403, b"<html>403 Forbidden"),
    "402 is ambiguous": ("unconfirmed", 402, b""),
    "408 is ambiguous": ("unconfirmed", 408, b""),
    "418 is ambiguous": ("unconfirmed", 418, b""),
    "429 is refused for now": ("retry", 429, b""),
    "500 is ambiguous": ("unconfirmed", 500, b'{"error": "x"}'),
    "502 is ambiguous: nginx may say so after acceptance": ("unconfirmed", 502, b"<html>"),
    "503 without a time is ambiguous": ("unconfirmed", 503, b""),
    "504 is ambiguous": ("unconfirmed", 504, b""),
    "a status that is none is ambiguous": ("unconfirmed", 999, OK),
}


@pytest.mark.parametrize("sentence", CANNED)
def test_an_answer_is_classed_as_the_table_says(sentence: str) -> None:
    outcome, status, body = CANNED[sentence]
    verdict = classified(status, body)
    assert verdict.outcome == outcome
    assert verdict.status == status


def test_503_with_a_time_to_come_back_is_refused_for_now_and_the_account_pauses() -> None:
    assert classified(503, b"", retry_after="7") == Verdict("retry", "refused_for_now", 503, "", 7.0)
    assert classified(503, b"", retry_after="soon").pause == 0.0


def test_429_pauses_the_account_even_without_a_time() -> None:
    assert classified(429).pause == 0.0
    assert classified(429, retry_after="30").pause == 30.0


def test_an_encoded_answer_is_ambiguous_whatever_it_holds() -> None:
    assert classified(200, OK, content_encoding="gzip").code == "answer_encoded"
    assert classified(200, OK, content_encoding="Identity").outcome == "taken"


def test_statuses_move_between_the_classes_by_settings() -> None:
    settings = SETTINGS.model_copy(update={"unsent_statuses": frozenset({502}), "refused_statuses": frozenset({402})})
    assert classified(502, settings=settings).outcome == "retry"
    assert classified(402, settings=settings).outcome == "rejected"
    assert classified(422, settings=settings).outcome == "unconfirmed"


def test_what_is_kept_of_an_answer_is_bounded_and_printable_as_json() -> None:
    verdict = classified(400, "\x00ж".encode() * 40_000)
    assert len(verdict.text) <= KEPT_TEXT
    assert "\x00" not in verdict.text
    assert json.loads(json.dumps(verdict.text)) == verdict.text


NOW = datetime(2026, 1, 27, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5),
        (" 5 ", 5),
        ("0", None),
        ("-1", None),
        ("1e9", None),
        ("1.5", None),
        ("soon", None),
        ("٥", None),  # an Arabic five is a digit to str.isdigit()
        ("５", None),
        ("3600", 3600),
        ("3601", MAX_PAUSE),
        ("1000000000", MAX_PAUSE),
        ("9" * 5000, MAX_PAUSE),
        ("Tue, 27 Jan 2026 12:00:30 GMT", 30),
        ("Tue, 27 Jan 2026 12:00:30", 30),
        ("Tue, 27 Jan 2026 17:00:30 +0500", 30),
        ("Tue, 27 Jan 2026 11:00:00 GMT", None),
        ("Wed, 28 Jan 2026 12:00:00 GMT", MAX_PAUSE),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_PAUSE),
        ("Tue, 27 Jan 2026 99:99:99 GMT", None),
        ("Tue, 27 Jan 99999999999 12:00:00 GMT", None),
        ("Tue, 27 Jan 2026 12:00:00 +9999999", None),
    ],
)
def test_retry_after_is_understood_in_every_form_and_bounded(value: str | None, seconds: float | None) -> None:
    assert retry_after({"retry-after": value} if value is not None else {}, lambda: NOW) == seconds


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"\A[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} -?[0-9]{1,9} [0-9:]{1,12} [-+A-Z0-9]{0,9}\Z"),
    )
)
def test_retry_after_never_raises_and_never_exceeds_an_hour(value: str) -> None:
    seconds = retry_after({"retry-after": value} if value is not None else {}, lambda: NOW)
    assert seconds is None or (math.isfinite(seconds) and 0 < seconds <= MAX_PAUSE)


@given(st.integers(1, 3599))
def test_a_date_means_the_seconds_until_then(seconds: int) -> None:
    assert (
        retry_after(
            {"retry-after": email.utils.format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}, lambda: NOW
        )
        == seconds
    )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["answer", "error", "status", "result", "code", "success", "data", "ok"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
bodies = st.one_of(
    st.binary(max_size=2000),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.text(max_size=200).map(lambda text: text.encode("cp1251", "replace")),
    st.sampled_from(
        [b"[" * 70_000, b"{" * 9, b"9" * 5000, b"\xef\xbb\xbf", gzip.compress(OK, mtime=0), b'"\\ud800"', b"-"]
    ),
)
names = st.sampled_from(["retry-after", "content-encoding", "content-type", "location", "x"])


json_parts = st.sampled_from(
    [
        *rb'{ } [ ] : , - 0 01 1. -0.0 e9 1e999 true null NaN -Infinity "a" " "\ud800" "\ud83d\ude00"'.split(),
        *(b" ", b"\n", b"\x0b", "é".encode(), b"\xff", b"\xef\xbb\xbf", b"9" * 30, b"9" * 5000),
    ]
)


@examples(max_examples=500, deadline=None)
@given(st.lists(json_parts, max_size=6).map(b"".join))
def test_the_quick_reader_of_json_reads_nothing_otherwise_than_the_strict_one_does(body: bytes) -> None:
    def read_by(reader: Any, text: Any) -> str:
        try:
            return repr(reader(text))
        except ValueError:
            return "refused"

    assert read_by(read_json, body) == read_by(lambda raw: strict_json(raw.decode("utf-8-sig")), body)


@examples(max_examples=500, deadline=None)
@given(
    st.integers(0, 1000), st.dictionaries(names, st.text(st.characters(min_codepoint=32, max_codepoint=255))), bodies
)
def test_classing_an_answer_never_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    verdict = classify_answer(status, httpx.Headers(raw), body, SETTINGS)
    assert len(verdict.text) <= KEPT_TEXT
    assert verdict.outcome != "taken" or 200 <= status < 300
    assert verdict.outcome != "rejected" or status in SETTINGS.refused_statuses


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (httpx.ConnectError("ConnectionRefusedError"), "unsent", "connect_failed"),
        (httpx.ConnectError("tls_untrusted"), "unsent", "tls_untrusted"),
        (httpx.ConnectTimeout(""), "unsent", "connect_timeout"),
        (httpx.PoolTimeout(""), "unsent", "connect_timeout"),
        (httpx.ReadTimeout(""), "unconfirmed", "answer_timeout"),
        (httpx.WriteTimeout(""), "unconfirmed", "answer_timeout"),
        (TimeoutError(), "unconfirmed", "answer_timeout"),
        (httpx.ReadError(""), "unconfirmed", "answer_lost"),
        (httpx.WriteError(""), "unconfirmed", "answer_lost"),
        (httpx.RemoteProtocolError(""), "unconfirmed", "answer_unreadable"),
        (MemoryError(), "unconfirmed", "answer_lost"),
        (RuntimeError("https://cld.alovoice.uz/requestcall/secret"), "unconfirmed", "answer_lost"),
    ],
)
def test_an_exception_is_classed_by_its_kind_and_its_words_are_not_kept(
    error: Exception, outcome: str, code: str
) -> None:
    assert classify_error(error) == Verdict(outcome, code)  # type: ignore[arg-type]  # a table of texts


@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=400)])
def test_a_retry_date_is_read_by_the_clock_that_wrote_it(wrong: timedelta) -> None:
    """Ours may be wrong: an hour behind held the account for an hour."""
    headers = {
        "date": email.utils.format_datetime(NOW, usegmt=True),
        "retry-after": email.utils.format_datetime(NOW + timedelta(seconds=20), usegmt=True),
    }
    assert retry_after(headers, lambda: NOW + wrong) == 20
    assert retry_after({**headers, "date": "no date"}, lambda: NOW) == 20
    verdict = classify_answer(429, headers, b"", Settings(_env_file=None), lambda: NOW + wrong)
    assert (verdict.outcome, verdict.pause) == ("retry", 20)
