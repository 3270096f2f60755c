"""How long each kind of data is kept: one table, which the monitor's *Settings* and docs/security.md show."""

from typing import Final, NamedTuple

from ..settings import Settings
from .column_mappings import KEEP_SECONDS
from .inbox import DEAD_RETENTION_MS
from .webhooks import PARKED_MS


class KeptData(NamedTuple):
    """A kind of data with its name in the texts: ``seconds`` after its end, or the ``newest`` so many; neither: until removed."""

    kind: str
    seconds: float | None = None
    newest: int | None = None
    setting: str = ""


MONTH: Final = 30.44 * 86400
"""Seconds of a month, about."""

KINDS: Final = {
    "calls": "records of calls, after their end, with the names and results in them",
    "campaigns": "campaigns with their rows, after their end",
    "keys": "idempotency keys, after the end of their call",
    "events": "events, the newest; those that no group has read a while longer",
    "logs": "log lines, the newest",
    "audit": "acts in the audit, the newest; as many again of keys marked own",
    "orphans": "results whose call is not known yet",
    "results": "results that nobody could use",
    "webhooks": "events that a webhook did not take",
    "columns": "what a file's columns were used for",
    "archive": "archived calls with their attempts and events, after their creation",
    "do_not_call": "do-not-call lists, and the hashes of erased numbers",
}
"""Every kind of data about people that Redis or the archive holds, in English."""


def _calls_setting(settings: Settings) -> str:
    return "ALODIAL_CALL_RETENTION" if settings.archive_url is None else "ALODIAL_LIVE_RETENTION"


def kept_data(settings: Settings) -> list[KeptData]:
    """The table under these settings, in the order of KINDS."""
    return [
        KeptData("calls", settings.live_life, setting=_calls_setting(settings)),
        KeptData("campaigns", settings.call_retention, setting="ALODIAL_CALL_RETENTION"),
        KeptData("keys", settings.idempotency_retention, setting="ALODIAL_IDEMPOTENCY_RETENTION"),
        KeptData("events", newest=settings.events_keep, setting="ALODIAL_EVENTS_KEEP"),
        KeptData("logs", newest=settings.logs_keep, setting="ALODIAL_LOGS_KEEP"),
        KeptData("audit", newest=settings.audit_keep, setting="ALODIAL_AUDIT_KEEP"),
        KeptData("orphans", settings.orphan_timeout, setting="ALODIAL_ORPHAN_TIMEOUT"),
        KeptData("results", DEAD_RETENTION_MS / 1000),
        KeptData("webhooks", PARKED_MS / 1000),
        KeptData("columns", KEEP_SECONDS),
        KeptData("archive", settings.archive_months * MONTH or None, setting="ALODIAL_ARCHIVE_MONTHS"),
        KeptData("do_not_call"),
    ]
