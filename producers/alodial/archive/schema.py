"""The archive's tables, the same in SQLite and PostgreSQL. Times are Unix ms in UTC; an empty text means that there is none.

In PostgreSQL ``calls``, ``attempts`` and ``events`` have a partition for each month.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Date, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

METADATA: Final = MetaData()

DEFAULT_ACCOUNT: Final = "default"
"""The account of calls that name none."""

_BY_MONTH: Final = "RANGE (day)"


def _word(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, primary_key=key, server_default=None if key else text("''"))


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _moment(name: str, *, known: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=not known)


def _index_where(name: str, condition: str, *columns: str) -> Index:
    return Index(name, *columns, postgresql_where=text(condition), sqlite_where=text(condition))


CALLS: Final = Table(
    "calls",
    METADATA,
    Column("day", Date, primary_key=True),  # of created_at, in UTC
    _word("call_id", key=True),
    _moment("created_at"),
    _moment("ended_at"),
    _word("owner"),  # the API key marked own by which it came
    _word("account"),
    _word("extid"),  # as whoever placed it knows it
    _word("wire_extid"),  # of its first attempt, under which Redis kept it
    _word("reference"),
    _word("campaign_id"),
    Column("row_number", Integer),  # its place among the campaign's good rows, from 0
    _word("priority"),
    _word("kind"),  # two-way, queue, ivr
    _word("initiator"),  # E.164
    _word("recipients"),  # E.164, with a space between two
    _word("search"),  # numbers, reference and values of the metadata in lower case, a line each: for parts of them
    _word("state"),
    _word("disposition"),
    _word("reason"),
    _count("attempts"),  # POSTs that went out
    _count("talk_seconds"),
    _word("line"),  # the line of the last attempt that had a result
    _word("operator_code"),  # of the recipient who was called last: "90" of +99890..., "+7" abroad
    _count("version"),  # of the record; the newest wins
    Column("masked", SmallInteger, nullable=False, server_default=text("0")),  # 1: its numbers are gone
    Column(
        "record", LargeBinary, nullable=False
    ),  # packed: its fields in Redis, of which read_record makes a CallRecord
    Index("calls_created_at", "created_at"),
    Index("calls_ended_at", "ended_at"),
    Index("calls_state", "state", "disposition", "ended_at"),
    _index_where("calls_ends", "state <> 'completed'", "state", "ended_at"),
    Index("calls_wire_extid", "wire_extid"),
    Index("calls_initiator", "initiator", "created_at"),
    Index("calls_recipients", text("string_to_array(recipients, ' ')"), postgresql_using="gin").ddl_if("postgresql"),
    _index_where("calls_extid", "extid <> wire_extid", "extid"),
    _index_where("calls_reference", "reference <> ''", "reference", "created_at"),
    _index_where("calls_campaign", "campaign_id <> ''", "campaign_id", "created_at"),
    _index_where("calls_campaign_ends", "campaign_id <> ''", "campaign_id", "state", "disposition", "ended_at"),
    Index("calls_line", "line", "created_at"),
    Index("calls_operator", "operator_code", "created_at"),
    _index_where("calls_account", f"account <> '{DEFAULT_ACCOUNT}'", "account", "created_at"),
    _index_where("calls_reason", "reason <> ''", "reason", "created_at"),
    _index_where("calls_owner", "owner <> ''", "owner", "created_at"),
    postgresql_partition_by=_BY_MONTH,
)

ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    Column("day", Date, primary_key=True),  # that of its call
    _word("call_id", key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    _word("extid"),
    _moment("submitted_at", known=False),
    _moment("ended_at", known=False),
    _word("disposition"),
    _word("dialstatus"),  # as AloVoice wrote it
    _count("talk_seconds"),
    _word("line"),
    _word("recipient"),  # who was called last in this attempt
    _word("call_ids"),  # AloVoice's numbers of the call, with a space between two
    _word("recording"),  # a URL
    Index("attempts_submitted_at", "submitted_at", "day"),
    _index_where("attempts_extid", "attempt > 1", "extid"),
    postgresql_partition_by=_BY_MONTH,
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("day", Date, primary_key=True),  # of the event, in UTC
    Column("subject", LargeBinary, primary_key=True),  # of which call or campaign: packing.subject_key of its id
    _word("name", key=True),  # its id without that of the subject
    Column("body", LargeBinary, nullable=False),  # packed CloudEvents JSON
    Index("events_day", "day", postgresql_using="brin").ddl_if("postgresql"),
    postgresql_partition_by=_BY_MONTH,
)

CAMPAIGNS: Final = Table(
    "campaigns",
    METADATA,
    _word("campaign_id", key=True),
    _word("name"),
    _word("owner"),
    _word("state"),
    _moment("created_at"),
    _moment("ended_at", known=False),
    _word("record"),  # JSON: campaigns.records.CampaignRecord
    Index("campaigns_created_at", "created_at"),
)

ROWS: Final = Table(
    "rows",
    METADATA,
    _word("campaign_id", key=True),
    Column("row_number", Integer, primary_key=True, autoincrement=False),
    Column("file_row", Integer, nullable=False, server_default=text("0")),  # its number in the spreadsheet program
    _word("phone"),  # the first recipient
    _word("outcome"),  # completed:answered, expired, ... "" for a row that was never called
    _word("call_id"),
    _word("extid"),
    _word("cells"),  # JSON: the row of the file
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("own", SmallInteger, primary_key=True, autoincrement=False),  # 1: of an API key marked own
    _word("stream_id", key=True),
    _moment("at"),
    _word("entry"),  # JSON, over which the hash was made
    _word("hash"),
    Index("audit_at", "at"),
)

POSITION: Final = Table(
    "position",
    METADATA,
    _word("source", key=True),  # events, index, audit, audit:own; total: the number of calls; namespace: whose
    _word("last_id"),
    _moment("at"),
)
