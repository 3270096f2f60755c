"""The tables of counts, from which reports are made. Days and hours are those of ALODIAL_TIMEZONE.

Each is one small cube instead of one with everything, so that a year of 10 M calls has some hundred thousand rows.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Date, SmallInteger, Table, Text

from .report_query import MEASURES
from .schema import METADATA


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _measures() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in MEASURES]


COUNTS_DAY: Final = Table(
    "counts_day",
    METADATA,
    Column("day", Date, primary_key=True),  # of the call's creation
    *map(_key, ("owner", "campaign_id", "line", "operator_code", "outcome")),
    *_measures(),
)

COUNTS_INITIATOR: Final = Table(
    "counts_initiator",
    METADATA,
    Column("day", Date, primary_key=True),  # as above
    *map(_key, ("owner", "initiator", "outcome")),  # calls of no campaign: those have one initiator each
    *_measures(),
)

COUNTS_HOUR: Final = Table(
    "counts_hour",
    METADATA,
    Column("day", Date, primary_key=True),  # of the attempt's POST
    Column("hour", SmallInteger, primary_key=True, autoincrement=False),
    *map(_key, ("owner", "campaign_id", "operator_code", "outcome")),
    *_measures(),  # ``calls`` are first attempts
)

COUNT_TABLES: Final = (COUNTS_DAY, COUNTS_INITIATOR, COUNTS_HOUR)
