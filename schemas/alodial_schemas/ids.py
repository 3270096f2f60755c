"""Ids of calls. The id is a UUIDv7 that carries the call's first extid, so that the record is found from either.

Layout, high to low: 48 bits of Unix milliseconds, version 7, 12 random bits, variant 10, 12 random bits, 50 bits of
extid. An extid that we make is uniform in 10^14 <= n < 10^15: 15 digits, no leading zero, below 2^53 (it comes back as
a JavaScript number) and about 49.7 bits that nobody can guess.
"""

from __future__ import annotations

import os
import re
import struct
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from time import time_ns
from typing import Final

_EXTID_BITS: Final = 50
_EXTID_MASK: Final = (1 << _EXTID_BITS) - 1
_SMALLEST: Final = 10**14
_SPAN: Final = 9 * 10**14
_END: Final = 10**15
_VARIANT: Final = 0b10 << 62

_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EXTID: Final = re.compile(r"[1-9][0-9]{0,14}")

# One urandom call costs about as much as making two ids; 512 entries make it vanish and cost 4 kB of randomness.
_BATCH: Final = 512
_UNPACK: Final = struct.Struct(f"={_BATCH}Q{_BATCH}H")

# Ready pairs of (the id's text after the time, extid). `list.pop` and `list.extend` are atomic: threads need no lock.
_ready: list[tuple[str, str]] = []


def _refill() -> None:
    numbers = _UNPACK.unpack(os.urandom(_UNPACK.size))
    pairs: list[tuple[str, str]] = []
    for word, extra in zip(numbers[:_BATCH], numbers[_BATCH:], strict=True):
        offset = word & _EXTID_MASK
        if offset >= _SPAN:  # one in five is thrown away: a remainder instead would make some extids likelier
            continue
        extid = _SMALLEST + offset
        low = f"{_VARIANT | (word >> 52) << _EXTID_BITS | extid:x}"
        pairs.append((f"7{extra & 0xFFF:03x}-{low[:4]}-{low[4:]}", str(extid)))
    _ready.extend(pairs)


# A forked child must not hand out the pairs that its parent hands out too.
os.register_at_fork(after_in_child=_ready.clear)


def new_ids() -> tuple[str, str]:
    """Returns a new call's `(id, extid)`: UUIDv7 text in lower case, and 15 digits."""
    while True:
        try:
            tail, extid = _ready.pop()
        except IndexError:
            _refill()
        else:
            return f"{_time_text(time_ns() // 1_000_000)}{tail}", extid


@lru_cache(1)
def _time_text(ms: int) -> str:
    """The first 48 bits of an id; those that are made within a millisecond share them."""
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-"


def make_id(extid: str) -> str:
    """Returns a new id for an extid that the caller chose. Raises ValueError for other than 1 to 15 digits without leading 0."""
    if _EXTID.fullmatch(extid) is None:
        raise ValueError("extid: 1 to 15 digits without a leading zero are needed")
    now = time_ns() // 1_000_000
    word = int.from_bytes(os.urandom(3), "big")
    low = f"{_VARIANT | (word >> 12) << _EXTID_BITS | int(extid):016x}"
    return f"{now >> 16:08x}-{now & 0xFFFF:04x}-7{word & 0xFFF:03x}-{low[:4]}-{low[4:]}"


def extid_of(id: str) -> str | None:
    """Returns the extid inside one of our ids (canonical lower-case text), None for anything else."""
    if _ID.fullmatch(id) is None:
        return None
    number = int(id[19:23] + id[24:], 16) & _EXTID_MASK
    return str(number) if 0 < number < _END else None


def row_extid(seed: bytes, row: int, salt: int = 0) -> str:
    """Returns the extid of a campaign's row: always the same, and unguessable without the campaign's seed.

    ``row`` counts from 0. Two extids of a million rows collide by chance in every two thousandth campaign: then the second
    row takes ``salt`` 1.
    """
    for turn in count():
        text = f"{row}:{salt}:{turn}".encode()
        offset = int.from_bytes(blake2b(text, key=seed, digest_size=8).digest(), "big") & _EXTID_MASK
        if offset < _SPAN:
            return str(_SMALLEST + offset)
    raise AssertionError("unreachable")


def row_id(seed: bytes, row: int, extid: str, made_ms: int) -> str:
    """Returns the id that goes with :func:`row_extid`; ``made_ms`` is the campaign's creation in Unix milliseconds."""
    word = int.from_bytes(blake2b(f"id:{row}:{extid}".encode(), key=seed, digest_size=3).digest(), "big")
    low = f"{_VARIANT | (word >> 12) << _EXTID_BITS | int(extid):016x}"
    return f"{made_ms >> 16:08x}-{made_ms & 0xFFFF:04x}-7{word & 0xFFF:03x}-{low[:4]}-{low[4:]}"
