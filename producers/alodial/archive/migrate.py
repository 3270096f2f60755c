"""Brings an archive to the tables of this version, with the migrations that come with the package."""

from importlib import resources
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from ..errors import ConfigurationError
from .engine import LONG_SECONDS, reading, writing

VERSION_TABLE: Final = "archive_version"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files(__package__) / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine) -> None:
    """Applies the migrations that the archive does not have, all or none of them, one process at a time.

    Raises ArchiveUnavailable, and ConfigurationError for an archive of a later version.
    """
    config = _config()
    with writing(engine, LONG_SECONDS) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise ConfigurationError(
                "ALODIAL_ARCHIVE_URL: a later version of alodial wrote this archive; upgrade this one"
            ) from None


def is_current(engine: Engine) -> bool:
    """Whether the archive has the tables of this version. Raises ArchiveUnavailable."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with reading(engine) as connection:
        return _version(connection) == head


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
