from __future__ import annotations

import json
from email import message_from_bytes
from typing import Any

import pytest
from call_bodies import flatten, request_body
from hypothesis import given
from hypothesis import strategies as st

from alodial_schemas.alovoice.request import (
    FieldsError,
    encode_json,
    encode_multipart_brackets,
    encode_multipart_json,
    nest,
    read_request,
    wire_body,
)
from alodial_schemas.calls import InvalidCall, parse_call

EXTID = "123123"
TWO_WAY = {
    "callfrom": {"phone": "+998712037006", "lang": "ru"},
    "callto": [{"phone": "+998994412860"}, {"queue": "6000"}, {"phone": "+79161234567", "lang": "uz"}],
}
IVR = {"callto": "+998712037006", "ivrid": 222, "fromline": "+998712037006"}

phones = st.integers(2 * 10**8, 10**9 - 1).map(lambda n: f"+998{n}")
people = phones.map(lambda p: {"phone": p}) | st.tuples(phones, st.sampled_from(["ru", "uz", "en"])).map(
    lambda pair: {"phone": pair[0], "lang": pair[1]}
)
queues = st.from_regex("[0-9A-Za-z_.-]{1,32}", fullmatch=True).map(lambda q: {"queue": q})
two_ways = st.builds(
    lambda a, b: {"callfrom": a, "callto": b}, people, st.lists(people | queues, min_size=1, max_size=20)
)
ivrs = st.builds(lambda a, b, c: {"callto": a, "ivrid": b, "fromline": c}, phones, st.integers(1, 2**31 - 1), phones)
bodies = two_ways | ivrs
extids = st.integers(1, 10**15 - 1).map(str)


def parts(encoded: bytes, boundary: str) -> list[tuple[str, str]]:
    """The parts as the standard library's own reader sees them."""
    message = message_from_bytes(f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n".encode() + encoded)
    assert message.is_multipart()
    assert not message.defects
    found = []
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr] # it is a message
        found.append((str(name), part.get_payload(decode=True).decode()))  # type: ignore[union-attr]
    return found


def test_a_two_way_call_is_written_as_the_page_shows_it() -> None:
    assert wire_body(TWO_WAY, EXTID) == {
        "callfrom": {"phone": "712037006", "lang": "ru"},
        "callto": [{"phone": "994412860"}, {"queue": "6000"}, {"phone": "+79161234567", "lang": "uz"}],
        "extid": "123123",
    }


def test_an_ivr_call_is_written_as_the_page_shows_it() -> None:
    assert encode_json(IVR, EXTID) == b'{"callto":"712037006","ivrid":222,"fromline":712037006,"extid":"123123"}'


def test_a_line_abroad_keeps_its_plus() -> None:
    assert wire_body({**IVR, "fromline": "+79161234567"}, EXTID)["fromline"] == "+79161234567"


def test_bracket_names_stand_in_the_documented_order() -> None:
    assert flatten(wire_body(TWO_WAY, EXTID)) == [
        ("callfrom[phone]", "712037006"),
        ("callfrom[lang]", "ru"),
        ("callto[0][phone]", "994412860"),
        ("callto[1][queue]", "6000"),
        ("callto[2][phone]", "+79161234567"),
        ("callto[2][lang]", "uz"),
        ("extid", "123123"),
    ]


def test_a_multipart_body_is_written_to_the_byte() -> None:
    assert encode_multipart_brackets(
        {"callfrom": {"phone": "+998712037006"}, "callto": [{"queue": "1"}]}, "5", "b0"
    ) == (
        b'--b0\r\nContent-Disposition: form-data; name="callfrom[phone]"\r\n\r\n712037006\r\n'
        b'--b0\r\nContent-Disposition: form-data; name="callto[0][queue]"\r\n\r\n1\r\n'
        b'--b0\r\nContent-Disposition: form-data; name="extid"\r\n\r\n5\r\n'
        b"--b0--\r\n"
    )


