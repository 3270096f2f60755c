"""The first tables. SQLite has what PostgreSQL's arrays and trigrams do in tables beside ``calls``, which triggers fill."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BY_MONTH = "RANGE (day)"
MEASURES = ("calls", "attempts", "answered", "talk_seconds")

INDEXES = {
    "calls_created_at": "calls (created_at)",
    "calls_ended_at": "calls (ended_at)",
    "calls_state": "calls (state, disposition, ended_at)",
    "calls_wire_extid": "calls (wire_extid)",
    "calls_initiator": "calls (initiator, created_at)",
    "calls_extid": "calls (extid) WHERE extid <> wire_extid",
    "calls_reference": "calls (reference, created_at) WHERE reference <> ''",
    "calls_campaign": "calls (campaign_id, created_at) WHERE campaign_id <> ''",
    "calls_campaign_ends": "calls (campaign_id, state, disposition, ended_at) WHERE campaign_id <> ''",
    "calls_owner": "calls (owner, created_at) WHERE owner <> ''",
    "attempts_submitted_at": "attempts (submitted_at, day)",
    "attempts_extid": "attempts (extid) WHERE attempt > 1",
    "campaigns_created_at": "campaigns (created_at)",
    "audit_at": "audit (at)",
}


def _word(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=key, server_default=None if key else sa.text("''"))


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))


def _number(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def upgrade() -> None:
    """Makes the tables and their indexes."""
    lite = op.get_bind().dialect.name == "sqlite"
    _make_partitioned(lite=lite)
    op.create_table(
        "campaigns",
        _word("campaign_id", key=True),
        *map(_word, ("name", "owner", "state")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        _word("record"),
    )
    op.create_table(
        "rows",
        _word("campaign_id", key=True),
        sa.Column("row_number", sa.Integer, primary_key=True, autoincrement=False),
        _count("file_row"),
        *map(_word, ("phone", "outcome", "call_id", "extid", "cells")),
    )
    op.create_table(
        "audit",
        sa.Column("own", sa.SmallInteger, primary_key=True, autoincrement=False),
        _word("stream_id", key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *map(_word, ("entry", "hash")),
    )
    op.create_table(
        "position", _word("source", key=True), _word("last_id"), sa.Column("at", sa.BigInteger, nullable=False)
    )
    hour = sa.Column("hour", sa.SmallInteger, primary_key=True, autoincrement=False)
    _make_counts("counts_day", [], ("owner", "campaign_id", "line", "operator_code", "outcome"))
    _make_counts("counts_initiator", [], ("owner", "initiator", "outcome"))
    _make_counts("counts_hour", [hour], ("owner", "campaign_id", "operator_code", "outcome"))
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")
    if lite:
        _index_parts_in_sqlite()
    else:
        _index_parts_in_postgresql()


def _make_partitioned(*, lite: bool) -> None:
    # SQLite keeps rows by day, PostgreSQL has a partition for each month and an index of ids in it.
    # The number of a row in SQLite is its own, so that its indexes of parts stay right through a VACUUM.
    number = [sa.Column("number", sa.Integer, primary_key=True)] if lite else []
    key = sa.UniqueConstraint("day", "call_id") if lite else sa.PrimaryKeyConstraint("call_id", "day")
    op.create_table(
        "calls",
        *number,
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        *map(_word, ("owner", "account", "extid", "wire_extid", "reference", "campaign_id")),
        sa.Column("row_number", sa.Integer),
        *map(_word, ("priority", "kind", "initiator", "recipients", "search", "state", "disposition", "reason")),
        *map(_count, ("attempts", "talk_seconds")),
        *map(_word, ("line", "operator_code")),
        _count("version"),
        _count("masked", sa.SmallInteger),
        sa.Column("record", sa.LargeBinary, nullable=False),
        key,
        postgresql_partition_by=BY_MONTH,
    )
    op.create_table(
        "attempts",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        _number("attempt"),
        _word("extid"),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        *map(_word, ("disposition", "dialstatus")),
        _count("talk_seconds"),
        *map(_word, ("line", "recipient", "call_ids", "recording")),
        sa.PrimaryKeyConstraint(*(("day", "call_id", "attempt") if lite else ("call_id", "attempt", "day"))),
        postgresql_partition_by=BY_MONTH,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(*(("day", "subject", "name") if lite else ("subject", "name", "day"))),
        postgresql_partition_by=BY_MONTH,
        sqlite_with_rowid=False,
    )


def _make_counts(table: str, hours: "list[sa.Column[int]]", words: tuple[str, ...]) -> None:
    op.create_table(
        table,
        sa.Column("day", sa.Date, primary_key=True),
        *hours,
        *(sa.Column(name, sa.Text, primary_key=True) for name in words),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in MEASURES),
    )


def _index_parts_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE calls_search USING fts5(search, content='calls', content_rowid='number', "
        "tokenize='trigram', detail='none', columnsize=0)"
    )
    op.execute(
        "CREATE TABLE calls_phones (phone TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (phone, number)) WITHOUT ROWID"
    )
    phones = (
        "SELECT value FROM json_each('[' || replace(json_quote({0}.recipients), ' ', '\",\"') || ']') WHERE value <> ''"
    )
    with_phones = phones.format("new").replace("value FROM", "value, new.number FROM")
    added = f"INSERT OR IGNORE INTO calls_phones {with_phones};"
    gone = f"DELETE FROM calls_phones WHERE number = old.number AND phone IN ({phones.format('old')});"
    text_added = "INSERT INTO calls_search(rowid, search) VALUES (new.number, new.search);"
    text_gone = "INSERT INTO calls_search(calls_search, rowid, search) VALUES ('delete', old.number, old.search);"
    op.execute(f"CREATE TRIGGER calls_added AFTER INSERT ON calls BEGIN {text_added} {added} END")
    op.execute(f"CREATE TRIGGER calls_gone AFTER DELETE ON calls BEGIN {text_gone} {gone} END")
    for column, change in (("search", f"{text_gone} {text_added}"), ("recipients", f"{gone} {added}")):
        op.execute(
            f"CREATE TRIGGER calls_{column}_changed AFTER UPDATE OF {column} ON calls "
            f"WHEN old.{column} <> new.{column} BEGIN {change} END"
        )


def _index_parts_in_postgresql() -> None:
    op.execute("CREATE INDEX calls_recipients ON calls USING gin (string_to_array(recipients, ' '))")
    # BRIN costs next to nothing and finds the days within a month.
    op.execute("CREATE INDEX events_day ON events USING brin (day)")
    # An archive without pg_trgm finds parts by reading them all.
    op.execute("DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN "
        "CREATE INDEX calls_search ON calls USING gin (search gin_trgm_ops); END IF; END $$"
    )


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
