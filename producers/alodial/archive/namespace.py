"""Whose archive it is: the calls of one namespace, which the archiver marks at its first start."""

from typing import Final

from sqlalchemy import Connection, select

from ..errors import ArchiveUnfit
from .schema import POSITION

OWNER: Final = "namespace"
"""The place among the positions that holds the namespace."""


def owner_of(connection: Connection) -> str:
    """The namespace whose calls it holds; "" before the first archiver."""
    return connection.execute(select(POSITION.c.last_id).where(POSITION.c.source == OWNER)).scalar() or ""


def check_owner(connection: Connection, namespace: str) -> None:
    """Raises ArchiveUnfit for the archive of another namespace."""
    owner = owner_of(connection)
    if owner not in ("", namespace):
        raise ArchiveUnfit(owner, namespace)
