from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial_schemas.dispositions import DIALSTATUSES, Disposition, disposition_of


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ANSWER", "answered"),
        ("ANSWERED", "answered"),
        ("answered", "answered"),
        ("BUSY", "busy"),
        ("Busy ", "busy"),
        ("NOANSWER", "no_answer"),
        ("NO ANSWER", "no_answer"),
        ("NO_ANSWER", "no_answer"),
        ("no-answer", "no_answer"),
        ("CANCEL", "canceled"),
        ("CANCELED", "canceled"),
        ("CANCELLED", "canceled"),
        ("CONGESTION", "congestion"),
        ("CHANUNAVAIL", "unavailable"),
        ("DONTCALL", "rejected"),
        ("TORTURE", "rejected"),
        ("INVALIDARGS", "rejected"),
    ],
)
def test_a_dialstatus_is_translated_whatever_its_spelling(word: str, expected: str) -> None:
    assert disposition_of(word) == expected


@pytest.mark.parametrize(
    "value", [None, 1, True, [], {}, "", "VOICEMAIL", "ANSWER!", "B" * 1_000_000, b"BUSY", "=cmd()"]
)
def test_anything_else_is_unknown(value: object) -> None:
    assert disposition_of(value) is Disposition.UNKNOWN


@given(st.text())
def test_no_text_trips_it(word: str) -> None:
    assert disposition_of(word) in Disposition


@given(st.sampled_from(sorted(DIALSTATUSES)), st.data())
def test_case_and_separators_do_not_matter(word: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([ch, ch.lower()])) + data.draw(st.sampled_from(["", " ", "_", "-"])) for ch in word
    )
    assert disposition_of(spelled) is DIALSTATUSES[word]
