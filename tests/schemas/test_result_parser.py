from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from call_bodies import flatten
from hypothesis import example, given
from hypothesis import strategies as st

from alodial_schemas.alovoice.result import MAX_BODY, CallResult, Unreadable, exact_extid, parse_results
from alodial_schemas.dispositions import Disposition

FULL: dict[str, Any] = {
    "id": [101, 102],
    "from_number": ["712037006"],
    "to_number": ["994412860", "+998977076909"],
    "trunk_number": 712037006,
    "begin_time": 1767323045,
    "answer_time": 1767323050,
    "end_time": 1767323100,
    "duration": 50,
    "dialstatus": "ANSWER",
    "record": "https://cld.alovoice.uz/records/1.mp3",
    "externalid": 123456789012345,
    "attempts": [
        {"number": "994412860", "dialstatus": "BUSY"},
        {"number": "977076909", "dialstatus": "ANSWER", "seconds": 5},
    ],
}


def one(body: bytes | str | dict[str, Any] | list[Any], content_type: str | None = "application/json") -> CallResult:
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    results = parse_results(body.encode() if isinstance(body, str) else body, content_type)
    assert len(results) == 1
    assert isinstance(results[0], CallResult), results
    return results[0]


def unreadable(body: bytes, content_type: str | None = None) -> Unreadable:
    results = parse_results(body, content_type)
    assert len(results) == 1
    assert isinstance(results[0], Unreadable), results
    assert results[0].reason
    return results[0]


def multipart(pairs: list[tuple[str, str]], boundary: str = "----b0und") -> bytes:
    text = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
    )
    return f"{text}--{boundary}--\r\n".encode()


def test_a_full_result_has_the_contracts_shape() -> None:
    result = one(FULL)
    assert result.extid == "123456789012345"
    assert result.warnings == []
    assert result.disposition is Disposition.ANSWERED
    assert result.public() == {
        "call_ids": [101, 102],
        "from_numbers": ["712037006"],
        "to_numbers": ["994412860", "+998977076909"],
        "trunk_number": "712037006",
        "begin_time": "2026-01-02T03:04:05Z",
        "answer_time": "2026-01-02T03:04:10Z",
        "end_time": "2026-01-02T03:05:00Z",
        "duration": 50,
        "dialstatus": "ANSWER",
        "record": "https://cld.alovoice.uz/records/1.mp3",
        "attempts": [
            {"number": "994412860", "dialstatus": "BUSY"},
            {"number": "977076909", "dialstatus": "ANSWER", "seconds": 5},
        ],
    }
    json.dumps(result.public(), allow_nan=False)


def test_an_empty_result_has_the_contracts_shape_too() -> None:
    result = one({"externalid": 123})
    assert result.public() == {
        "call_ids": [],
        "from_numbers": [],
        "to_numbers": [],
        "trunk_number": None,
        "begin_time": None,
        "answer_time": None,
        "end_time": None,
        "duration": None,
        "dialstatus": "",
        "record": None,
        "attempts": [],
    }
    assert result.disposition is Disposition.UNKNOWN


# --- one result, every encoding -------------------------------------------------------------------------------------

