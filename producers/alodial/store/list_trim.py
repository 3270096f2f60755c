"""Takes calls out of the lists once Redis has forgotten them, so that a list's memory follows its calls'."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import redis

from ..settings import Settings
from .answers import text
from .client import Operation, Store
from .keys import Keys

STEP: Final = 1000
"""Entries that one script looks at: about 1 ms of Redis."""

MAX_STEPS: Final = 200
"""Steps of one round over a stream: at a round a minute, 3,300 calls a second."""

AGAIN_MS: Final = 3_600_000
"""After so long a stream is run through once more for the calls that were there the last time."""

SPARE_MS: Final = 31 * 86_400_000
"""How much longer than the call due last a list of calls by number or reference is kept, as in ``lua/lists.lua``."""


class Tidied(NamedTuple):
    """``through`` when the end was reached; ``living`` are calls that might be gone and are still there."""

    removed: int
    through: bool
    living: list[str]


def tidy(stream: str, step: int = STEP, *, age_ms: int, again_ms: int = AGAIN_MS) -> Operation[Tidied]:
    """Looks at the next ``step`` entries of a stream of calls; ``stream`` is its key without the prefix.

    ``age_ms`` is how old a call has to be before its record may be gone.
    """

    def read(answer: list[Any]) -> Tidied:
        return Tidied(int(answer[0]), bool(answer[1]), [text(extid) for extid in answer[2]])

    return Operation("tidy", [stream, step, again_ms, age_ms], read)


def keep_listed(client: "redis.Redis", keys: Keys, extids: Sequence[str], life_ms: int) -> None:
    """Lets the lists that find these calls by number and reference live for ``life_ms`` at least."""
    with client.pipeline(transaction=False) as pipe:
        for extid in extids:
            pipe.hmget(keys.record(extid), "b", "r")
        rows = pipe.execute()
        names = {
            f"{keys.PREFIX}{bucket}{end}"
            for body, reference in rows
            if body is not None
            for bucket in keys.buckets(text(body), text(reference)).split()
            for end in ("", keys.OLD)
        }
        listed = sorted(names)
        for name in listed:
            pipe.pttl(name)
        lives = pipe.execute() if listed else []
        for name, life in zip(listed, lives, strict=True):
            if 0 <= life < life_ms:
                pipe.pexpire(name, life_ms)
        pipe.execute()


def trim_lists(store: Store, settings: Settings) -> int:
    """Runs over the streams of all calls and of each owner's; returns how many entries it took out."""
    owners: Any = store.call(lambda client, keys: client.smembers(keys.OWNERS))
    keys = store.keys
    life_ms = int(settings.call_retention * 1000) + SPARE_MS
    age_ms = int(settings.live_life * 1000)
    removed = 0
    for name in (keys.INDEX, *(keys.by_owner(text(owner)) for owner in owners)):
        for _ in range(MAX_STEPS):
            done = store.run(tidy(name.removeprefix(keys.PREFIX), age_ms=age_ms))
            removed += done.removed
            # The owners' streams hold no others than that of all calls.
            if done.living and name == keys.INDEX:
                store.call(keep_listed, done.living, life_ms)
            if done.through:
                break
    return removed
