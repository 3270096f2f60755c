from __future__ import annotations

import pickle
import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial_schemas import new_ids
from alodial_schemas.operator_codes import AS_OF, OPERATOR_CODES
from alodial_schemas.phones import PhoneError, any_phone, mask_numbers, mask_phone, normalise_phone, wire_phone

uzbek = st.integers(2 * 10**8, 10**9 - 1).map(str)


@pytest.mark.parametrize(
    "text",
    [
        "712037006",
        "998712037006",
        "+998712037006",
        "00998712037006",
        "+998 71 203-70-06",
        "+998 (71) 203.70.06",
        "(71) 203 70 06",
        "  712037006\n",
        "tel:+998712037006",
        "TEL:712037006",
        "٧١٢٠٣٧٠٠٦",
        "７１２０３７００６",
        "\uff0b998712037006",
        "\u202a+998712037006\u202c",
        "\u200f712037006",
        "71\u200b2037006",
        "712\xa0037\u2009006",
        "712\u2011037\u2212006",
        "\ufeff712037006",
        "[71] 2037006",
        "712037006.0",
        "998712037006.00",
        "998712037006,0",
        "9.98712037006E+11",
        "9,98712037006e11",
        "7.12037006E+8",
        "8 71 203 70 06",
        "8-71-203-70-06",
        "0712037006",
    ],
)
def test_one_person_has_one_key_however_the_number_is_written(text: str) -> None:
    assert normalise_phone(text) == "+998712037006"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "phone_missing"),
        ("   ", "phone_missing"),
        ("\u200b", "phone_missing"),
        ("abc", "phone_invalid"),
        ("1-800-FLOWERS", "phone_invalid"),
        ("8~10998712037006", "phone_invalid"),
        ("712037006;ext=5", "phone_invalid"),
        ("712037006 ext 5", "phone_comment"),
        ("712037006,712037007", "phone_invalid"),
        ("-712037006", "phone_invalid"),
        ("++998712037006", "phone_invalid"),
        ("998+712037006", "phone_invalid"),
        ("712037006+", "phone_invalid"),
        ("²³712037006", "phone_invalid"),
        ("7120\x0037006", "phone_invalid"),
        ("712037\n006", "phone_invalid"),
        ("012037006", "phone_invalid"),
        ("+998012037006", "phone_invalid"),
        ("112037006", "phone_invalid"),
        ("+998 10 123 45 67", "phone_invalid"),
        ("998101234567", "phone_invalid"),
        ("998-71-2037", "phone_short"),
        ("(998) 71 20 37", "phone_short"),
        ("99871-20-37", "phone_short"),
        ("0412037006", "phone_trunk"),
        ("+9987120370061", "phone_invalid"),
        ("9" * 65, "phone_invalid"),
        ("12345", "phone_short"),
        ("12345678", "phone_short"),
        ("+99871203700", "phone_short"),
        ("9.98901E+11", "phone_scientific"),
        ("9,98901E+11", "phone_scientific"),
        ("9.98901e11", "phone_scientific"),
        ("9E11", "phone_scientific"),
        ("998712037006.5", "phone_scientific"),
        ("9.9871203700E+11", "phone_scientific"),
        ("712037006 (мама)", "phone_comment"),
        ("712037006 Алишер ака", "phone_comment"),
        ("71203700О", "phone_letter"),
        ("7120370o6", "phone_letter"),
        ("712037006;", "phone_separator"),
        ("712037006,", "phone_separator"),
        ("712037006 / ", "phone_separator"),
        ("90123456.0", "phone_scientific"),
        ("7120370060.00", "phone_invalid"),
        *(
            (short, "phone_emergency")
            for short in ("01", "02", "03", "04", "050", "101", "102", "103", "104", "112", "1050")
        ),
        ("+112", "phone_emergency"),
        ("+998103", "phone_emergency"),
        ("1 0 3", "phone_emergency"),
        ("١٠٣", "phone_emergency"),
        ("00998112", "phone_emergency"),
        ("+79161234567", "phone_not_allowed"),
        ("+7998712037006", "phone_not_allowed"),
        ("+7 998 712-03-70", "phone_not_allowed"),
        ("+12025550123", "phone_not_allowed"),
        ("+8821012345678", "phone_not_allowed"),
    ],
)
def test_what_is_no_phone_is_refused_with_a_code_and_a_remedy(text: str, code: str) -> None:
    with pytest.raises(PhoneError) as caught:
        normalise_phone(text)
    assert caught.value.code == code
    assert caught.value.remedy
    assert caught.value.reason in str(caught.value)
    assert caught.value.remedy in str(caught.value)