numbers = st.from_regex(r"\+?[1-9][0-9]{8,11}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
# Python writes booleans as these two words, which no text of an attempt may be in this test's own form encoder.
attempt_texts = words.filter(lambda text: text not in {"True", "False"})
attempts = st.dictionaries(
    st.from_regex("[a-z][a-z_]{0,9}", fullmatch=True),
    st.integers(-(10**14), 10**14)
    | attempt_texts
    | st.booleans()
    | st.lists(attempt_texts.filter(bool), min_size=1, max_size=3),
    max_size=4,
)
times = st.none() | st.just(0) | st.integers(946_684_800, 4_102_444_800)
truths = st.fixed_dictionaries(
    {"externalid": st.integers(1, 2**53 - 1)},
    optional={
        "id": st.lists(st.integers(0, 10**15), max_size=4),
        "from_number": st.lists(numbers, max_size=3),
        "to_number": st.lists(numbers, max_size=3),
        "trunk_number": numbers,
        "begin_time": times,
        "answer_time": times,
        "end_time": times,
        "duration": st.integers(0, 10_000) | st.sampled_from([0.5, 12.25]),
        "dialstatus": words,
        "record": st.none() | st.just("https://cld.alovoice.uz/r/1.mp3"),
        "attempts": st.lists(attempts, max_size=3),
    },
)


def form_text(value: Any) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def form_pairs(truth: dict[str, Any], spelling: str, attempts_as: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in truth.items():
        if name == "attempts":
            if attempts_as == "json":
                pairs.append((name, json.dumps(value)))
            else:
                listed = value if attempts_as == "list" else {str(i): item for i, item in enumerate(value)}
                pairs += [(key, form_text(item)) for key, item in flatten_typed({name: listed})]
        elif isinstance(value, list):
            pairs += [(spelling.format(name=name, index=index), form_text(item)) for index, item in enumerate(value)]
        else:
            pairs.append((name, form_text(value)))
    return pairs


def flatten_typed(obj: dict[str, Any]) -> list[tuple[str, Any]]:
    """`flatten`, which writes texts, with JSON's words for booleans."""
    return [(name, {"True": "true", "False": "false"}.get(text, text)) for name, text in flatten(obj)]


@given(truths, st.data())
def test_one_result_has_one_normal_form_in_every_encoding(truth: dict[str, Any], data: st.DataObject) -> None:
    plain = one(json.dumps(truth))
    spelling = data.draw(st.sampled_from(["{name}", "[]{name}", "{name}[]", "{name}[{index}]"]))
    attempts_as = data.draw(st.sampled_from(["list", "object", "json"]))
    pairs = form_pairs(truth, spelling, attempts_as)
    as_text = {key: str(item) if type(item) is int else item for key, item in truth.items()}
    keyed = {**truth, "attempts": {str(i): item for i, item in enumerate(truth.get("attempts", []))}}
    single = {
        key: item[0] if isinstance(item, list) and len(item) == 1 and key != "attempts" else item
        for key, item in truth.items()
    }
    others = {
        "json": (json.dumps(truth).encode(), "application/json"),
        "utf-8 json": (json.dumps(truth, ensure_ascii=False).encode(), "application/json; charset=utf-8"),
        "bom": (b"\xef\xbb\xbf" + json.dumps(truth).encode(), None),
        "utf-16": (json.dumps(truth).encode("utf-16"), None),
        "texts": (json.dumps(as_text).encode(), "text/plain"),
        "bracket names in json": (
            json.dumps(
                {f"[]{k}" if isinstance(v, list) and k != "attempts" else k: v for k, v in truth.items()}
            ).encode(),
            None,
        ),
        "one value": (json.dumps(single).encode(), None),
        "attempts as text": (json.dumps({**truth, "attempts": json.dumps(truth.get("attempts", []))}).encode(), None),
        "attempts as object": (json.dumps(keyed).encode(), None),
        "list": (json.dumps([truth]).encode(), None),
        "wrapped": (json.dumps({"result": truth}).encode(), None),
        "json as form": (json.dumps(truth).encode(), "application/x-www-form-urlencoded"),
        "gzip": (gzip.compress(json.dumps(truth).encode()), "application/json"),
        "twice": (json.dumps(json.dumps(truth)).encode(), None),
        "urlencoded": (urlencode(pairs).encode(), "application/x-www-form-urlencoded"),
        "urlencoded as json": (urlencode(pairs).encode(), "application/json"),
        "multipart": (multipart(pairs), "multipart/form-data; boundary=----b0und"),
        "multipart, wrong boundary": (multipart(pairs), 'multipart/form-data; boundary="other"'),
        "multipart, no type": (multipart(pairs), None),
        "json in a form": (urlencode({"data": json.dumps(truth)}).encode(), None),
    }
    for name, (body, content_type) in others.items():
        read = one(body, content_type)
        assert read.public() == plain.public(), name
        assert read.extid == plain.extid == str(truth["externalid"]), name
        assert read.digest() == plain.digest(), name


@given(truths, truths)
def test_different_results_have_different_digests(a: dict[str, Any], b: dict[str, Any]) -> None:
    first, second = one(a), one(b)
    same = (first.extid, first.public()) == (second.extid, second.public())
    assert (first.digest() == second.digest()) is same


# --- the externalid -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "extid"),
    [
        (1732345678901, "1732345678901"),
        ("1732345678901", "1732345678901"),
        (" 1732345678901 ", "1732345678901"),
        (1732345678901.0, "1732345678901"),
        ("1732345678901.0", "1732345678901"),
        (1, "1"),
        (2**53 - 1, "9007199254740991"),
        ("9007199254740991", "9007199254740991"),
    ],
)
def test_an_exact_externalid_is_taken(value: object, extid: str) -> None:
    assert exact_extid(value) == (extid, None)


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            True,
            False,
            [1732345678901],
            {"a": 1},
            b"1",
            "",
            " ",
            0,
            "0",
            0.0,
            "abc",
            "12a",
            "0x10",
            "1_000",
            "+5",
        ),
        *(1732345678901.5, "1732345678901.5", "1732345678901.", 1e21, "1e+21", "1.7e12", "1.7E12", "17e11", -5, "-5"),
        *("0123123", "00", 2**53, 2**53 + 1, float(2**53), "9007199254740992", 10**4000, "9" * 5000, "9" * 1_000_000),
        *(
            float("nan"),
            float("inf"),
            float("-inf"),
            "NaN",
            "null",
            "١٢٣",
            "１２３",
            "1 2",
            "123\u200f",
            "1.0000000000000000001",
        ),
    ],
    ids=lambda value: str(value)[:24],
)
def test_an_inexact_externalid_is_refused_with_the_reason(value: object) -> None:
    extid, warning = exact_extid(value)
    assert extid is None
    assert warning is not None
    assert "externalid" in warning


