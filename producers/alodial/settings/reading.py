"""Reads the settings from the environment and ``.env``, and says in words what is wrong with them."""

from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from ..errors import ConfigurationError
from . import environment
from .model import Settings


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The environment's settings, read once. Raises ConfigurationError that names the settings and no value."""
    return read_settings()


def read_settings(**overrides: object) -> Settings:
    """The environment's settings with ``overrides``. Raises ConfigurationError as :func:`load_settings`."""
    if "_env_file" not in overrides:
        environment.read_env_file()  # for its errors: the library would raise its own, with tracebacks
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as exc:
        raise ConfigurationError("; ".join([_problem(error) for error in exc.errors()])) from None
    except SettingsError as exc:
        # Its text is: error parsing value for field "accounts" from source "EnvSettingsSource"
        name = str(exc).partition('"')[2].partition('"')[0]
        raise ConfigurationError(f"{variable_of(name)}: is not JSON; docs/settings.md shows the form") from None


def chosen_settings(**overrides: object) -> Settings:
    """The environment's settings with those ``overrides`` that are not None. Raises ConfigurationError."""
    chosen = {name: value for name, value in overrides.items() if value is not None}
    return read_settings(**chosen) if chosen else load_settings()


def variable_of(field: str) -> str:
    """The variable of the environment that sets a field."""
    return f"{environment.PREFIX}{field.upper()}"


def variables() -> list[str]:
    """The variables of all settings."""
    return [variable_of(name) for name in Settings.model_fields]


def _problem(error: ErrorDetails) -> str:
    """The setting's name and the rule that it breaks, without its value."""
    if not error["loc"]:
        return environment.value_problem(error, None)
    name, *inner = (str(part) for part in error["loc"])
    example = Settings.model_fields[name].get_default() if name in Settings.model_fields and not inner else None
    path = "".join(f" {part}:" for part in (".".join(inner),) if part)
    return f"{variable_of(name)}:{path} {environment.value_problem(error, example)}"
