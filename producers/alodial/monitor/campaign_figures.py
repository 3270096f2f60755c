"""A campaign's figures as the templates show them. Pure; no texts."""

from typing import Final, NamedTuple

from alodial_schemas import Disposition

from ..campaigns.records import CampaignRecord

TO_COME: Final = ("waiting", "scheduled", "queued")
UNDER_WAY: Final = ("submitting", "submitted", "unconfirmed")
ENDED: Final = ("completed", "rejected", "failed", "expired", "canceled", "timed_out")
STATES: Final = (*TO_COME, *UNDER_WAY, *ENDED)
DISPOSITIONS: Final = tuple(disposition.value for disposition in Disposition)
LIVE: Final = ("scheduled", "running", "paused")

BAR_WIDTH: Final = 1000


class FigureRow(NamedTuple):
    """``share`` is of all calls, 0 to 1."""

    name: str
    calls: int
    share: float


class ChartPiece(NamedTuple):
    """A part of a bar; a whole bar is ``BAR_WIDTH`` wide."""

    name: str
    start: float
    width: float


def _sum(record: CampaignRecord, states: tuple[str, ...]) -> int:
    return sum(record.calls.get(state, 0) for state in states)


def remaining(record: CampaignRecord) -> int:
    """Calls that were not placed yet."""
    return _sum(record, TO_COME)


def in_progress(record: CampaignRecord) -> int:
    """Calls without a result yet."""
    return _sum(record, UNDER_WAY)


def ended(record: CampaignRecord) -> int:
    """Calls that have ended, however they ended."""
    return _sum(record, ENDED)


def waits_for_later(record: CampaignRecord) -> bool:
    """Whether nobody is being called: every row that has not ended is to be called later, for example again."""
    return record.state == "running" and 0 < good(record) - ended(record) == record.calls.get("scheduled", 0)


def unanswered(record: CampaignRecord) -> int:
    """Calls that ended without an answer: those of a retry."""
    return max(0, ended(record) - record.answered)


def good(record: CampaignRecord) -> int:
    """Rows that were accepted."""
    return record.rows.get("good", 0)


def badge(record: CampaignRecord) -> str:
    """The state as it is shown: a running campaign that waits for its hours or start says so."""
    return f"waiting_{record.waiting}" if record.waiting and record.state in ("running", "scheduled") else record.state


def rows_of(counts: dict[str, int], order: tuple[str, ...]) -> list[FigureRow]:
    """The counts above zero, in ``order``; unknown names come last."""
    total = sum(counts.values()) or 1
    names = [*order, *sorted(set(counts) - set(order))]
    return [FigureRow(name, counts[name], counts[name] / total) for name in names if counts.get(name)]


def pieces(rows: list[FigureRow]) -> list[ChartPiece]:
    """The same rows as parts of one bar."""
    start, parts = 0.0, []
    for row in rows:
        width = row.share * BAR_WIDTH
        parts.append(ChartPiece(row.name, round(start, 2), round(width, 2)))
        start += width
    return parts


def acts(record: CampaignRecord) -> list[str]:
    """The acts that the campaign's state permits."""
    permitted = {
        "scheduled": ["pause", "pace", "cancel"],
        "running": ["pause", "pace", "cancel"],
        "paused": ["resume", "pace", "cancel"],
        "draft": ["cancel"],
    }.get(record.state, [])
    if record.state != "draft":
        permitted = [*permitted, "clone"]
    # Before its end the same row could ring in both campaigns.
    if unanswered(record) and record.state in ("completed", "canceled"):
        permitted = [*permitted, "retry"]
    return permitted
