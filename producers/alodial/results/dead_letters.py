"""Replays or drops all dead letters of a filter: results that could not be used."""

from collections.abc import Callable

from ..store import dead_letters
from ..store.client import Store

MAX_AT_ONCE = 10_000
"""Dead letters of one run; run it again for the rest."""

Progress = Callable[[int], object]


def replay_all(
    store: Store, *, kind: str = "", reason: str = "", limit: int = MAX_AT_ONCE, progress: Progress | None = None
) -> int:
    """Puts the newest ``limit`` dead letters of a filter back into the inbox and returns how many.

    ``kind`` is ``unmatched`` or ``unreadable``; ``progress`` is called with the count so far. Raises StoreUnavailable.
    """
    done = 0
    # All ids first: a replayed result that is set aside again gets a new id, which must not be taken again.
    for id in list(dead_letters.ids(store, kind=kind, reason=reason, limit=limit)):
        item = store.call(dead_letters.find, id)
        if item is not None:
            store.call(dead_letters.replay, item)
            done += 1
        if progress:
            progress(done)
    return done


def drop_all(
    store: Store, *, kind: str = "", reason: str = "", limit: int = MAX_AT_ONCE, progress: Progress | None = None
) -> int:
    """Deletes the newest ``limit`` dead letters of a filter and returns how many; arguments as :func:`replay_all`."""
    done = 0
    for id in list(dead_letters.ids(store, kind=kind, reason=reason, limit=limit)):
        done += store.call(dead_letters.drop, id)
        if progress:
            progress(done)
    return done
