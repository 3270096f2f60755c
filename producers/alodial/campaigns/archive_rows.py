"""Campaigns and their rows as the archive keeps them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from alodial_schemas.campaigns import CampaignState

from ..store.records import CallRecord
from ..store.row_outcomes import RowOutcome
from .errors import CampaignNotFound, DamagedRows
from .queries import CampaignQueries
from .row_codec import PackedRow

OVER: Final = frozenset({CampaignState.COMPLETED, CampaignState.CANCELED})
ROWS: Final = 500
"""Rows of one transaction."""


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


class ArchivedCampaigns:
    """What the archiver reads of campaigns."""

    def __init__(self, queries: CampaignQueries) -> None:
        self._queries = queries

    def row(self, campaign: str) -> dict[str, Any] | None:
        """The row of a campaign; None for one that is gone."""
        try:
            record = self._queries.get(campaign)
        except CampaignNotFound:
            return None
        return {
            "campaign_id": record.id,
            "name": record.name.replace("\0", ""),
            "owner": record.owner or "",
            "state": str(record.state),
            "created_at": _ms(record.created_at),
            "ended_at": _ms(record.ended_at) if record.ended_at else None,
            "record": json.dumps(record.to_dict(), ensure_ascii=False, separators=(",", ":")).replace("\\u0000", ""),
        }

    def is_over(self, campaign: str) -> bool:
        """Whether a campaign has ended."""
        try:
            return self._queries.get(campaign).state in OVER
        except CampaignNotFound:
            return False

    def rows(self, campaign: str) -> Iterator[Sequence[dict[str, Any]]]:
        """Its good rows with how their calls ended, some hundreds at a time."""
        try:
            stored = self._queries.find(campaign)
            outcomes = enumerate(self._queries.outcomes(stored))
            while batch := list(islice(outcomes, ROWS)):
                yield [_row(stored.id, index, *outcome) for index, outcome in batch]
        except (CampaignNotFound, DamagedRows):
            return


def _row(
    campaign: str, index: int, row: PackedRow, call: CallRecord | None, outcome: RowOutcome | None
) -> dict[str, Any]:
    state, detail = "", None
    if call is not None:
        state, detail = str(call.state), call.disposition
    elif outcome is not None:
        state, detail = outcome.state, outcome.disposition or outcome.reason
    return {
        "campaign_id": campaign,
        "row_number": index,
        "file_row": row.number,
        "phone": row.spec.to[0] if row.spec.to else "",
        "outcome": f"{state}:{detail}" if detail else state,
        "call_id": call.id if call else "",
        "extid": call.extid if call else "",
        "cells": json.dumps(row.cells, ensure_ascii=False, separators=(",", ":")).replace("\\u0000", ""),
    }