@pytest.mark.parametrize(
    "token", ["1.7e12", "1.732345678901e12", "1e+21", "NaN", "-Infinity", "1732345678901.00001", "true", "null", "[5]"]
)
def test_an_inexact_json_number_is_kept_aside_and_the_rest_read(token: str) -> None:
    result = one(f'{{"externalid": {token}, "dialstatus": "BUSY", "id": 5}}')
    assert result.extid is None
    assert any("externalid" in warning for warning in result.warnings)
    assert result.call_ids == [5]


def test_a_number_that_only_rounds_to_a_whole_one_is_not_exact() -> None:
    assert one('{"externalid": 1732345678901.00000000000000000001}').extid is None
    assert one('{"externalid": 1732345678901.000}').extid == "1732345678901"


def test_a_negative_externalid_hints_at_32_bits() -> None:
    assert "32 bits" in str(exact_extid(-1473858613)[1])
    assert "32 bits" in str(exact_extid("-1473858613")[1])


def test_two_different_externalids_match_nobody() -> None:
    assert one('{"externalid": 5, "externalid": 6, "id": 1}').extid is None
    assert one('{"externalid": 5, "extid": 6}').extid is None
    assert one("externalid=5&externalid=6", None).extid is None
    assert one('{"externalid": 5, "externalid": 5}').extid == "5"
    assert one('{"externalid": 5, "extid": "5"}').extid == "5"


@given(st.integers(1, 2**53 - 1))
def test_every_extid_survives_a_javascript_number(number: int) -> None:
    for written in (str(number), f'"{number}"', f"{number}.0"):
        assert one(f'{{"externalid": {written}}}').extid == str(number)


