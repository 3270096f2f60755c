"""The counts of reports, by day, initiator and hour; and the order of calls by their end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables of counts, and the index of the lists of ended calls."""
    by_day = ("owner", "campaign_id", "line", "operator_code", "outcome")
    _counts("counts_day", [], by_day)
    _counts("counts_initiator", [], ("owner", "initiator", "outcome"))
    hour = sa.Column("hour", sa.SmallInteger, primary_key=True, autoincrement=False)
    _counts("counts_hour", [hour], ("owner", "campaign_id", "operator_code", "outcome"))
    op.create_index("calls_ended_at", "calls", ["ended_at"])


def _counts(table: str, hours: "list[sa.Column[int]]", words: tuple[str, ...]) -> None:
    op.create_table(
        table,
        sa.Column("day", sa.Date, primary_key=True),
        *hours,
        *(sa.Column(name, sa.Text, primary_key=True) for name in words),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("calls", "attempts", "answered", "talk_seconds")),
    )


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