def test_the_json_parts_hold_json_only_for_lists_and_objects() -> None:
    assert parts(encode_multipart_json(TWO_WAY, EXTID, "b0und"), "b0und") == [
        ("callfrom", '{"phone":"712037006","lang":"ru"}'),
        ("callto", '[{"phone":"994412860"},{"queue":"6000"},{"phone":"+79161234567","lang":"uz"}]'),
        ("extid", "123123"),
    ]
    assert parts(encode_multipart_json(IVR, EXTID, "b0und"), "b0und")[1] == ("ivrid", "222")


@given(bodies, extids)
def test_the_hand_written_encoder_writes_the_flattened_wire_body(body: dict[str, Any], extid: str) -> None:
    assert parts(encode_multipart_brackets(body, extid, "zZ9"), "zZ9") == flatten(wire_body(body, extid))


@given(bodies, extids)
def test_every_wire_form_is_read_back_as_the_same_call(body: dict[str, Any], extid: str) -> None:
    received = [
        nest(parts(encode_multipart_brackets(body, extid, "bbb+"), "bbb+")),
        nest(parts(encode_multipart_json(body, extid, "bbb+"), "bbb+")),
        json.loads(encode_json(body, extid)),
    ]
    for fields in received:
        call = parse_call(read_request(fields))
        assert call.extid == extid
        assert request_body(call) == body


