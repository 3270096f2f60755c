"""Alembic runs this for each migration; ``migrate`` gives the connection."""

from alembic import context

from alodial.archive.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, version_table="archive_version")
with context.begin_transaction():
    context.run_migrations()
