"""What a campaign's figures mean, worked out for the templates; no text here."""

from typing import Final, NamedTuple

from ..campaigns.records import CampaignRecord

TO_COME: Final = ("waiting", "scheduled", "queued")
UNDER_WAY: Final = ("submitting", "submitted", "unconfirmed")
ENDED: Final = ("completed", "rejected", "failed", "expired", "canceled", "timed_out")
STATES: Final = (*TO_COME, *UNDER_WAY, *ENDED)
DISPOSITIONS: Final = (
    "answered",
    "no_answer",
    "busy",
    "congestion",
    "unavailable",
    "canceled",
    "rejected",
    "unknown",
)
LIVE: Final = ("scheduled", "running", "paused")

BAR: Final = 1000
"""Width of a bar in its own units."""


class CampaignRow(NamedTuple):
    """``share`` of all, 0 to 1."""

    name: str
    calls: int
    share: float


class ChartPiece(NamedTuple):
    """A part of a bar, in its own units."""

    name: str
    start: float
    width: float


def some(record: CampaignRecord, states: tuple[str, ...]) -> int:
    return sum(record.calls.get(state, 0) for state in states)


def remaining(record: CampaignRecord) -> int:
    """Calls that were not made yet."""
    return some(record, TO_COME)


def in_progress(record: CampaignRecord) -> int:
    return some(record, UNDER_WAY)


def ended(record: CampaignRecord) -> int:
    return some(record, ENDED)


def unanswered(record: CampaignRecord) -> int:
    """Rows that ended and that nobody answered: what a retry takes."""
    return max(0, ended(record) - record.answered)


def good(record: CampaignRecord) -> int:
    return record.rows.get("good", 0)


def badge(record: CampaignRecord) -> str:
    """The state as people are shown it: one that waits is not just running."""
    return f"waiting_{record.waiting}" if record.waiting and record.state in ("running", "scheduled") else record.state


def rows_of(counts: dict[str, int], order: tuple[str, ...]) -> list[CampaignRow]:
    """Those that are there, in our order; a word that is not ours comes last."""
    whole = sum(counts.values()) or 1
    names = [*order, *sorted(set(counts) - set(order))]
    return [CampaignRow(name, counts[name], counts[name] / whole) for name in names if counts.get(name)]


def pieces(rows: list[CampaignRow]) -> list[ChartPiece]:
    """The same as parts of one bar."""
    at, made = 0.0, []
    for row in rows:
        width = row.share * BAR
        made.append(ChartPiece(row.name, round(at, 2), round(width, 2)))
        at += width
    return made


def acts(record: CampaignRecord) -> list[str]:
    """What its state permits."""
    permitted = {
        "scheduled": ["pause", "pace", "cancel"],
        "running": ["pause", "pace", "cancel"],
        "paused": ["resume", "pace", "cancel"],
        "draft": ["cancel"],
    }.get(record.state, [])
    if record.state != "draft":
        permitted = [*permitted, "clone"]
    # Before its end a row might ring in both campaigns.
    if unanswered(record) and record.state in ("completed", "canceled"):
        permitted = [*permitted, "retry"]
    return permitted
