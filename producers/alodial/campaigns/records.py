"""What queries return: a campaign with its figures, a row with its outcome, an entry of the activity log."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class CampaignRecord:
    """One campaign as HTTP and ``--json`` show it. Times are ISO 8601 in UTC.

    ``waiting`` is "" or the reason why nothing is dialled: ``window`` (outside of its hours, until ``opens_at``) or
    ``start`` (until its start). ``rows`` counts the file's rows: file, good, bad, duplicate, suppressed, and left_out by a
    retry. ``calls`` counts the good rows by their call's state, ``waiting`` for those not in the hopper yet. ``progress`` is
    the ended share of the good rows, 0 to 1. ``repeated`` when the request's idempotency key had made it before: known to
    the caller only; ``attended`` is False when it was seen that no worker is alive: then ``expected_end`` will not be kept.
    """

    id: str
    name: str
    state: str
    waiting: str
    opens_at: str | None
    reason: str
    account: str
    request: dict[str, Any]
    columns: list[str]
    source: dict[str, Any]
    rows: dict[str, int]
    calls: dict[str, int]
    dispositions: dict[str, int]
    attempts: int
    talk_seconds: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    created_by: str
    owner: str | None
    expected_end: str | None
    progress: float
    repeated: bool = False
    attended: bool = True

    @property
    def answered(self) -> int:
        return self.dispositions.get("answered", 0)

    @property
    def answer_rate(self) -> float | None:
        """The share of answered calls among those that ended after an attempt, 0 to 1; None before the first."""
        reached = sum(self.dispositions.values())
        return self.answered / reached if reached else None

    def to_dict(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in ("repeated", "attended")}
        return fields | {"answer_rate": self.answer_rate}


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """Campaigns, newest first; ``cursor`` continues the list, None at the end."""

    campaigns: list[CampaignRecord]
    cursor: str | None


class Activity(NamedTuple):
    """An entry of a campaign's activity log; ``at`` is ISO 8601."""

    at: str
    actor: str
    action: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        return {"who" if name == "actor" else name: value for name, value in self._asdict().items()}


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A good row with its outcome: its number in the spreadsheet program and its original cells, then its call's figures."""

    number: int
    cells: tuple[str, ...]
    state: str
    phones: tuple[str, ...] = ()
    disposition: str | None = None
    dialstatus: str | None = None
    attempts: int = 0
    extid: str | None = None
    id: str | None = None
    reference: str | None = None
    last_attempt_at: str | None = None
    answered_at: str | None = None
    talk_seconds: int | None = None
    record: str | None = None
    reason: str | None = None
    attempts_at: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}
