from __future__ import annotations

import os
import re
import threading
import uuid
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial_schemas.ids import extid_of, make_id, new_ids


def test_a_new_id_is_a_uuid_of_version_7_with_the_time_and_the_extid_in_it() -> None:
    before = int(time() * 1000)
    call_id, extid = new_ids()
    parsed = uuid.UUID(call_id)
    assert str(parsed) == call_id
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert before <= parsed.int >> 80 <= int(time() * 1000) + 1
    assert extid_of(call_id) == extid


def test_extids_are_fifteen_digits_without_a_leading_zero_and_all_different() -> None:
    extids = [new_ids()[1] for _ in range(20_000)]
    assert len(set(extids)) == len(extids)
    assert all(re.fullmatch("[1-9][0-9]{14}", extid) for extid in extids)


def test_extids_are_spread_evenly_over_their_first_digit() -> None:
    counts = [0] * 10
    for _ in range(18_000):
        counts[int(new_ids()[1][0])] += 1
    # 2,000 are expected of each; eight standard deviations are allowed, so that this fails for a reason only.
    assert all(abs(count - 2_000) < 8 * 43 for count in counts[1:])


@given(st.integers(1, 10**15 - 1))
def test_a_made_id_gives_back_its_extid(number: int) -> None:
    call_id = make_id(str(number))
    assert uuid.UUID(call_id).version == 7
    assert extid_of(call_id) == str(number)


def test_two_ids_made_for_one_extid_differ() -> None:
    assert len({make_id("123123") for _ in range(100)}) > 90


@pytest.mark.parametrize("extid", ["", "0", "0123", "1234567890123456", "12a", "١٢٣", " 1", "-1", "1\n"])
def test_an_id_is_not_made_for_what_is_no_extid(extid: str) -> None:
    with pytest.raises(ValueError, match="extid"):
        make_id(extid)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123123",
        "9b2f8a34-6f0e-4c1d-8a57-3d1b0e7c9f42",
        "0198c0de-1234-7abc-8000-000000000000",  # extid 0
        "0198c0de-1234-7abc-8003-ffffffffffff",  # above 10^15
        "0198C0DE-1234-7ABC-8000-00000001E0F3",
        "0198c0de-1234-7abc-c000-00000001e0f3",  # another variant
        "0198c0de12347abc800000000001e0f3",
        "x" * 100_000,
    ],
)
def test_what_is_no_id_of_ours_has_no_extid(text: str) -> None:
    assert extid_of(text) is None


def test_threads_never_get_the_same_pair() -> None:
    made: list[list[tuple[str, str]]] = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda out=out: out.extend(new_ids() for _ in range(3_000))) for out in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [pair for part in made for pair in part]
    assert len({call_id for call_id, _ in ids}) == len({extid for _, extid in ids}) == len(ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_draws_its_own_ids() -> None:
    new_ids()  # fills the pool that a careless child would share
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, ",".join(new_ids()[1] for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = pipe.read().split(",")
    assert len(theirs) == 50
    assert not set(theirs) & {new_ids()[1] for _ in range(600)}
