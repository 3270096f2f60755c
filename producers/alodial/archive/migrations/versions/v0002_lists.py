"""Indexes for lists of one line, operator, account or reason, and of calls that ended without a result."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "calls_ends": "calls (state, ended_at) WHERE state <> 'completed'",
    "calls_line": "calls (line, created_at)",
    "calls_operator": "calls (operator_code, created_at)",
    "calls_account": "calls (account, created_at) WHERE account <> 'default'",
    "calls_reason": "calls (reason, created_at) WHERE reason <> ''",
}


def upgrade() -> None:
    """Makes the indexes; readers go on meanwhile."""
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
