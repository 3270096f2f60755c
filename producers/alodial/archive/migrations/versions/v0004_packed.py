"""Packed records and events, keys that are looked for by call, and indexes for the lists that people ask for.

Records and events that are there stay as they are, as bytes; readers know them by their first byte.
"""

from typing import Any

from alembic import op

from alodial.archive.packing import subject_key
from alodial.archive.partitions import partition_days, partition_name

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "calls_state": "calls (state, disposition, ended_at)",
    "calls_extid": "calls (extid) WHERE extid <> wire_extid",
    "calls_reference": "calls (reference, created_at) WHERE reference <> ''",
    "calls_campaign": "calls (campaign_id, created_at) WHERE campaign_id <> ''",
    "calls_owner": "calls (owner, created_at) WHERE owner <> ''",
    "attempts_extid": "attempts (extid) WHERE attempt > 1",
}

KEPT = {
    "calls_created_at": "calls (created_at)",
    "calls_ended_at": "calls (ended_at)",
    "calls_wire_extid": "calls (wire_extid)",
    "calls_call_id": "calls (call_id)",
    "attempts_submitted_at": "attempts (submitted_at, day)",
}
"""Indexes that SQLite loses with the table that it makes anew; in PostgreSQL the key replaces that of ids."""

GONE = (
    "calls_call_id",
    "calls_extid",
    "calls_reference",
    "calls_campaign",
    "calls_time",
    "events_time",
    "events_call_id",
)

SUBJECT = "COALESCE(NULLIF(call_id, ''), campaign_id)"


def upgrade() -> None:
    """Changes the tables; what they hold stays."""
    if op.get_bind().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")


def _upgrade_postgresql() -> None:
    for name in GONE:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    for table, key in (("calls", "call_id, day"), ("attempts", "call_id, attempt, day")):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
        if table == "calls":
            op.execute("ALTER TABLE calls ALTER COLUMN record DROP DEFAULT")
            op.execute("ALTER TABLE calls ALTER COLUMN record TYPE bytea USING convert_to(record, 'UTF8')")
        op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({key})")
    op.execute(
        "CREATE TABLE events_new (day date NOT NULL, subject bytea NOT NULL, name text NOT NULL, body bytea NOT NULL, "
        "PRIMARY KEY (subject, name, day)) PARTITION BY RANGE (day)"
    )
    for day in partition_days(op.get_bind(), "events"):
        old = partition_name("events", day)
        op.execute(
            f"CREATE TABLE new_{old} PARTITION OF events_new FOR VALUES FROM ('{day}') TO (CAST('{day}' AS date) + 1)"
        )
        op.execute(
            f"INSERT INTO events_new SELECT day, CASE WHEN id ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' "
            "AND id NOT LIKE '00%' THEN decode(replace(id, '-', ''), 'hex') "
            "ELSE decode('00', 'hex') || convert_to(id, 'UTF8') END, "
            "CASE WHEN starts_with(event_id, id) THEN substr(event_id, length(id) + 1) ELSE event_id END, "
            f"convert_to(body, 'UTF8') FROM (SELECT *, {SUBJECT} AS id FROM {old}) AS old"
        )
        op.execute(f"DROP TABLE {old}")
        op.execute(f"ALTER TABLE new_{old} RENAME TO {old}")
    op.execute("DROP TABLE events")
    op.execute("ALTER TABLE events_new RENAME TO events")
    op.execute("ALTER INDEX events_new_pkey RENAME TO events_pkey")


def _upgrade_sqlite() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    driver.create_function("subject_key", 1, subject_key)
    words = ["owner", "account", "extid", "wire_extid", "reference", "campaign_id"]
    more = ["priority", "kind", "initiator", "recipients", "search", "state", "disposition", "reason"]
    columns = (
        "day DATE NOT NULL, call_id TEXT NOT NULL, created_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, "
        f"{_words(words)}, row_number INTEGER, {_words(more)}, attempts INTEGER NOT NULL DEFAULT 0, "
        f"talk_seconds INTEGER NOT NULL DEFAULT 0, {_words(['line', 'operator_code'])}, version INTEGER NOT NULL DEFAULT 0, "
        "masked SMALLINT NOT NULL DEFAULT 0, record BLOB NOT NULL"
    )
    names = ", ".join(part.split()[0] for part in columns.split(", "))
    # The number of a row is its own, so that the index of parts stays right through a VACUUM.
    _made_anew(
        "calls",
        f"number INTEGER PRIMARY KEY, {columns}, CONSTRAINT calls_key UNIQUE (day, call_id)",
        f"({names}) SELECT {names.replace(' record', ' CAST(record AS BLOB)')} FROM old_calls ORDER BY created_at",
        drop=("calls_search", "calls_added", "calls_gone", "calls_changed"),
    )
    attempts = ["disposition", "dialstatus"]
    _made_anew(
        "attempts",
        f"day DATE NOT NULL, call_id TEXT NOT NULL, attempt INTEGER NOT NULL, {_words(['extid'])}, submitted_at BIGINT, "
        f"ended_at BIGINT, {_words(attempts)}, talk_seconds INTEGER NOT NULL DEFAULT 0, "
        f"{_words(['line', 'recipient', 'call_ids', 'recording'])}, PRIMARY KEY (day, call_id, attempt)",
        "SELECT * FROM old_attempts ORDER BY day, call_id",
        rows="WITHOUT ROWID",
    )
    _made_anew(
        "events",
        "day DATE NOT NULL, subject BLOB NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (day, subject, name)",
        "SELECT day, subject_key(id), CASE WHEN substr(event_id, 1, length(id)) = id THEN substr(event_id, length(id) + 1) "
        f"ELSE event_id END, CAST(body AS BLOB) FROM (SELECT *, {SUBJECT} AS id FROM old_events) ORDER BY 1, 2",
        rows="WITHOUT ROWID",
    )
    for name, indexed in KEPT.items():
        op.execute(f"CREATE INDEX {name} ON {indexed}")
    _index_parts_in_sqlite()


def _words(names: list[str]) -> str:
    return ", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in names)


def _made_anew(table: str, columns: str, rows_of_old: str, *, rows: str = "", drop: tuple[str, ...] = ()) -> None:
    for name in drop:
        op.execute(f"DROP {'TABLE' if name == 'calls_search' else 'TRIGGER'} {name}")
    op.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    op.execute(f"CREATE TABLE {table} ({columns}) {rows}")
    op.execute(f"INSERT INTO {table} {rows_of_old}")
    op.execute(f"DROP TABLE old_{table}")


def _index_parts_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE calls_search USING fts5(search, content='calls', content_rowid='number', "
        "tokenize='trigram', detail='none', columnsize=0)"
    )
    op.execute("INSERT INTO calls_search(calls_search) VALUES ('rebuild')")
    added = "INSERT INTO calls_search(rowid, search) VALUES (new.number, new.search);"
    gone = "INSERT INTO calls_search(calls_search, rowid, search) VALUES ('delete', old.number, old.search);"
    op.execute(f"CREATE TRIGGER calls_added AFTER INSERT ON calls BEGIN {added} END")
    op.execute(f"CREATE TRIGGER calls_gone AFTER DELETE ON calls BEGIN {gone} END")
    op.execute(
        "CREATE TRIGGER calls_changed AFTER UPDATE OF search ON calls WHEN old.search <> new.search "
        f"BEGIN {gone} {added} END"
    )


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
