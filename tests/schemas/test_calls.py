from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from call_bodies import bodies, request_body
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from alodial_schemas.calls import (
    IvrCall,
    Phone,
    Queue,
    RedialPolicy,
    TwoWayCall,
    body_json,
    parse_call,
    request_from_body,
)
from alodial_schemas.errors import AlodialError, FieldProblem, InvalidCall

TWO_WAY: dict[str, Any] = {
    "callfrom": {"phone": "712037006", "lang": "ru"},
    "callto": [{"phone": "994412860", "lang": "uz"}, {"queue": "6000"}],
}
IVR: dict[str, Any] = {"callto": "712037006", "ivrid": 222, "fromline": 712037006}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def problems(body: object) -> list[FieldProblem]:
    with pytest.raises(InvalidCall) as caught:
        parse_call(body)
    assert caught.value.problems
    return caught.value.problems


def problem(body: object) -> FieldProblem:
    return problems(body)[0]


def test_the_contracts_examples_are_read() -> None:
    two_way = parse_call(TWO_WAY)
    assert isinstance(two_way, TwoWayCall)
    assert two_way.callfrom == Phone(phone="+998712037006", lang="ru")
    assert two_way.callto == (Phone(phone="+998994412860", lang="uz"), Queue(queue="6000"))
    ivr = parse_call(IVR)
    assert isinstance(ivr, IvrCall)
    assert (ivr.callto, ivr.ivrid, ivr.fromline) == ("+998712037006", 222, "+998712037006")


def test_recipients_may_be_texts_ints_objects_and_models_side_by_side() -> None:
    call = TwoWayCall(
        callfrom=712037006,
        callto=[
            "994412860",
            977076909,
            {"phone": "914379766", "lang": "ru"},
            {"queue": 1},
            Phone(phone="901234567"),
            Queue(queue="6000"),
        ],
    )
    assert [str(request) for request in request_body(call)["callto"]] == [
        "{'phone': '+998994412860'}",
        "{'phone': '+998977076909'}",
        "{'phone': '+998914379766', 'lang': 'ru'}",
        "{'queue': '1'}",
        "{'phone': '+998901234567'}",
        "{'queue': '6000'}",
    ]


def test_one_recipient_needs_no_list() -> None:
    assert TwoWayCall(callfrom="712037006", callto="994412860").callto == (Phone(phone="994412860"),)


def test_a_call_has_the_contracts_defaults() -> None:
    call = TwoWayCall(callfrom="712037006", callto=["994412860"])
    assert (call.priority, call.account, call.on_unconfirmed, call.extid, call.metadata) == (
        "normal",
        "default",
        "wait",
        None,
        {},
    )


def test_a_call_cannot_be_changed() -> None:
    call = TwoWayCall(callfrom="712037006", callto=["994412860"])
    with pytest.raises(ValidationError):
        call.priority = "urgent"  # type: ignore[misc] # that is the point


