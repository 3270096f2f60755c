"""Reads the records of a campaign's calls that have left Redis."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..store.call_filter import CallFilter
from ..store.records import CallRecord, read_record

if TYPE_CHECKING:
    from ..archive.reader import CallReader


@lru_cache(maxsize=4)
def _reader(url: str, namespace: str) -> "CallReader":
    try:
        from ..archive.reader import CallReader  # noqa: PLC0415  # SQLAlchemy is loaded only where there is an archive
    except ImportError as exc:
        raise ConfigurationError(f"the archive needs {exc.name}; pip install 'alodial[archive]'") from None
    return CallReader.of(url, namespace)


def archived_records(url: str, namespace: str, extids: Sequence[str]) -> dict[str, CallRecord]:
    """The archived calls that Redis kept under these extids, by extid. Raises ArchiveUnavailable: a result would be wrong without
    them."""
    records: dict[str, CallRecord] = {}
    for call in _reader(url, namespace).named(extids, CallFilter()):
        if (record := read_record(call.wire_extid, call.raw)) is not None:
            records[call.wire_extid] = record
    return records
