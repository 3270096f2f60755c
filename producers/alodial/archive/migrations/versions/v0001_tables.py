"""The first tables: calls, attempts, events, campaigns, rows, audit, position."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BY_DAY = "RANGE (day)"


def _word(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=key, server_default=None if key else sa.text("''"))


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    """Makes the tables, and the index that finds a part of a number or a reference."""
    op.create_table(
        "calls",
        sa.Column("day", sa.Date, primary_key=True),
        _word("call_id", key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        *map(_word, ("owner", "account", "extid", "wire_extid", "reference", "campaign_id")),
        sa.Column("row_number", sa.Integer),
        *map(_word, ("priority", "kind", "initiator", "recipients", "search", "state", "disposition", "reason")),
        *map(_count, ("attempts", "talk_seconds")),
        *map(_word, ("line", "operator_code")),
        _count("version"),
        _count("masked", sa.SmallInteger),
        _word("record"),
        postgresql_partition_by=BY_DAY,
    )
    for name, columns in {
        "calls_call_id": ["call_id"],
        "calls_created_at": ["created_at"],
        "calls_extid": ["extid"],
        "calls_wire_extid": ["wire_extid"],
        "calls_reference": ["reference"],
        "calls_campaign": ["campaign_id", "row_number"],
    }.items():
        op.create_index(name, "calls", columns)
    op.create_table(
        "attempts",
        sa.Column("day", sa.Date, primary_key=True),
        _word("call_id", key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        _word("extid"),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        *map(_word, ("disposition", "dialstatus")),
        _count("talk_seconds"),
        *map(_word, ("line", "recipient", "call_ids", "recording")),
        postgresql_partition_by=BY_DAY,
    )
    op.create_table(
        "events",
        sa.Column("day", sa.Date, primary_key=True),
        _word("event_id", key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *map(_word, ("type", "call_id", "campaign_id", "owner", "body")),
        postgresql_partition_by=BY_DAY,
    )
    op.create_index("events_call_id", "events", ["call_id"])
    op.create_table(
        "campaigns",
        _word("campaign_id", key=True),
        *map(_word, ("name", "owner", "state")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        _word("record"),
    )
    op.create_index("campaigns_created_at", "campaigns", ["created_at"])
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
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "position",
        _word("source", key=True),
        _word("last_id"),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _index_parts_in_sqlite()
    else:
        _index_parts_in_postgresql()


def _index_parts_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE calls_search USING fts5(search, content='calls', content_rowid='rowid', "
        "tokenize='trigram', detail='none', columnsize=0)"
    )
    added = "INSERT INTO calls_search(rowid, search) VALUES (new.rowid, new.search);"
    gone = "INSERT INTO calls_search(calls_search, rowid, search) VALUES ('delete', old.rowid, old.search);"
    op.execute(f"CREATE TRIGGER calls_added AFTER INSERT ON calls BEGIN {added} END")
    op.execute(f"CREATE TRIGGER calls_gone AFTER DELETE ON calls BEGIN {gone} END")
    op.execute(
        "CREATE TRIGGER calls_changed AFTER UPDATE OF search ON calls WHEN old.search <> new.search "
        f"BEGIN {gone} {added} END"
    )


def _index_parts_in_postgresql() -> None:
    # BRIN costs next to nothing and finds a time span; an archive without pg_trgm finds parts by reading them all.
    op.execute("CREATE INDEX calls_time ON calls USING brin (created_at)")
    op.execute("CREATE INDEX events_time ON events USING brin (at)")
    op.execute("DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN "
        "CREATE INDEX calls_search ON calls USING gin (search gin_trgm_ops); END IF; END $$"
    )


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
