"""Packed records and events come back as the very texts they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial.archive.packing import packed, packed_event, subject_key, subject_of, unpacked, unpacked_event
from alodial_schemas import new_ids

ids = st.one_of(st.uuids().map(str), st.text(max_size=20), st.builds(lambda: new_ids()[0]))


@given(st.text())
def test_a_packed_text_comes_back(text: str) -> None:
    assert unpacked(packed(text)) == text


@given(ids, st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",))), max_size=5))
def test_a_packed_event_comes_back_whatever_its_subject_is(subject: str, parts: list[str]) -> None:
    event = subject.join(['{"id":"', *parts, '"}'])
    if "\x01" not in event:
        assert unpacked_event(packed_event(event, subject), subject_key(subject)) == event


@given(ids, ids)
def test_the_key_of_a_subject_is_its_own(one_id: str, other: str) -> None:
    assert subject_of(subject_key(one_id)) == one_id
    assert (subject_key(one_id) == subject_key(other)) == (one_id == other)


def test_a_damaged_text_is_refused() -> None:
    for damaged in (packed("a text of some length")[:-6], packed("a text")[:3] + b"\xff" * 9):
        with pytest.raises(ValueError, match="damaged"):
            unpacked(damaged)
    with pytest.raises(ValueError, match="cannot read"):
        unpacked(b'{"id":"1"}')
