"""Watches results on their way in, beside the collectors, which get every one of them all the same."""

import threading
import time
from dataclasses import dataclass
from queue import Empty, Queue

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import inbox
from alodial.store.client import Store
from alodial.store.inbox import InboxEntry

from .plan import ExtidFate, extid_fate, names_phone

PAUSE = 0.5
"""Seconds until the next look after Redis was away."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A result that belongs to an attempt: by its extid, or for a ``missing`` one by the number that it names."""

    entry: InboxEntry
    fate: ExtidFate
    extid: str


class InboxWatch:
    """Reads the inbox in a thread from its start on; begin before the POST, so that an early result is seen."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings)
        self._block = min(0.5, settings.redis_timeout / 2)
        self._after = self._store.call(inbox.last_id)
        self._entries: Queue[InboxEntry] = Queue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="inbox-watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            try:
                entries = self._store.call(inbox.watch, self._after, self._block)
            except StoreUnavailable:
                self._ended.wait(PAUSE)
                continue
            for entry in entries:
                self._after = entry.id
                self._entries.put(entry)

    def wait(self, extids: list[str], wire_phone: str, seconds: float) -> Arrived | None:
        """Returns the next result of these attempts, None when none comes within ``seconds``."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            try:
                entry = self._entries.get(timeout=min(left, 0.5))
            except Empty:
                continue
            for extid in extids:
                fate = extid_fate(entry.body, entry.content_type, extid)
                if fate in ("number", "text"):
                    return Arrived(entry, fate, extid)
            if names_phone(entry.body, wire_phone):
                return Arrived(entry, extid_fate(entry.body, entry.content_type, extids[-1]), extids[-1])
        return None

    def close(self) -> None:
        """Stops reading."""
        self._ended.set()
        self._thread.join(5)
        self._store.close()
