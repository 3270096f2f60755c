"""All settings, typed, with units and defaults. Read from ``ALODIAL_*`` in the environment or in ``.env``."""

from ..key_limits import FrequencyCap
from .environment import variable_of
from .fields import (
    BURST_SECONDS,
    DEFAULT_ACCOUNT,
    DEFAULT_COURTESY_HOURS,
    DEFAULT_HOURS,
    DEFAULT_NAMESPACE,
    SECRETS,
    AccountSettings,
)
from .model import Settings
from .reading import chosen_settings, load_settings, read_settings, variables

__all__ = [
    "BURST_SECONDS",
    "DEFAULT_ACCOUNT",
    "DEFAULT_COURTESY_HOURS",
    "DEFAULT_HOURS",
    "DEFAULT_NAMESPACE",
    "SECRETS",
    "AccountSettings",
    "FrequencyCap",
    "Settings",
    "chosen_settings",
    "load_settings",
    "read_settings",
    "variable_of",
    "variables",
]
