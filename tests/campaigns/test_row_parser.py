"""A row becomes a call, or a problem with its column, text and remedy."""

import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from file_harness import map_columns
from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.importing.files import SourceRow
from alodial.campaigns.importing.row_parser import MASK_128, RowParser, content_hash, phones_of_row, row_keys
from alodial.campaigns.row_codec import RowProblem, RowSpec, excerpt
from alodial.settings import Settings
from alodial_schemas.campaigns import parse_campaign
from alodial_schemas.errors import InvalidCampaign

TASHKENT = ZoneInfo("Asia/Tashkent")
FROM = {"kind": "two-way", "callfrom": "712037006"}
QUEUE = {"kind": "queue", "queue": "6000"}
IVR = {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}


def read(
    cells: dict[str, str],
    *,
    call: dict[str, Any] = FROM,
    policy: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    **settings: Any,
) -> RowSpec | RowProblem:
    request = parse_campaign(
        {"name": "t", "call": call, "policy": policy or {}, "metadata": metadata or {}}, allowed=()
    )
    rows = RowParser(map_columns(list(cells)), request, Settings(_env_file=None, **settings))
    return rows.parse(SourceRow(17, tuple(cells.values()), 0))


def good(cells: dict[str, str], **more: Any) -> RowSpec:
    parsed = read(cells, **more)
    assert isinstance(parsed, RowSpec), parsed
    return parsed


def bad(cells: dict[str, str], **more: Any) -> RowProblem:
    parsed = read(cells, **more)
    assert isinstance(parsed, RowProblem), parsed
    assert parsed.number == 17
    assert parsed.problem
    assert parsed.remedy
    assert parsed.cells == tuple(cells.values())
    return parsed


@pytest.mark.parametrize(
    "text",
    ["901234567", "998901234567", "+998901234567", " +998 (90) 123-45-67 ", "90 123 45 67", "tel:+998901234567",
     "00998901234567", "'+998901234567", "'901234567", "8 90 123 45 67", "998901234567.0", "9.98901234567E+11", "90-123-45-67"],
)  # fmt: skip
def test_a_phone_is_one_number_however_it_is_written(text: str) -> None:
    assert good({"Телефон": text}).to == ("+998901234567",)


@pytest.mark.parametrize("between", [",", ", ", ";", " / ", "\n", "|", "  ", " ::: "])
def test_several_phones_in_one_cell_are_rung_in_order(between: str) -> None:
    assert good({"Телефон": f"901234568{between}+998 90 123-45-67"}).to == ("+998901234568", "+998901234567")


def test_phones_of_several_columns_are_rung_in_order_and_once() -> None:
    spec = good({"phone2": "901234568", "phone": "901234567", "phone3": "998901234567; 901234569"})
    assert spec.to == ("+998901234567", "+998901234568", "+998901234569")


def test_an_empty_second_column_is_no_problem() -> None:
    assert good({"phone": "901234567", "phone2": "  "}).to == ("+998901234567",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "phone_missing"),
        ("   ", "phone_missing"),
        ("9.98901E+11", "phone_scientific"),
        ("9,98901E+11", "phone_scientific"),
        ("901234567; 9.98901E+11", "phone_scientific"),
        ("9012345", "phone_short"),
        ("112", "phone_emergency"),
        ("=A1&A2", "formula"),
        ("@SUM(A1)", "formula"),
        ("нет", "phone_invalid"),
        ("+77012345678", "phone_not_allowed"),
        ("901234567, нет", "phone_invalid"),
        ("9" * 60_000, "phone_invalid"),
        ("901234567;", "phone_separator"),
        ("901234567 (мама)", "phone_comment"),
        ("90123456О", "phone_letter"),
        ("998-90-1234", "phone_short"),
        ("101234567", "phone_invalid"),
        ("901234567," * 6_000, "phone_invalid"),
        (",".join(f"9012345{n}" for n in range(10, 31)), "too_many_phones"),
    ],
)
def test_a_cell_that_is_not_a_phone_is_reported_with_its_column(text: str, code: str) -> None:
    problem = bad({"Имя": "Али", "Телефон": text})
    assert (problem.column, problem.code) == ("Телефон", code)
    assert len(problem.value) <= 41


@pytest.mark.parametrize("call", [QUEUE, IVR])
def test_only_a_two_way_call_rings_several_phones(call: dict[str, Any]) -> None:
    assert bad({"phone": "901234567, 901234568"}, call=call).code == "one_phone_only"


