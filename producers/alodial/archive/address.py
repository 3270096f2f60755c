"""The archive's address in the settings. Without SQLAlchemy, which readers of the state need not have."""

from ..errors import ConfigurationError
from ..settings import Settings
from ..settings.environment import without_password


def archive_url(settings: Settings) -> str:
    """The archive's URL. Raises ConfigurationError where none is set."""
    if settings.archive_url is None:
        raise ConfigurationError(
            "ALODIAL_ARCHIVE_URL: is not set; write sqlite:///archive.db, or a PostgreSQL (docs/archive.md)"
        )
    return settings.archive_url.get_secret_value()


def masked_url(url: str) -> str:
    """The URL without user and password."""
    return without_password(url)