def test_an_old_long_distance_prefix_is_a_question_where_other_countries_may_be_called() -> None:
    for allowed in ((), ("+998", "+7")):
        with pytest.raises(PhoneError, match="write the 9 digits after it") as caught:
            normalise_phone("8 90 123-45-67", allowed=allowed)
        assert caught.value.code == "phone_trunk"


def test_a_number_that_is_looked_up_is_of_any_country_or_spelled_as_calls_take_it() -> None:
    assert any_phone("8 90 123-45-67", ("+998",)) == "+998901234567"
    assert any_phone("+79161234567", ("+998",)) == "+79161234567"
    with pytest.raises(PhoneError, match="write the 9 digits after it"):
        any_phone("8 90 123-45-67", ("+998", "+7"))


def test_the_codes_of_operators_are_dated_data_and_an_unknown_one_is_no_mistake() -> None:
    assert re.fullmatch(r"20[0-9]{2}-[01][0-9]", AS_OF)
    assert {"20", "33", "50", "55", "61", "71", "90", "99"} <= OPERATOR_CODES
    assert normalise_phone("301234567") == "+998301234567"
    assert "30" not in OPERATOR_CODES


def test_the_remedy_for_a_rounded_number_speaks_of_excel() -> None:
    with pytest.raises(PhoneError, match="Excel"):
        normalise_phone("9.98901E+11")


@pytest.mark.parametrize("value", [712037006, None, b"712037006", 1.5, True, ["712037006"]])
def test_only_text_is_taken(value: object) -> None:
    with pytest.raises(PhoneError, match="text"):
        normalise_phone(value)  # type: ignore[arg-type]


@given(uzbek)
def test_every_plain_form_gives_the_same_key_and_is_stable(national: str) -> None:
    key = "+998" + national
    for form in (
        national,
        "998" + national,
        key,
        "00998" + national,
        f"+998 ({national[:2]}) {national[2:5]}-{national[5:]}",
    ):
        assert normalise_phone(form) == key
    assert normalise_phone(key, allowed=()) == key
    assert wire_phone(key) == national


@given(
    st.text(max_size=70) | st.text("+0123456789 ()-.;tel:eE٠١２", max_size=40),
    st.sampled_from([("+998",), (), ("+998", "+7")]),
)
def test_any_text_gives_a_stable_key_or_a_refusal_that_hides_the_number(text: str, allowed: tuple[str, ...]) -> None:
    refusal: PhoneError | None = None
    try:
        phone = normalise_phone(text, allowed=allowed)
    except PhoneError as exc:
        refusal = exc
    if refusal is not None:
        digits = "".join(ch for ch in text if ch.isdecimal())
        assert len(digits) < 9 or digits not in str(refusal)
        assert refusal.code.startswith("phone_")
        return
    assert phone[0] == "+"
    assert set(phone[1:]) <= set(string.digits)
    assert normalise_phone(phone, allowed=allowed) == phone
    assert not allowed or phone.startswith(allowed)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_number_abroad_is_stable_or_refused(text: str) -> None:
    try:
        phone = normalise_phone(text, allowed=())
    except PhoneError:
        return
    assert normalise_phone(phone, allowed=()) == phone
    assert normalise_phone(wire_phone(phone), allowed=()) == phone


def test_numbers_abroad_need_a_wider_allowlist() -> None:
    assert normalise_phone("+7 916 123-45-67", allowed=("+998", "+7")) == "+79161234567"
    assert normalise_phone("+44 (0)20 7946 0018", allowed=()) == "+442079460018"
    assert normalise_phone("0049 30 901820", allowed=()) == "+4930901820"


def test_a_narrow_allowlist_refuses_other_operators() -> None:
    assert normalise_phone("901234567", allowed=("+99890",)) == "+998901234567"
    with pytest.raises(PhoneError, match=r"allowed are \+99890"):
        normalise_phone("712037006", allowed=("+99890",))


