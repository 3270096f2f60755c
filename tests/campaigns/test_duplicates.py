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


def known(seen: DuplicateSet, keys: list[int]) -> list[bool]:
    """For each key as a row of its own whether it came before."""
    return [shared is not None for shared in seen.add_rows([(key,) for key in keys])]


KEYS = st.integers(0, 40) | st.integers(0, 2**63 - 1)


@given(st.lists(st.lists(st.lists(KEYS, min_size=1, max_size=4, unique=True).map(tuple), max_size=30), max_size=8))
def test_a_row_is_known_exactly_when_an_accepted_row_before_has_one_of_its_keys(
    batches: list[list[tuple[int, ...]]],
) -> None:
    seen = DuplicateSet()
    accepted: set[int] = set()
    for rows in batches:
        expected = []
        for keys in rows:
            shared = next((key for key in keys if key in accepted), None)
            expected.append(shared)
            if shared is None:
                accepted.update(keys)
        assert seen.add_rows(rows) == expected
    seen.close()


def test_a_key_twice_in_one_list_is_known_the_second_time(seen: DuplicateSet) -> None:
    assert known(seen, [5, 5, 6, 5]) == [False, True, False, True]


def test_an_empty_list_repeats_nothing(seen: DuplicateSet) -> None:
    assert seen.add_rows([]) == []


def test_the_longest_number_is_its_own_key(seen: DuplicateSet) -> None:
    longest = 10**15 - 1
    assert known(seen, [longest, longest - 1, longest]) == [False, False, True]


def test_two_sets_are_independent(seen: DuplicateSet) -> None:
    known(seen, [1])
    other = DuplicateSet()
    assert known(other, [1]) == [False]
    other.close()


@pytest.mark.slow
def test_three_hundred_thousand_keys_in_any_order_are_told_apart(seen: DuplicateSet) -> None:
    keys = random.Random(1).sample(range(10**12), 300_000)
    assert not any(known(seen, keys))
    assert all(known(seen, keys[::-1]))