@pytest.mark.parametrize("fast", ["712037006", 712037006, {"phone": "712037006"}, "+998 71 203 70 06"])
def test_phones_made_on_the_fast_path_equal_the_others(fast: Any) -> None:
    made = TwoWayCall(callfrom=fast, callto=[fast])
    plain = Phone.model_validate({"phone": "+998712037006", "lang": None})
    assert made.callfrom == plain
    assert made.model_dump() == TwoWayCall(callfrom=plain, callto=[plain]).model_dump()
    assert Phone.model_validate_json(made.callfrom.model_dump_json()) == made.callfrom
    assert hash(made.callfrom) == hash(plain)
    assert made.callfrom.model_copy() == plain
    assert repr(made.callfrom) == repr(plain)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"callfrom": "12345"}, "callfrom.phone", "phone_short"),
        ({"callfrom": {"phone": "9.98E+11"}}, "callfrom.phone", "phone_scientific"),
        ({"callfrom": -712037006}, "callfrom.phone", "not_text"),
        ({"callfrom": True}, "callfrom.phone", "not_text"),
        ({"callfrom": 10**5000}, "callfrom.phone", "not_text"),
        ({"callfrom": None}, "callfrom", "invalid"),
        ({"callfrom": [1]}, "callfrom", "invalid"),
        ({"callfrom": {}}, "callfrom.phone", "missing"),
        ({"callfrom": {"phone": "712037006", "lang": "russian language"}}, "callfrom.lang", "bad_text"),
        ({"callto": []}, "callto", "too_few"),
        ({"callto": ["712037006"] * 21}, "callto", "too_many"),
        ({"callto": {"phone": "712037006"}}, "callto", "not_a_list"),
        ({"callto": ["712037006", "103"]}, "callto.1.phone", "phone_emergency"),
        ({"callto": [{"phone": "+79161234567"}]}, "callto.0.phone", "phone_not_allowed"),
        ({"callto": [{"queue": "a b"}]}, "callto.0.queue", "bad_text"),
        ({"callto": [{"queue": ""}]}, "callto.0.queue", "bad_text"),
        ({"callto": [{"queue": True}]}, "callto.0.queue", "not_text"),
        ({"callto": [None]}, "callto.0", "invalid"),
        ({"callto": [{"phone": "712037006", "queue": "1"}]}, "callto.0.queue", "unknown_field"),
        ({"extid": "0123"}, "extid", "bad_text"),
        ({"extid": "1234567890123456"}, "extid", "bad_text"),
        ({"extid": 0}, "extid", "bad_text"),
        ({"extid": "12\n"}, "extid", "bad_text"),
        ({"extid": "١٢"}, "extid", "bad_text"),
        ({"extid": True}, "extid", "not_text"),
        ({"extid": 1.5}, "extid", "not_text"),
        ({"reference": "x" * 129}, "reference", "too_long"),
        ({"reference": "a\r\nb"}, "reference", "bad_text"),
        ({"reference": "a\x00"}, "reference", "bad_text"),
        ({"reference": "\u2028"}, "reference", "bad_text"),
        ({"reference": "invoice\u202efdp.exe"}, "reference", "bad_text"),
        ({"reference": "order-1\u200b"}, "reference", "bad_text"),
        ({"metadata": {"city": "\u2066x\u2069"}}, "metadata.city", "bad_text"),
        ({"reference": "\ud800"}, "reference", "bad_text"),
        ({"reference": 17}, "reference", "not_text"),
        ({"not_before": "2026-01-02T09:00:00"}, "not_before", "zone_missing"),
        ({"not_before": datetime(2026, 1, 2)}, "not_before", "zone_missing"),  # noqa: DTZ001 - naive on purpose
        ({"not_before": 1767323045}, "not_before", "not_a_time"),
        ({"not_before": "1767323045"}, "not_before", "not_a_time"),
        ({"not_before": "tomorrow"}, "not_before", "not_a_time"),
        ({"not_before": "0001-01-01T00:00:00+05:00"}, "not_before", "not_a_time"),
        ({"expires_at": NOON, "not_before": NOON}, "expires_at", "expires_too_early"),
        ({"priority": "high"}, "priority", "not_a_choice"),
        ({"on_unconfirmed": "again"}, "on_unconfirmed", "not_a_choice"),
        ({"account": "Default"}, "account", "bad_text"),
        ({"account": "-a"}, "account", "bad_text"),
        ({"account": "a" * 33}, "account", "bad_text"),
        ({"metadata": {"a": 1}}, "metadata.a", "not_text"),
        ({"metadata": {"a": "x" * 257}}, "metadata.a", "too_long"),
        ({"metadata": {"": "x"}}, "metadata.", "too_short"),
        ({"metadata": {"k" * 65: "x"}}, "metadata." + "k" * 64, "too_long"),
        ({"metadata": {"a\nb": "x"}}, "metadata.a?b", "bad_text"),
        ({"metadata": {"a": "\udfff"}}, "metadata.a", "bad_text"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "too_many"),
        ({"redial": {"max_attempts": 1, "delays": {}}}, "redial.max_attempts", "invalid"),
        ({"redial": {"max_attempts": 3, "delays": {"answered": [1]}}}, "redial.delays.answered", "redial_answered"),
        ({"redial": {"max_attempts": 3, "delays": {"asleep": [1]}}}, "redial.delays.asleep", "not_a_choice"),
        ({"redial": {"max_attempts": 3, "delays": {"busy": []}}}, "redial.delays.busy", "too_few"),
        ({"redial": {"max_attempts": 3, "delays": {"busy": [0]}}}, "redial.delays.busy.0", "invalid"),
        ({"redial": {"max_attempts": 3, "delays": {"busy": [604801]}}}, "redial.delays.busy.0", "invalid"),
        ({"redial": {"max_attempts": 3, "delays": {"busy": [1] * 10}}}, "redial.delays.busy", "too_many"),
    ],
)
def test_each_bad_field_is_named_with_a_code_and_a_remedy(change: dict[str, Any], field: str, code: str) -> None:
    found = problem({**TWO_WAY, **change})
    assert (found.field, found.code) == (field, code)
    assert found.problem
    assert found.remedy
    assert found.remedy != "see the documentation"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"ivrid": 0}, "ivrid", "invalid"),
        ({"ivrid": 2**31}, "ivrid", "invalid"),
        ({"ivrid": "menu"}, "ivrid", "not_a_number"),
        ({"ivrid": 1.5}, "ivrid", "not_a_number"),
        ({"fromline": "12"}, "fromline", "phone_short"),
        ({"callto": ["712037006"]}, "callto", "not_text"),
        ({"callto": "+79161234567"}, "callto", "phone_not_allowed"),
        ({"callfrom": "712037006"}, "callfrom", "unknown_field"),
    ],
)
def test_each_bad_field_of_an_ivr_call_is_named(change: dict[str, Any], field: str, code: str) -> None:
    found = problem({**IVR, **change})
    assert (found.field, found.code) == (field, code)
    assert found.remedy


