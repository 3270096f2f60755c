"""Reads the archived events of a call or a campaign."""

from sqlalchemy import Connection, select

from .schema import EVENTS


def events_of(connection: Connection, subject: str) -> list[str]:
    """The events of the call or campaign with this id as CloudEvents JSON, the oldest first."""
    of_it = (EVENTS.c.call_id == subject) | ((EVENTS.c.campaign_id == subject) & (EVENTS.c.call_id == ""))
    query = select(EVENTS.c.body).where(of_it).order_by(EVENTS.c.at, EVENTS.c.event_id)
    return list(connection.execute(query).scalars())