@pytest.mark.parametrize(
    "text",
    [
        "+449098790000",
        "+8821012345678",
        "+881612345678",
        "+870776123456",
        "+979123456789",
        "+883510012345",
        "+448431234567",
    ],
)
def test_premium_satellite_and_shared_cost_numbers_are_refused_whatever_is_allowed(text: str) -> None:
    with pytest.raises(PhoneError) as caught:
        normalise_phone(text, allowed=())
    assert caught.value.code in {"phone_type", "phone_invalid"}


@pytest.mark.parametrize("unit", ["9", "+", " ", "(", "\u200f", "٧", "9.", "e", "tel:"])
def test_a_megabyte_is_refused_at_once(unit: str) -> None:
    huge = unit * (1_000_000 // len(unit))
    start = time.perf_counter()
    with pytest.raises(PhoneError):
        normalise_phone(huge)
    mask_phone(huge)
    assert mask_numbers(huge) is not None
    # Anything quadratic takes minutes here; a linear pass takes milliseconds even on a busy machine.
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+998901234567", "+99890***4567"),
        ("998901234567", "99890***4567"),
        ("901234567", "90***4567"),
        ("+998 90 123-45-67", "+99890***4567"),
        ("+79161234567", "+7916***4567"),
        ("112", "***"),
        ("", "***"),
        ("somebody", "***"),
        ("1" * 16, "***"),
        ("1" * 100, "***"),
    ],
)
def test_a_masked_number_shows_country_and_operator_only(text: str, masked: str) -> None:
    assert mask_phone(text) == masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12", "'12' has 2 national digits"),
        ("+998 12", "'+998 12' has 2 national digits"),
        ("12345678", "'12****78' has 8 national digits"),
        ("-12", "'-12' begins with a sign"),
        ("+99 12", "'+9912' does not begin with an allowed prefix"),
        ("1234567890123456", "'12************56' is not a number"),
        ("99412860", "'99****60' has 8 national digits"),
        ("+99899441286", "+9989***1286 has 8 national digits"),
    ],
)
def test_the_sender_of_a_number_that_is_too_short_sees_which_it_is_and_logs_do_not(text: str, shown: str) -> None:
    with pytest.raises(PhoneError) as caught:
        normalise_phone(text)
    assert str(caught.value).startswith(shown)
    assert text not in mask_phone(text)


def test_numbers_are_masked_within_a_text() -> None:
    text = "calling +998901234567 from 712037006, order 17, at 12:30"
    assert mask_numbers(text) == "calling +99890***4567 from 71***7006, order 17, at 12:30"
    assert mask_numbers("port 65535, 12345678") == "port 65535, 12345678"


def test_an_id_of_a_call_is_no_number() -> None:
    for _ in range(2_000):  # about sixty of them have nine digits in a row
        id, _extid = new_ids()
        assert mask_numbers(f"call {id} and event {id}-12") == f"call {id} and event {id}-12"
    looks_like_one = "01a209c3-28ca-700d-b47e-998901234567"
    assert mask_numbers(looks_like_one) == looks_like_one
    assert mask_numbers(looks_like_one + "8") != looks_like_one + "8"
    assert "998901234567" not in mask_numbers("00000000-0000-0000-0000-998901234567")


@pytest.mark.parametrize(
    "text",
    [
        "request 27f99890123456ea",  # as the middleware makes them
        "request f998901234567e1a",
        "3f1c2b4e-9d7a-4c1b-8f2e-998901234567",
        "trace 4bf92f998901234567a3ce929d0e0e47",
    ],
)
def test_other_ids_are_no_numbers(text: str) -> None:
    assert mask_numbers(text) == text


@pytest.mark.parametrize("text", ["abcd998901234567", "x998901234567", "id998901234567", "27f998901234567"])
def test_a_number_with_letters_beside_it_is_a_number(text: str) -> None:
    assert "901234567" not in mask_numbers(text)


@given(uzbek, st.text("abc ,:+/\n"), st.text("abc ,:+/\n"))
def test_no_planted_number_survives_the_scrubbing(national: str, before: str, after: str) -> None:
    assert national not in mask_numbers(f"{before}+998{national}{after}")
    assert national not in mask_numbers(f"{before}{national}{after}")


def test_a_phone_error_survives_a_pickle() -> None:
    with pytest.raises(PhoneError) as caught:
        normalise_phone("12345")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.code, copy.remedy) == (str(caught.value), "phone_short", caught.value.remedy)
