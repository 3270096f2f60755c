"""Settings that are dangerous although they can be meant so, and the refusal to start with them."""

from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..settings import Settings
from ..settings.environment import is_loopback


class SettingRisk(NamedTuple):
    """A setting that is dangerous, although it can be meant so."""

    label: str
    problem: str
    remedy: str


def risks(settings: Settings) -> list[SettingRisk]:
    """The dangers of these settings, which ALODIAL_ACCEPT_RISK takes upon itself."""
    dangers = []
    if not settings.allowed_prefixes:
        problem = "ALODIAL_ALLOWED_PREFIXES: lets the numbers of every country be called, at whatever price"
        dangers.append(
            SettingRisk("prefixes.all", problem, "ALODIAL_ALLOWED_PREFIXES=+998, or ALODIAL_ACCEPT_RISK=true")
        )
    url = urlsplit(settings.provider_url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        problem = "ALODIAL_PROVIDER_URL: the token and all numbers would be sent in clear text"
        dangers.append(
            SettingRisk("provider.url", problem, "ALODIAL_PROVIDER_URL=https://..., or ALODIAL_ACCEPT_RISK=true")
        )
    return dangers


def require_no_risk(settings: Settings) -> None:
    """Raises ConfigurationError for a danger that nobody accepted. Called where a worker or web starts."""
    if not settings.accept_risk and (dangers := risks(settings)):
        raise ConfigurationError("; ".join(f"{danger.problem}; set {danger.remedy}" for danger in dangers))
