"""Reads the settings from the environment and ``.env``."""

from functools import lru_cache

from .environment import variable_of
from .model import Settings


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The environment's settings, read once. Raises ConfigurationError that names the settings and no value."""
    return read_settings()


def read_settings(**overrides: object) -> Settings:
    """The environment's settings with ``overrides``. Raises ConfigurationError as :func:`load_settings`."""
    return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates them


def chosen_settings(**overrides: object) -> Settings:
    """The environment's settings with those ``overrides`` that are not None. Raises ConfigurationError, TypeError."""
    chosen = {name: value for name, value in overrides.items() if value is not None}
    for name, value in chosen.items():
        if isinstance(value, Settings):
            raise TypeError(f"{name} is text, and these are settings; name them: settings=Settings(...)")
    return read_settings(**chosen) if chosen else load_settings()


def variables() -> list[str]:
    """The variables of all settings."""
    return [variable_of(name) for name in Settings.model_fields]
