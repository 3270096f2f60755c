"""The events of one call: those in the stream, and those that the archive keeps after the stream was trimmed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ArchiveUnavailable, ArchiveUnfit
from ..store.answers import unix_ms
from ..store.client import Store
from ..store.events import call_events
from ..store.records import CallRecord
from .merged_list import Archive


@dataclass(frozen=True, slots=True)
class CallEvents:
    """CloudEvents of a call, the oldest first. ``incomplete``: the archive did not answer, so that some may be missing."""

    events: list[dict[str, Any]]
    incomplete: bool = False


def events_of(store: Store, archive: Archive | None, record: CallRecord) -> CallEvents:
    """The events of a call. Blocks for some seconds at most. Raises StoreUnavailable and ArchiveUnfit."""
    moments = [unix_ms(change["at"]) or 0 for change in record.timeline]
    live = store.call(call_events, record.id, moments)
    if archive is None:
        return CallEvents(live)
    try:
        archived = [json.loads(body) for body in archive.events(record.id)]
    except ArchiveUnfit:
        raise
    except ArchiveUnavailable:
        return CallEvents(live, incomplete=True)
    return CallEvents(_merged(archived + live))


def _merged(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    merged = {str(event.get("id")): event for event in events}
    return sorted(merged.values(), key=lambda event: unix_ms(str(event.get("time") or "")) or 0)
