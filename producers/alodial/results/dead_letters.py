"""Many results that nobody could use, replayed or dropped by a filter."""

from collections.abc import Callable

from ..store import dead_letters
from ..store.client import Store

MOST = 10_000
"""Of one order; given again it goes on with the rest."""

Progress = Callable[[int], object]


def replay_all(
    store: Store, *, kind: str = "", reason: str = "", limit: int = MOST, progress: Progress | None = None
) -> int:
    """Puts them into the inbox again, as if they had just come. Answers how many."""
    done = 0
    # Named before the first is put back: what is found dead once more gets a new id and must not be taken again.
    for id in list(dead_letters.ids(store, kind=kind, reason=reason, limit=limit)):
        item = store.call(dead_letters.find, id)
        if item is not None:
            store.call(dead_letters.replay, item)
            done += 1
        if progress:
            progress(done)
    return done


def drop_all(
    store: Store, *, kind: str = "", reason: str = "", limit: int = MOST, progress: Progress | None = None
) -> int:
    """Throws them away for good. Answers how many."""
    done = 0
    for id in list(dead_letters.ids(store, kind=kind, reason=reason, limit=limit)):
        done += store.call(dead_letters.drop, id)
        if progress:
            progress(done)
    return done
