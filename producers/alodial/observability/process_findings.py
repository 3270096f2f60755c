"""What is wrong with a process' own surroundings, which no other process sees: its settings, broker, folders and clock."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import redis.exceptions

from ..errors import ConfigurationError
from ..settings import Settings, variables
from ..settings.environment import unknown_settings
from ..store.connect import connect, may_fail_over
from ..store.redis_address import failure_cause
from .diagnosis import ACCEPTED

CLOCK_TOLERANCE: Final = 5.0
"""Seconds that a process' clock may differ from Redis': log lines and certificates are dated by it, no call is."""

PING_TIMEOUT: Final = 2.0


def settings_findings(settings: Settings) -> dict[str, str]:
    """Returns what the settings of this process say, by code: names that are none, Sentinels that lose calls."""
    findings = {}
    try:
        unknown = unknown_settings(variables())
    except ConfigurationError:
        unknown = []  # a .env that cannot be read has stopped this process already
    if unknown:
        findings["setting_unknown"] = "; ".join(unknown)
    if may_fail_over(settings.redis_url.get_secret_value()) and settings.durability != "replica":
        accepted = f", {ACCEPTED}" if settings.accept_risk else ""
        findings["store_loses_on_failover"] = f"ALODIAL_DURABILITY={settings.durability}{accepted}"
    return findings


def broker_problem(settings: Settings) -> str:
    """Returns why the broker's own Redis does not answer; "" where it does, or is the store's."""
    if settings.broker_url is None:
        return ""
    url = settings.broker_url.get_secret_value()
    try:
        client = connect(
            url,
            namespace=settings.namespace,
            timeout=min(PING_TIMEOUT, settings.redis_timeout),
            connections=1,
            repeat=0,
        )
        try:
            client.ping()
        finally:
            client.close()
    except (redis.exceptions.RedisError, OSError) as exc:
        return failure_cause(exc)
    return ""


class ProcessFindings:
    """The findings of this process, for its heartbeat. ``others`` returns what its own parts say, by code."""

    def __init__(self, settings: Settings, others: Callable[[], Mapping[str, str]] = dict) -> None:
        self._settings = settings
        self._others = others
        self._fixed = settings_findings(settings)
        self._changing: dict[str, str] = {}

    def refresh(self, server_ms: int) -> None:
        """Looks again at what may change while the process runs. ``server_ms`` is Redis' time now."""
        found = {"broker_unreachable": broker_problem(self._settings)}
        differs = abs(time.time() - server_ms / 1000)
        if differs > CLOCK_TOLERANCE:
            found["clock_differs"] = f"{differs:.0f} s"
        self._changing = {code: detail for code, detail in found.items() if detail}

    def current(self) -> dict[str, str]:
        """Returns them by code, each with what it is."""
        return {**self._fixed, **self._changing, **self._others()}