@given(st.floats() | st.integers() | st.text("0123456789.eE+- ", max_size=25))
def test_an_extid_never_differs_in_a_digit(value: float | str) -> None:
    extid, _ = exact_extid(value)
    if extid is not None:
        assert int(extid) == (int(value) if not isinstance(value, str) else int(value.strip().partition(".")[0]))


# --- times, duration, words -----------------------------------------------------------------------------------------

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1767323045, MOMENT),
        ("1767323045", MOMENT),
        (1767323045000, MOMENT),
        ("1767323045000", MOMENT),
        (1767323045.0, MOMENT),
        ("1767323045.678", MOMENT.replace(microsecond=678000)),
        (1767323045678, MOMENT.replace(microsecond=678000)),
        ("2026-01-02T03:04:05Z", MOMENT),
        ("2026-01-02 08:04:05+05:00", MOMENT),
        (0, None),
        ("0", None),
        ("", None),
        ("null", None),
        (None, None),
    ],
)
def test_times_are_read_in_seconds_milliseconds_and_text(value: object, expected: datetime | None) -> None:
    result = one({"externalid": 5, "answer_time": value})
    assert result.answer_time == expected
    assert result.warnings == []


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-1767323045",
        5,
        253402300799,
        10**18,
        10**400,
        1e300,
        "9" * 40,
        "1e999",
        "soon",
        True,
        "2026-01-02 03:04:05",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+05:00",
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_time_that_cannot_be_is_left_out_with_a_warning(value: object) -> None:
    result = one({"externalid": 5, "end_time": value})
    assert result.end_time is None
    assert any("end_time" in warning for warning in result.warnings)


def test_an_answer_before_the_beginning_is_kept_with_a_warning() -> None:
    result = one({"externalid": 5, "begin_time": 1767323045, "answer_time": 1767323000, "end_time": 1767323001})
    assert result.answer_time is not None
    assert {warning.split()[0] for warning in result.warnings} == {"answer_time", "end_time"}


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), ("12", 12), (12.0, 12), ("12.5", 12.5), (None, None), ("", None)]
)
def test_durations_are_seconds(value: object, expected: float | None) -> None:
    assert one({"externalid": 5, "duration": value}).duration == expected


@pytest.mark.parametrize("value", [-1, "long", 10**9, True, "1e300", [[]]])
def test_a_duration_that_cannot_be_is_left_out(value: object) -> None:
    assert one({"externalid": 5, "duration": value}).duration is None


@pytest.mark.parametrize(
    "word", ["ANSWER", " busy ", "=cmd()", "<script>", "a\r\nb\x1b", "\u202eevil", "НЕТ ОТВЕТА", "x\x00y"]
)
def test_the_dialstatus_is_kept_as_it_came(word: str) -> None:
    assert one({"externalid": 5, "dialstatus": word}).dialstatus == word
    assert one(urlencode({"externalid": "5", "dialstatus": word}), None).dialstatus == word


def test_a_long_dialstatus_is_cut_with_a_warning() -> None:
    result = one({"externalid": 5, "dialstatus": "x" * 10_000})
    assert len(result.dialstatus) == 200
    assert any("dialstatus" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "a\nb", "x" * 2001, 5, {"a": 1}]
)
def test_a_record_that_is_no_link_is_left_out(link: object) -> None:
    assert one({"externalid": 5, "record": link}).record is None


def test_numbers_and_ids_are_read_as_numbers_texts_and_lists_of_them() -> None:
    result = one(
        {"externalid": 5, "id": "7,8", "from_number": 712037006, "to_number": '[994412860, "+998977076909", null]'}
    )
    assert (result.call_ids, result.from_numbers, result.to_numbers) == (
        [7, 8],
        ["712037006"],
        ["994412860", "+998977076909"],
    )
    odd = one({"externalid": 5, "id": ["x", 1.5, -1, 10**30, True, 3.0, {"a": 1}]})
    assert odd.call_ids == [3]
    assert odd.warnings


