"""Reading the event stream without a group, for people and programs that only look."""

from collections.abc import Iterator
from typing import Any

from . import keys
from .client import Store

BATCH = 500


def read_events(store: Store, start: str, *, follow: bool) -> Iterator[str]:
    """CloudEvents JSON from ``start`` on: ``0``, ``now`` or a stream id that was seen last. Raises StoreUnavailable."""
    position = start
    if start == "now":
        rows: Any = store.call(lambda client: client.xrevrange(keys.EVENTS, count=1))
        position = rows[0][0].decode() if rows else "0-0"
    while True:
        batch: Any = store.call(lambda client, at=position: client.xrange(keys.EVENTS, min=f"({at}", count=BATCH))  # type: ignore[misc]  # lambda default
        for at, fields in batch:
            position = at.decode()
            yield fields[b"event"].decode("utf-8", "replace")
        if len(batch) == BATCH:
            continue
        if not follow:
            return
        # Half a second is well below the socket's own timeout, which would look like an outage.
        store.call(lambda client, at=position: client.xread({keys.EVENTS: at}, count=1, block=500))  # type: ignore[misc]  # as above
