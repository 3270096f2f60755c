"""The events: CloudEvents 1.0 in JSON, one for each change of a call, a campaign, a finding or a result that fits no call.

The Lua scripts write them, in the same atomic step as the change itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from .dispositions import Disposition
from .states import State

_STATES: Final[frozenset[str]] = frozenset(State)
_DISPOSITIONS: Final[frozenset[str]] = frozenset(Disposition)

EVENT_TYPES: Final[frozenset[str]] = frozenset(
    {
        "alodial.call.queued",
        "alodial.call.submitted",
        "alodial.call.unconfirmed",
        "alodial.call.completed",
        "alodial.call.rejected",
        "alodial.call.failed",
        "alodial.call.expired",
        "alodial.call.canceled",
        "alodial.call.timed_out",
        "alodial.call.redial_scheduled",
        "alodial.call.corrected",
        "alodial.result.unmatched",
        "alodial.result.unreadable",
        "alodial.campaign.started",
        "alodial.campaign.paused",
        "alodial.campaign.resumed",
        "alodial.campaign.completed",
        "alodial.campaign.canceled",
        "alodial.finding.raised",
        "alodial.finding.resolved",
    }
)


class CloudEvent(BaseModel):
    """One event. `data` is kept as it came; the properties read its documented fields and are None when absent.

    Types that this version does not know are read too: a reader must not stop at what a newer writer appends.
    """

    model_config = ConfigDict(frozen=True, extra="allow")  # CloudEvents allows further attributes, such as traceparent

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str = Field(min_length=1)
    subject: str | None = None
    time: AwareDatetime | None = None
    datacontenttype: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    def _text(self, name: str) -> str | None:
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    @property
    def call_id(self) -> str | None:
        return self._text("call_id")

    @property
    def extid(self) -> str | None:
        return self._text("extid")

    @property
    def reference(self) -> str | None:
        return self._text("reference")

    @property
    def state(self) -> State | None:
        """None too for a state that this version does not know."""
        value = self._text("state")
        return State(value) if value in _STATES else None

    @property
    def disposition(self) -> Disposition | None:
        """None when the call has none yet; `unknown` for a word that this version does not know."""
        value = self._text("disposition")
        if value is None:
            return None
        return Disposition(value) if value in _DISPOSITIONS else Disposition.UNKNOWN


# Events of calls, campaigns and results have the same shape and differ by `type`.
Event: TypeAlias = CloudEvent


def parse_event(json_text: str | bytes) -> Event:
    """Returns the event of a JSON text. Raises pydantic's ValidationError, a ValueError, for what is no CloudEvent 1.0."""
    return CloudEvent.model_validate_json(json_text)


def event_time(time: datetime) -> str:
    """Returns a moment in UTC with milliseconds: "2026-01-02T03:04:05.678Z"."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