@pytest.mark.parametrize("boundary", ["", "a b", 'a"b', "a\r\nb", "a" * 71, "é"])
def test_a_boundary_that_would_break_the_body_is_refused(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        encode_multipart_brackets(TWO_WAY, EXTID, boundary)


def test_a_value_cannot_forge_a_part() -> None:
    forged: dict[str, Any] = {
        "callfrom": {"phone": "+998712037006"},
        "callto": [{"queue": '1\r\n--b0\r\nContent-Disposition: form-data; name="x"'}],
    }
    for encode in (encode_multipart_brackets, encode_multipart_json):
        with pytest.raises(ValueError, match="boundary"):
            encode({**forged, "callto": [{"queue": "b0"}]}, EXTID, "b0")
    with pytest.raises(ValueError, match="boundary"):
        encode_multipart_brackets(forged, EXTID, "b0")
    # Without the boundary a line end is only a line end.
    assert parts(encode_multipart_brackets(forged, EXTID, "other"), "other")[1][1] == forged["callto"][0]["queue"]


# What express 5.3.0 with multer 2.5.0 answered to these fields.
MULTER = [
    ([("a", "1")], {"a": "1"}),
    ([("a", "1"), ("a", "2"), ("a", "3")], {"a": ["1", "2", "3"]}),
    ([("a[]", "1")], {"a": ["1"]}),
    ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
    ([("a", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
    ([("a[b]", "1"), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}),
    ([("a[0][p]", "1"), ("a[1][p]", "2")], {"a": [{"p": "1"}, {"p": "2"}]}),
    ([("a[1]", "x")], {"a": [None, "x"]}),
    ([("a[0]", "x"), ("a[b]", "y")], {"a": {"0": "x", "b": "y"}}),
    ([("a[b]", "x"), ("a[0]", "y")], {"a": {"0": "y", "b": "x"}}),
    ([("a", "1"), ("a[b]", "2")], {"a": {"": "1", "b": "2"}}),
    ([("a[b]", "1"), ("a", "2"), ("a", "3")], {"a": {"b": "1", "": ["2", "3"]}}),
    ([("[]a", "1"), ("[]a", "2")], {"[]a": ["1", "2"]}),
    ([("a[", "1")], {"a[": "1"}),
    ([("a[]b", "1")], {"a[]b": "1"}),
    ([("a[][b]", "1")], {"a[][b]": "1"}),
    ([("a[b[c]", "1")], {"a": {"b[c": "1"}}),
    ([("a[b]c", "1")], {"a[b]c": "1"}),
    ([("a[007]", "1")], {"a": [None] * 7 + ["1"]}),
    ([("a[0]", "1"), ("a[0]", "2")], {"a": [["1", "2"]]}),
    ([("a[0][b][]", "1"), ("a[0][b][]", "2")], {"a": [{"b": ["1", "2"]}]}),
    ([("a[-1]", "1")], {"a": {"-1": "1"}}),
    ([("[0]", "1")], {"[0]": "1"}),
    ([("", "1")], {"": "1"}),
    ([("a[2]", "1"), ("a[]", "2"), ("a[x]", "3")], {"a": {"2": "1", "3": "2", "x": "3"}}),
    ([("__proto__[x]", "1")], {"__proto__": {"x": "1"}}),
    ([("a[__proto__][x]", "1")], {"a": {"__proto__": {"x": "1"}}}),
    ([("constructor[prototype][x]", "1")], {"constructor": {"prototype": {"x": "1"}}}),
]


@pytest.mark.parametrize(("pairs", "expected"), MULTER)
def test_names_nest_as_multer_nests_them(pairs: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert nest(pairs) == expected


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([("a", "1")] * 2001, "fields"),
        ([("a" + "[b]" * 9, "1")], "deeper"),
        ([("a" + "[b]" * 100_000, "1")], "deeper"),
        ([("a[1001]", "1")], "index"),
        ([("a[" + "9" * 100_000 + "]", "1")], "index"),
        ([(f"a[{i}]" + "[1000]" * 7, "1") for i in range(1000)], "empty places"),
    ],
)
def test_a_form_beyond_the_bounds_is_refused(pairs: list[tuple[str, str]], word: str) -> None:
    with pytest.raises(FieldsError, match=word):
        nest(pairs)


def test_a_form_at_the_bounds_is_read() -> None:
    assert len(nest([(f"a{n}", "1") for n in range(2000)])) == 2000
    assert nest([("a" + "[b]" * 8, "1")])
    assert len(nest([("a[1000]", "1")])["a"]) == 1001


@given(st.lists(st.tuples(st.text("ab[]01_"), st.text(max_size=3)), max_size=20))
def test_hostile_names_nest_or_are_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        nested = nest(pairs)
    except FieldsError:
        return
    json.dumps(nested)


def test_the_drop_in_forms_are_read() -> None:
    expected = {
        "callfrom": {"phone": "+998712037006"},
        "callto": [{"phone": "+998994412860"}, {"phone": "+998977076909"}],
    }
    for fields in (
        {"callfrom": "712037006", "callto": ["994412860", "977076909"]},
        {"callfrom": '{"phone":"712037006"}', "callto": '["994412860","977076909"]'},
        {"callfrom": {"phone": "712037006", "lang": ""}, "callto": {"0": "994412860", "1": {"phone": "977076909"}}},
        {
            "callfrom": "712037006",
            "callto": [None, '{"phone":"994412860"}', {"phone": "977076909", "lang": ""}, ""],
            "extid": "",
        },
    ):
        assert request_body(parse_call(read_request(fields))) == expected


def test_one_recipient_as_an_object_is_a_list_of_one() -> None:
    call = parse_call(read_request({"callfrom": "712037006", "callto": {"queue": "6000"}}))
    assert request_body(call)["callto"] == [{"queue": "6000"}]


def test_recipients_keyed_by_index_keep_their_order() -> None:
    fields = {"callfrom": "712037006", "callto": {str(n): f"90000000{n % 10}" for n in (10, 2, 1)}}
    phones_in_order = [target["phone"] for target in request_body(parse_call(read_request(fields)))["callto"]]
    assert phones_in_order == ["+998900000001", "+998900000002", "+998900000000"]


@given(
    st.dictionaries(
        st.sampled_from(["callfrom", "callto", "ivrid", "fromline", "extid", "x"]),
        st.recursive(
            st.none() | st.text() | st.integers() | st.sampled_from(["[" * 100_000, '{"phone":', "[1]", '{"0":"1"}']),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_fields_end_as_a_call_or_a_call_error(fields: dict[str, Any]) -> None:
    body = read_request(fields)
    try:
        parse_call(body)
    except InvalidCall:
        return
