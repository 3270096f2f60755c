"""Sends raised and resolved findings to people through Apprise (extra ``alodial[alerts]``), from one process for all.

A message goes at least once: a process that dies between sending and noting it is followed by one that sends it again.
"""

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from ..errors import ConfigurationError
from ..i18n import ENGLISH, Translator
from ..settings import Settings
from ..store.client import Store
from ..store.shared_work import hold, save, state_of
from ..store.supervision import SupervisedThread, Supervisor, process_loops
from .finding_changes import FindingChange, alerts_json, due_alerts, read_alerts, read_findings
from .finding_watch import WORK as FINDINGS
from .finding_watch import FindingWatch, translator_of
from .process_findings import ProcessFindings
from .redaction import Scrubber, secrets_of

WORK: Final = "alerts"
EVERY: Final = 5.0
LEASE: Final = 30.0
"""Seconds, longer than a receiver may hang; it is renewed before each of them."""

RETRY: Final = 30.0
"""Seconds to the next try after no receiver took a message."""

MAX_LINES: Final = 20

log = structlog.get_logger("alodial.alerts")


class AlertTargets:
    """The receivers in ``ALODIAL_ALERTS``. Raises ConfigurationError, without secrets, for one that Apprise does not know."""

    def __init__(self, settings: Settings) -> None:
        try:
            self._apprise: Any = importlib.import_module("apprise")
        except ImportError:
            raise ConfigurationError(
                "ALODIAL_ALERTS is set, but Apprise is not installed; run: pip install 'alodial[alerts]'"
            ) from None
        # Its own lines may hold a receiver's address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = self._apprise.AppriseAsset(app_id="Alodial", app_desc="Alodial")
        self._targets: list[tuple[str, Any]] = []
        for number, url in enumerate(settings.alerts, 1):
            scheme = url.get_secret_value().partition("://")[0]
            target = self._apprise.Apprise.instantiate(url.get_secret_value(), asset=asset, suppress_exceptions=True)
            if target is None:
                raise ConfigurationError(
                    f"ALODIAL_ALERTS: entry {number} ({scheme}://...) is no address that Apprise knows; "
                    "its page of that service shows the form"
                )
            self._targets.append((f"{number} ({scheme})", target))

    def send(self, title: str, body: str, before_each: Callable[[], object] = lambda: None) -> dict[str, bool]:
        """Sends a message to each receiver. Returns by its number and service whether it was taken."""
        taken = {}
        for label, target in self._targets:
            before_each()
            try:
                taken[label] = bool(target.notify(title=title, body=body, body_format="text"))
            except Exception as exc:  # whatever a service's plugin does, the others get the message
                log.warning("alert.crashed", target=label, error=type(exc).__name__)
                taken[label] = False
        return taken


def alert_text(due: Sequence[FindingChange], public_url: str = "", t: Translator = ENGLISH) -> tuple[str, str]:
    """Returns title and text of one message about all that is due, the worst first, in the language of ``t``."""
    new = [row for row in due if row.change != "resolved"]
    order = ("problem", "warning", "info")
    rows = [*sorted(new, key=lambda row: order.index(row.finding.severity)), *(row for row in due if row not in new)]
    title = t(f"alert.title.{rows[0].finding.severity if new else 'resolved'}")
    if rows[1:]:
        title = t("alert.title_more", title=title, count=len(rows) - 1)
    lines = []
    for row in rows[:MAX_LINES]:
        finding = row.finding
        if row.change == "resolved":
            lines.append(t("alert.resolved", text=finding.text))
            continue
        lines.append(t(f"alert.{row.change}.{finding.severity}", text=finding.text))
        lines.append(t("alert.do", remedy=finding.remedy) + (f" ({finding.command})" if finding.command else ""))
        if public_url and finding.screen:
            lines.append(public_url + finding.screen)
    if len(rows) > MAX_LINES:
        lines.append(t("alert.more", count=len(rows) - MAX_LINES))
    return title, "\n".join(lines)


class AlertSender(SupervisedThread):
    """Sends what is due while this process has the lease."""

    def __init__(
        self, store: Store, process: str, targets: AlertTargets, supervisor: Supervisor = process_loops
    ) -> None:
        super().__init__("alerts", self.send_due, supervisor)
        self._store = store
        self._process = process
        self._targets = targets
        self._t = translator_of(store.settings)
        self._scrub = Scrubber(secrets_of(store.settings))

    def send_due(self) -> float:
        """Sends one message for everything that is due. Returns the seconds to the next look."""
        settings = self._store.settings
        held = self._store.run(hold(WORK, self._process, lease=LEASE))
        if held.outcome == "other":
            return EVERY
        now = self._store.server_ms()
        known = read_findings(self._store.call(state_of, FINDINGS))
        due, after = due_alerts(known, read_alerts(held.state), now, settings.alert_reminder)
        if not due:
            return EVERY
        title, body = alert_text(due, settings.public_url, self._t)
        taken = self._targets.send(
            self._scrub.text(title),
            self._scrub.text(body),
            lambda: self._store.run(hold(WORK, self._process, lease=LEASE)),
        )
        if failed := sorted(label for label, ok in taken.items() if not ok):
            log.error("alert.failed", targets=failed, findings=len(due), hint="alodial alerts test")
        if not any(taken.values()):
            return RETRY
        self._store.run(save(WORK, self._process, lease=LEASE, number=held.number, state=alerts_json(after)))
        log.info("alert.sent", findings=len(due))
        return EVERY


def alert_threads(store: Store, process: str, own: ProcessFindings) -> list[SupervisedThread]:
    """The threads of a process that look for findings and, where ``ALODIAL_ALERTS`` names receivers, send them.

    Raises ConfigurationError as :class:`AlertTargets`.
    """
    threads: list[SupervisedThread] = [FindingWatch(store, process, own)]
    if store.settings.alerts:
        threads.append(AlertSender(store, process, AlertTargets(store.settings)))
    return threads