def test_the_case_and_underscores_of_names_do_not_matter() -> None:
    result = one({"ExternalId": 5, "fromNumber": "712037006", "DIALSTATUS": "BUSY", "id[0]": 1, "id[1]": 2})
    assert (result.extid, result.from_numbers, result.dialstatus, result.call_ids) == (
        "5",
        ["712037006"],
        "BUSY",
        [1, 2],
    )


# --- attempts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"a": 1}], [{"a": 1}]),
        ({"0": {"a": 1}, "1": {"a": 2}}, [{"a": 1}, {"a": 2}]),
        ({"10": {"a": 2}, "9": {"a": 1}}, [{"a": 1}, {"a": 2}]),
        ({"994412860": {"a": 1}}, [{"key": "994412860", "a": 1}]),
        ({"number": 994412860, "status": "BUSY"}, [{"number": "994412860", "status": "BUSY"}]),
        ('[{"a": "1"}]', [{"a": 1}]),
        ('{"a": 1}', [{"a": 1}]),
        ("no answer, then busy", [{"text": "no answer, then busy"}]),
        ("{broken", [{"text": "{broken"}]),
        (["BUSY", 5, None, {}], [{"text": "BUSY"}, {"value": 5}]),
        (['{"a": 1}'], [{"a": 1}]),
        (None, []),
        ("", []),
        ([], []),
        ({}, []),
        (3, [{"value": 3}]),
        ([{"a": None, "b": "", "c": []}], []),
    ],
)
def test_attempts_are_a_list_of_objects_whatever_they_were(value: object, expected: list[dict[str, Any]]) -> None:
    assert one({"externalid": 5, "attempts": value}).attempts == expected


def test_attempts_are_bounded() -> None:
    many = one({"externalid": 5, "attempts": [{"n": n} for n in range(150)]})
    assert len(many.attempts) == 100
    assert many.warnings
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": deep}
    big = one({"externalid": 5, "attempts": [{"t": "x" * 5000, "deep": deep, "wide": list(range(1, 500))}]})
    assert len(big.attempts[0]["t"]) == 2000
    assert len(json.dumps(big.attempts[0]["deep"])) < 100
    assert len(big.attempts[0]["wide"]) == 64


# --- bodies ---------------------------------------------------------------------------------------------------------


def test_russian_text_is_read_from_cp1251_in_json_forms_and_multipart() -> None:
    json_body = '{"externalid": 5, "dialstatus": "НЕТ ОТВЕТА"}'.encode("cp1251")
    form = b"externalid=5&dialstatus=" + quote("НЕТ ОТВЕТА".encode("cp1251")).encode()
    parts = multipart([("externalid", "5"), ("dialstatus", "STATUS")]).replace(b"STATUS", "НЕТ ОТВЕТА".encode("cp1251"))
    for body in (json_body, form, parts, "externalid=5&dialstatus=НЕТ ОТВЕТА".encode("cp1251")):
        assert one(body, None).dialstatus == "НЕТ ОТВЕТА"


def test_a_list_is_read_in_order_and_bad_entries_stand_alone() -> None:
    results = parse_results(json.dumps([{"externalid": 1}, 5, {"x": 1}, {"externalid": 2}]).encode(), None)
    assert [type(result) for result in results] == [CallResult, Unreadable, Unreadable, CallResult]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (500, 500), (1000, 1000), (30_000, 1001)])