def test_the_kind_is_told_by_the_fields() -> None:
    assert problem({"callto": "712037006"}).field == "ivrid"
    assert problem({"ivrid": 5}).field == "callto"
    assert problem({"callto": ["712037006"]}).field == "callfrom"
    assert problem({}).field == "callfrom"


def test_digit_texts_are_taken_for_ivrid_and_fromline() -> None:
    call = parse_call({"callto": 712037006, "ivrid": "222", "fromline": "712037006"})
    assert request_body(call) == {"callto": "+998712037006", "ivrid": 222, "fromline": "+998712037006"}


def test_the_line_is_not_subject_to_the_allowlist() -> None:
    call = parse_call({**IVR, "fromline": "+79161234567"})
    assert isinstance(call, IvrCall)
    assert call.fromline == "+79161234567"


@pytest.mark.parametrize("body", [None, [], "text", 5, b"{}"])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert problem(body).code == "not_an_object"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("expire_at", "expires_at"),
        ("ext_id", "extid"),
        ("Priority", "priority"),
        ("from_line", "fromline"),
        ("call_from", "callfrom"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(name: str, meant: str) -> None:
    found = problem({**TWO_WAY, name: "1"})
    assert (found.field, found.code) == (name, "unknown_field")
    assert meant in found.remedy


def test_an_unknown_field_of_a_phone_is_named_too() -> None:
    found = problem({**TWO_WAY, "callto": [{"phone": "712037006", "language": "ru"}]})
    assert (found.field, found.code) == ("callto.0.language", "unknown_field")
    assert "lang" in found.remedy


def test_fields_named_like_our_own_marks_are_unknown_fields() -> None:
    assert {"[key]", "callto.0.<phone>"} <= {
        found.field for found in problems({**TWO_WAY, "[key]": 1, "callto": [{"phone": "1", "<phone>": 1}]})
    }
    numbered: dict[Any, Any] = {**TWO_WAY, 1: 2}
    assert problem(numbered).field == "1"


def test_the_models_have_a_json_schema_and_survive_json() -> None:
    call = parse_call(
        {**TWO_WAY, "not_before": NOON, "metadata": {"a": "b"}, "redial": {"max_attempts": 2, "delays": {"busy": [5]}}}
    )
    assert TwoWayCall.model_validate_json(call.model_dump_json()) == call
    for model in (TwoWayCall, IvrCall):
        assert model.model_json_schema()["additionalProperties"] is False


def test_no_number_is_repeated_in_an_error() -> None:
    bodies = [
        {"callfrom": "+79161234567", "callto": ["+79161234567"]},
        {"callfrom": {"phone": "712037006", "79161234567": 1}, "callto": ["712037006x"], "79161234567": "79161234567"},
        {**TWO_WAY, "metadata": {"79161234567": 1}},
        {**TWO_WAY, "extid": "79161234567a"},
    ]
    for body in bodies:
        with pytest.raises(InvalidCall) as caught:
            parse_call(body)
        assert "79161234567" not in str(caught.value)
        assert "712037006x" not in str(caught.value)
    with pytest.raises(InvalidCall) as direct:
        TwoWayCall(callfrom="71203700699", callto=["79161234567123456"])
    assert "71203700699" not in str(direct.value)
    assert "79161234567123456" not in str(direct.value)


def test_an_error_names_every_field_and_stops_at_fifty() -> None:
    with pytest.raises(InvalidCall) as caught:
        parse_call({**TWO_WAY, "callfrom": "1", "priority": "x", **{f"field{n}": 1 for n in range(1000)}})
    assert {"callfrom.phone", "priority"} <= {found.field for found in caught.value.problems}
    assert len(caught.value.problems) == 50


def test_a_forged_field_name_cannot_forge_a_log_line() -> None:
    found = problem({**TWO_WAY, "a\nb\x1b[31m\u2028" + "x" * 10_000: 1})
    assert found.field.isprintable()
    assert len(found.field) <= 64


def test_times_are_kept_in_utc() -> None:
    call = parse_call(
        {
            **TWO_WAY,
            "not_before": "2026-01-02T09:00:00+05:00",
            "expires_at": NOON.astimezone(timezone(timedelta(hours=5))),
        }
    )
    assert call.not_before == datetime(2026, 1, 2, 4, tzinfo=UTC)
    assert call.not_before.tzinfo is UTC
    assert call.expires_at == NOON


def test_the_allowlist_reaches_every_phone() -> None:
    wide = ("+998", "+7")
    body = {"callfrom": "+79161234567", "callto": ["+79161234567", {"phone": "+79161234567"}, Queue(queue="1")]}
    assert parse_call(body, allowed=wide)
    assert parse_call({**IVR, "callto": "+79161234567"}, allowed=wide)
    made = parse_call(body, allowed=())
    assert isinstance(made, TwoWayCall)
    # A Phone that was made under wider rules is checked again.
    assert problem({"callfrom": made.callfrom, "callto": ["712037006"]}).code == "phone_not_allowed"
    assert problem({"callfrom": "712037006", "callto": [made.callfrom]}).field == "callto.0.phone"


def test_a_constructor_knows_no_settings_and_leaves_the_allowlist_to_enqueue() -> None:
    assert Phone(phone="+79161234567").phone == "+79161234567"
    assert TwoWayCall(callfrom="712037006", callto=["+79161234567"])


def test_a_list_whose_one_entry_is_bad_is_not_called_empty_besides() -> None:
    with pytest.raises(InvalidCall) as caught:
        parse_call({"callfrom": {"phone": "712037006"}, "callto": [{"phone": "12"}]})
    assert [problem.field for problem in caught.value.problems] == ["callto.0.phone"]


@pytest.mark.parametrize(
    ("make", "field", "code"),
    [
        (lambda: Phone(phone="12"), "phone", "phone_short"),
        (lambda: Queue(queue="a b"), "queue", "bad_text"),
        (lambda: RedialPolicy(max_attempts=1, delays={"busy": [60]}), "max_attempts", "invalid"),
    ],
)
def test_the_parts_of_a_call_raise_the_same_error(make: Callable[[], object], field: str, code: str) -> None:
    with pytest.raises(AlodialError) as caught:
        make()
    assert isinstance(caught.value, InvalidCall)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == [(field, code)]


def test_an_unknown_field_of_a_phone_is_answered_with_the_fields_of_a_phone() -> None:
    with pytest.raises(InvalidCall) as caught:
        Phone(phone="712037006", langg="ru")  # type: ignore[call-arg] # that is the point
    assert [problem.remedy for problem in caught.value.problems] == ["did you mean lang?"]


def test_an_invalid_call_can_be_pickled() -> None:
    with pytest.raises(InvalidCall) as caught:
        TwoWayCall(callfrom="1", callto=[])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.problems, str(again)) == (caught.value.problems, str(caught.value))


@given(bodies)
def test_a_canonical_body_survives_the_round_trip(body: dict[str, Any]) -> None:
    call = parse_call(body)
    assert request_body(call) == body
    text = body_json(call)
    assert text == json.dumps(request_body(call), separators=(",", ":"))
    assert request_from_body(text) == body
    assert parse_call(request_from_body(text)) == call


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [*TwoWayCall.model_fields, "ivrid", "fromline", "phone"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "[key]", "<phone>"]) | st.text(max_size=6), json_values, max_size=8))
@example({"[key]": None})
def test_any_object_is_a_call_or_a_named_problem(body: dict[str, Any]) -> None:
    try:
        parse_call(body)
    except InvalidCall as exc:
        text, named = str(exc), exc.problems
    else:
        return
    assert text.isprintable()
    assert named
    assert all(problem.code and problem.problem and problem.remedy for problem in named)
