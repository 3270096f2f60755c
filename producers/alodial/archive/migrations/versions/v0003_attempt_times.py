"""The order of attempts by the moment of their POST, for the calls behind a report on hours."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index."""
    op.create_index("attempts_submitted_at", "attempts", ["submitted_at", "day"])


def downgrade() -> None:
    """An archive is not taken back to an earlier version."""
    raise NotImplementedError("restore a backup to go back to an earlier version")
