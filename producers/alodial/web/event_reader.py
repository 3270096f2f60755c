"""One reader of ``GET /v1/events``: which events it gets, and the place up to which it has them all."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..store.events import Position, StreamEvent, position_of

PING: Final = b": ping\n"


class StreamedEvent:
    """An event as readers get it, encoded once for all of them and parsed once, if any of them filters."""

    __slots__ = ("_fields", "_text", "block", "position")

    def __init__(self, row: StreamEvent) -> None:
        self.position = position_of(row.position)
        # CloudEvents JSON holds no line ends, so it fits into a single data line.
        self.block = f"id: {row.position}\ndata: {row.event}\n\n".encode()
        self._text = row.event
        self._fields: tuple[str | None, ...] | None = None

    @property
    def fields(self) -> tuple[str | None, ...]:
        """Owner, type, and the ids of the campaign and of the subject; None for what is no text, as in text that is no event."""
        if self._fields is None:
            self._fields = _fields(self._text)
            self._text = ""
        return self._fields


def _fields(text: str) -> tuple[str | None, ...]:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        event = {}
    data = event.get("data")
    campaign = data.get("campaign_id") if isinstance(data, dict) else None
    values = event.get("owner"), event.get("type"), campaign, event.get("subject")
    return tuple(value if isinstance(value, str) else None for value in values)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a reader gets: of an owner, of types, of a campaign; an empty field means all."""

    owner: str = ""
    types: frozenset[str] = frozenset()
    campaign: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves any event out."""
        return bool(self.owner or self.types or self.campaign)

    def matches(self, event: StreamedEvent) -> bool:
        """Whether a reader with this filter gets the event."""
        owner, kind, campaign, subject = event.fields
        return (
            (not self.owner or owner == self.owner)
            and (not self.types or kind in self.types)
            and (not self.campaign or self.campaign in (campaign, subject))
        )

    def block(self, events: Iterable[StreamedEvent]) -> bytes:
        """What a reader is sent of these events; empty when none of them is for it."""
        if self.is_narrow:
            events = filter(self.matches, events)
        return b"".join([event.block for event in events])


class EventReader:
    """``key`` is whose event streams are counted together.

    ``sending`` is the loop's time at which it was handed a block that it has not taken yet, else 0; ``sent`` is when it
    last took one.
    """

    __slots__ = ("_wakeup", "filter", "is_cut", "key", "position", "sending", "sent", "task")

    def __init__(self, event_filter: EventFilter, key: str = "") -> None:
        self.filter = event_filter
        self.key = key
        self.position: Position = (0, 0)
        self.sending = 0.0
        self.sent = 0.0
        self.is_cut = False
        self.task: asyncio.Task[None] | None = None
        self._wakeup: asyncio.Future[bytes] | None = None

    async def wait(self) -> bytes:
        """Waits for :meth:`wake` and returns its block."""
        self._wakeup = asyncio.get_running_loop().create_future()
        return await self._wakeup

    @property
    def is_waiting(self) -> bool:
        """Whether it waits and was not woken yet."""
        return self._wakeup is not None and not self._wakeup.done()

    def wake(self, block: bytes = b"") -> None:
        """Ends the wait, with what is to be sent; empty to have the reader look again."""
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(block)

    def cut(self) -> None:
        """Ends the task that sends to it."""
        self.is_cut = True
        if self.task is not None:
            self.task.cancel()

    def ping(self) -> bytes:
        """A comment, which keeps the connection open; where events were left out, with the place that was reached.

        Without it a reader of few events would resume far back.
        """
        place = b"id: %d-%d\n" % self.position if self.filter.is_narrow else b""
        return PING + place + b"\n"
