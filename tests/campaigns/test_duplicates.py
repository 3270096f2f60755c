"""Repeated keys are recognised exactly, for any number of keys and lists."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.importing.duplicates import DuplicateSet


@pytest.fixture
def seen() -> Iterator[DuplicateSet]:
    made = DuplicateSet()
    yield made
    made.close()


@given(st.lists(st.lists(st.integers(0, 40) | st.integers(0, 2**63 - 1), max_size=30), max_size=8))
def test_a_key_is_known_exactly_when_it_came_before(batches: list[list[int]]) -> None:
    seen = DuplicateSet()
    known: set[int] = set()
    for keys in batches:
        expected = []
        for key in keys:
            expected.append(key in known)
            known.add(key)
        assert seen.add_many(keys) == expected
    seen.close()


def test_a_key_twice_in_one_list_is_known_the_second_time(seen: DuplicateSet) -> None:
    assert seen.add_many([5, 5, 6, 5]) == [False, True, False, True]


def test_an_empty_list_repeats_nothing(seen: DuplicateSet) -> None:
    assert seen.add_many([]) == []


def test_the_longest_number_is_its_own_key(seen: DuplicateSet) -> None:
    longest = 10**15 - 1
    assert seen.add_many([longest, longest - 1, longest]) == [False, False, True]


def test_two_sets_are_independent(seen: DuplicateSet) -> None:
    seen.add_many([1])
    other = DuplicateSet()
    assert other.add_many([1]) == [False]
    other.close()


@pytest.mark.slow
def test_three_hundred_thousand_keys_in_any_order_are_told_apart(seen: DuplicateSet) -> None:
    keys = random.Random(1).sample(range(10**12), 300_000)
    assert not any(seen.add_many(keys))
    assert all(seen.add_many(keys[::-1]))