def test_a_queue_is_a_recipient_too_when_phones_are_counted() -> None:
    phones = ",".join(f"9012345{n}" for n in range(10, 30))
    assert bad({"phone": phones, "queue": "6000"}).code == "too_many_phones"
    assert len(good({"phone": phones, "queue": ""}).to) == 20


def test_the_campaigns_prefixes_narrow_those_of_the_installation() -> None:
    policy = {"allowed_prefixes": ["+99890"]}
    assert good({"phone": "901234567"}, policy=policy).to == ("+998901234567",)
    assert bad({"phone": "931234567"}, policy=policy).code == "phone_not_allowed"


def test_a_rows_initiator_is_held_to_the_prefixes_unless_it_is_our_own() -> None:
    policy = {"allowed_prefixes": ["+99890"]}
    cells = {"phone": "901234567", "initiator": "712037006"}
    problem = bad(cells, policy=policy)
    assert (problem.column, problem.code) == ("initiator", "phone_not_allowed")
    assert good(cells, policy=policy, own_numbers="+998712037006").initiator == "+998712037006"


def test_a_row_may_give_its_initiator_or_leave_it_to_the_campaign() -> None:
    assert good({"phone": "901234567", "initiator": "712037007"}).initiator == "+998712037007"
    assert good({"phone": "901234567", "initiator": ""}).initiator is None


@pytest.mark.parametrize("cells", [{"phone": "901234567"}, {"phone": "901234567", "initiator": " "}])
def test_a_row_without_any_initiator_cannot_be_called(cells: dict[str, str]) -> None:
    assert bad(cells, call={"kind": "two-way"}).code == "initiator_missing"


@pytest.mark.parametrize(
    ("text", "lang"), [("ru", "ru"), ("RU", "ru"), ("Русский", "ru"), ("o'zbek", "uz"), ("English", "en"), ("", None)]
)
def test_a_language_is_known_by_its_name(text: str, lang: str | None) -> None:
    assert good({"phone": "901234567", "lang": text}).lang == lang


def test_invisible_characters_of_a_cell_are_left_out() -> None:
    row = good({"phone": "901234567", "reference": "\u202aorder-1\u202c\ufeff", "metadata:city": "Tash\u200bkent"})
    assert (row.reference, row.metadata) == ("order-1", {"city": "Tashkent"})


@pytest.mark.parametrize(
    ("column", "text", "call", "code"),
    [
        ("lang", "нет такого", FROM, "bad_lang"),
        ("lang", "ru", IVR, "lang_of_ivr"),
        ("queue", "6000", IVR, "queue_of_ivr"),
        ("queue", "приём", FROM, "bad_queue"),
        ("queue", 'x"}', FROM, "bad_queue"),
        ("reference", "x" * 129, FROM, "bad_reference"),
        ("reference", "a\nb", FROM, "bad_reference"),
        ("reference", "=1+1", FROM, "formula"),
        ("initiator", "нет", FROM, "phone_invalid"),
        ("expires_at", "завтра", FROM, "bad_time"),
        ("expires_at", "01.01.1970", FROM, "bad_time"),
        ("expires_at", "0001-01-01T00:00:00+14:00", FROM, "bad_time"),
        ("expires_at", "9999-12-31T23:59:59-14:00", FROM, "bad_time"),
        ("metadata:note", "x" * 257, FROM, "bad_metadata"),
        ("metadata:note", "a\x07b", FROM, "bad_metadata"),
    ],
)
def test_an_unusable_cell_is_reported_with_its_column(column: str, text: str, call: dict[str, Any], code: str) -> None:
    problem = bad({"phone": "901234567", column: text}, call=call)
    assert (problem.column, problem.code) == (column, code)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=TASHKENT)),
        ("31.01.2027", datetime(2027, 1, 31, 23, 59, 59, tzinfo=TASHKENT)),
        ("31/01/2027", datetime(2027, 1, 31, 23, 59, 59, tzinfo=TASHKENT)),
        ("31.01.2027 18:00", datetime(2027, 1, 31, 18, 0, tzinfo=TASHKENT)),
        ("2027-01-31T18:00:00", datetime(2027, 1, 31, 18, 0, tzinfo=TASHKENT)),
        ("2027-01-31T13:00:00Z", datetime(2027, 1, 31, 18, 0, tzinfo=TASHKENT)),
        ("46418", datetime(2027, 1, 31, 23, 59, 59, tzinfo=TASHKENT)),
        ("46418.75", datetime(2027, 1, 31, 18, 0, tzinfo=TASHKENT)),
    ],
)
def test_a_time_is_read_by_the_installations_clock_and_a_day_to_its_end(text: str, moment: datetime) -> None:
    assert good({"phone": "901234567", "expires_at": text}).expires_at == int(moment.timestamp() * 1000)