def test_a_list_is_read_up_to_a_thousand(count: int, rows: int) -> None:
    results = parse_results(json.dumps([{"externalid": n + 1} for n in range(count)]).encode(), None)
    assert len(results) == rows
    if count > 1000:
        assert isinstance(results[-1], Unreadable)
        assert str(count) in results[-1].reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"\x00",
        b"hello",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"{}",
        b"[1, 2",
        b'{"externalid": 5',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"externalid":5,"attempts":' + b"[" * 100_000,
        b"\xff\xfe",
        b"\x1f\x8b",
        b"\x1f\x8b" + b"x" * 100,
        gzip.compress(b'{"externalid": 5}', mtime=0)[:-10],
        gzip.compress(b"[" + b" " * 3 * MAX_BODY + b"]", mtime=0),
        b" " * (MAX_BODY + 1),
        b"a=1",
        b"&" * 5000,
        b"a=1&" * 5000,
        b"--",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="externalid"\r\n\r\n17323456',
        b'--b\r\nContent-Disposition: form-data; name="externalid"\r\n\r\n17323456\r\n--b\r\n',
        b"\x80\x98\x00\xff" * 50,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "\udcff/х"],
)
def test_what_cannot_be_read_says_why(body: bytes, content_type: str | None) -> None:
    results = parse_results(body, content_type)
    assert all(isinstance(result, Unreadable) and result.reason for result in results)
    assert results


def test_the_reason_names_the_fault() -> None:
    assert "empty" in unreadable(b"").reason
    assert "deep" in unreadable(b"[" * 200_000).reason
    assert "gzip" in unreadable(b"\x1f\x8bxx").reason
    assert "unpacked" in unreadable(gzip.compress(b" " * 2 * MAX_BODY)).reason
    assert "cut off" in unreadable(b'--b\r\nContent-Disposition: form-data; name="externalid"\r\n\r\n17').reason
    assert "fields" in unreadable(b"a=1&" * 5000).reason


def test_a_number_of_5000_digits_spoils_only_its_field() -> None:
    result = one('{"externalid": 5, "id": ' + "9" * 5000 + ', "end_time": ' + "9" * 5000 + "}")
    assert result.extid == "5"
    assert result.call_ids == []
    assert result.end_time is None


def test_half_characters_and_nul_bytes_do_no_harm() -> None:
    result = one(
        '{"externalid": 5, "dialstatus": "\\ud800", "attempts": [{"\\ud801": "\\udfff"}], "record": "\\ud800"}'
    )
    result.digest()
    result.model_dump_json().encode()
    json.dumps(result.public(), ensure_ascii=False).encode()


fragments = st.sampled_from(
    [
        *(
            b'{"externalid":',
            b"5",
            b"}",
            b"[",
            b"]",
            b",",
            b'"id":',
            b"&",
            b"=",
            b"externalid=5",
            b"--b\r\n",
            b"\r\n\r\n",
        ),
        *(b"--b--", b'name="id[0]"', b"Content-Disposition: form-data; ", b"NaN", b"1e999", b"\\ud800", b'"', b"%ff"),
        *(b"%", b"[]", b"\xef\xbb\xbf", b"\x1f\x8b\x08"),
    ]
)
types = st.sampled_from(
    [None, "", "application/json", "multipart/form-data", "multipart/form-data; boundary=b", "text/plain"]
)


@given(
    st.binary(max_size=200) | st.lists(fragments | st.binary(max_size=4), max_size=30).map(b"".join),
    types | st.text(max_size=20),
)
@example(b'{"externalid":5,"attempts":"' + b"[" * 5000 + b'"}', None)
@example(b'{"externalid":5,"id":"[[[[', None)
def test_no_body_raises_and_every_body_gives_an_answer(body: bytes, content_type: str | None) -> None:
    results = parse_results(body, content_type)
    assert results
    for result in results:
        if isinstance(result, CallResult):
            json.dumps(result.public(), allow_nan=False, ensure_ascii=False).encode()
            assert len(result.digest()) == 32
            assert result.extid is None or result.extid.isdigit()
            assert result.extid is not None or result.warnings


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(
    st.fixed_dictionaries(
        {"externalid": json_values}, optional={name: json_values for name in FULL if name != "externalid"}
    )
)
def test_any_json_in_any_field_is_survived(obj: dict[str, Any]) -> None:
    result = one(obj)
    json.dumps(result.public(), allow_nan=False, ensure_ascii=False).encode()
    result.digest()
