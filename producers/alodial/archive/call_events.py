"""Reads the archived events of a call or a campaign."""

import json
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, select

from alodial_schemas import extid_of

from .packing import subject_key, unpacked_event
from .schema import CAMPAIGNS, EVENTS

MAX_DAYS = 800
"""Days from the creation of a call or campaign in which its events are looked for."""


def events_of(connection: Connection, subject: str) -> list[str]:
    """The events of the call or campaign with this id as CloudEvents JSON, the oldest first."""
    first = _created(connection, subject)
    if first is None:
        return []
    of_it = EVENTS.c.subject == subject_key(subject)
    if connection.dialect.name == "postgresql":
        # Each partition has an index that begins with the subject.
        query = select(EVENTS).where(of_it, EVENTS.c.day >= first)
    else:
        days = min(MAX_DAYS, (datetime.now(UTC).date() - first).days + 2)
        query = select(EVENTS).where(of_it, EVENTS.c.day.in_([first + timedelta(days=n) for n in range(days)]))
    rows = [(unpacked_event(row.body, row.subject), row.name) for row in connection.execute(query)]
    rows.sort(key=lambda row: (json.loads(row[0])["time"], len(row[1]), row[1]))
    return [event for event, _ in rows]


def _created(connection: Connection, subject: str) -> date | None:
    """The day before which it has no events."""
    if extid_of(subject):
        ms: int | None = int(subject[:8] + subject[9:13], 16)
    else:
        ms = connection.execute(select(CAMPAIGNS.c.created_at).where(CAMPAIGNS.c.campaign_id == subject)).scalar()
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).date() - timedelta(days=1)
