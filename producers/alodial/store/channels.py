"""Channels that calls hold which were sent and have no result: which they are, and freeing them."""

from collections.abc import Sequence
from dataclasses import dataclass

from alodial_schemas import State

from .answers import entries, text
from .client import Operation
from .keys import Keys
from .sansio import Steps
from .server_clock import to_ms

PAGE = 500
"""Channels looked at, and freed, in one round trip."""

WITHOUT_RESULT = frozenset({State.SUBMITTED, State.UNCONFIRMED})


@dataclass(frozen=True, slots=True)
class HeldChannel:
    """A channel held by a call without a result: ``since`` is for how many seconds it has been in its state."""

    account: str
    record: str
    id: str
    state: str
    since: float


def held_channels(keys: Keys, account: str, after: str) -> Steps[tuple[list[HeldChannel], str]]:
    """Returns one page of an account's channels that calls without a result hold, and where the next begins ("" for none)."""
    start = int(after or 0)
    clock, members = yield [("TIME",), ("ZRANGE", keys.channels(account), start, start + PAGE - 1)]
    extids = [text(member) for member in members]
    rows = (yield [("HMGET", keys.record(extid), "s", "id", "tl") for extid in extids]) if extids else []
    now, channels = to_ms(clock), []
    for extid, (state, id, timeline) in zip(extids, rows, strict=True):
        if text(state) in WITHOUT_RESULT:
            words = entries(timeline)[-1].split(b" ", 2) if timeline else []
            at = int(words[1]) if len(words) > 1 and words[1].isdigit() else now
            channels.append(HeldChannel(account, extid, text(id), text(state), max(0.0, (now - at) / 1000)))
    return channels, str(start + PAGE) if len(extids) == PAGE else ""


def release(extids: Sequence[str]) -> Operation[list[str]]:
    """Frees the channels of calls that were sent and have no result. Answers for each ``released``, or ``kept``."""
    return Operation("release", list(extids), lambda answer: [text(row) for row in answer])