def test_metadata_is_taken_under_its_name_and_empty_cells_are_not() -> None:
    spec = good({"phone": "901234567", "metadata:debt": "'=5", "metadata:note": " "})
    assert spec.metadata == {"debt": "=5"}


def test_a_row_has_sixteen_entries_of_metadata_at_most_including_the_campaigns() -> None:
    cells = {"phone": "901234567", **{f"metadata:k{n}": "v" for n in range(16)}}
    assert len(good(cells).metadata) == 16
    assert len(good(cells, metadata={"k1": "replaced"}).metadata) == 16
    assert bad(cells, metadata={"other": "v"}).code == "too_much_metadata"


def test_a_line_break_in_a_columns_name_does_not_reach_the_metadata() -> None:
    assert good({"phone": "901234567", "metadata:a\nb": "v"}).metadata == {"a b": "v"}


def test_hours_by_the_number_give_the_row_its_zones() -> None:
    policy = {"hours": {"windows": "09:00-18:00", "timezone": "number"}}
    zones = good({"phone": "901234567"}, policy=policy).zone.split("|")
    assert zones == sorted(zones)
    assert "Asia/Tashkent" in zones


def test_hours_by_the_number_without_the_tables_of_zones_are_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers.tzdata", None)
    with pytest.raises(InvalidCampaign) as refused:
        read({"phone": "901234567"}, policy={"hours": {"windows": "09:00-18:00", "timezone": "number"}})
    [problem] = refused.value.problems
    assert (problem.field, problem.code) == ("policy.hours.timezone", "zones_missing")
    assert "pip install 'alodial[zones]'" in problem.remedy
    assert good({"phone": "901234567"}, policy={"hours": {"windows": "09:00-18:00"}}).zone == ""


def test_a_problem_shows_forty_printable_characters_of_a_cell() -> None:
    assert excerpt("ab\x1b[2Jc") == "ab?[2Jc"
    assert excerpt("x" * 40) == "x" * 40
    assert excerpt("x" * 41) == "x" * 40 + "…"


@given(st.lists(st.text(max_size=40), min_size=6, max_size=6), st.sampled_from([FROM, QUEUE, IVR, {"kind": "two-way"}]))
def test_any_cells_are_a_row_or_a_problem(texts: list[str], call: dict[str, Any]) -> None:
    names = ["phone", "lang", "queue", "reference", "expires_at", "metadata:note"]
    parsed = read(dict(zip(names, texts, strict=True)), call=call)
    assert isinstance(parsed, (RowSpec, RowProblem))


PHONES = st.lists(st.integers(100_000_000, 999_999_999).map("+998{}".format), min_size=1, max_size=3).map(tuple)
SPECS = st.builds(
    RowSpec,
    to=PHONES,
    lang=st.none() | st.sampled_from(["ru", "uz"]),
    initiator=st.none(),
    queue=st.none() | st.just("6000"),
    reference=st.none() | st.sampled_from(["a", "b"]),
    expires_at=st.none() | st.integers(1, 3),
    metadata=st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    zone=st.just(""),
)


def summed(specs: list[RowSpec]) -> int:
    return sum(map(content_hash, specs)) & MASK_128


@given(st.lists(SPECS, max_size=8), st.randoms())
def test_a_files_fingerprint_does_not_depend_on_the_order_of_its_rows(specs: list[RowSpec], chance: Any) -> None:
    mixed = list(specs)
    chance.shuffle(mixed)
    assert summed(mixed) == summed(specs)


@given(SPECS, SPECS)
def test_rows_have_the_same_fingerprint_exactly_when_they_say_the_same(spec_one: RowSpec, other: RowSpec) -> None:
    assert (content_hash(spec_one) == content_hash(other)) == (spec_one == other)


def test_a_row_twice_is_not_the_same_as_no_row() -> None:
    spec = RowSpec(("+998901234567",))
    assert len({summed([]), summed([spec]), summed([spec, spec])}) == 3


def test_rows_are_duplicates_by_every_number_that_they_may_ring() -> None:
    spec = RowSpec(("+998901234567", "+998901234568"), initiator="+998712037006")
    assert row_keys(spec) == (998901234567, 998901234568)


def test_a_row_rings_its_recipients_and_its_own_initiator() -> None:
    assert phones_of_row(RowSpec(("+1", "+2"), initiator="+3")) == ("+1", "+2", "+3")
    assert phones_of_row(RowSpec(("+1", "+2"))) == ("+1", "+2")
