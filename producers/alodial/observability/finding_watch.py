"""Looks for findings all the time: one process for all writes the events ``alodial.finding.raised`` and ``.resolved``.

Every worker and web process has this thread. A lease in Redis decides which one works; the next takes over within LEASE.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from alodial_schemas.events import event_time

from ..i18n import DEFAULT, Translator, catalogue, translated
from ..settings import Settings
from ..store import overview
from ..store.client import Store
from ..store.shared_work import hold, save
from ..store.supervision import SupervisedThread, Supervisor, process_loops
from .diagnosis import diagnose
from .finding_changes import FindingChange, advance, findings_json, known_of, read_findings
from .process_findings import ProcessFindings
from .redaction import Scrubber, secrets_of

WORK: Final = "findings"
EVERY: Final = 5.0
LEASE: Final = 15.0


def translator_of(settings: Settings) -> Translator:
    """The translator into the installation's language, which is English where none is set.

    Its texts are read now: a process that has no file descriptors left could not say so later.
    """
    language = settings.language or DEFAULT
    catalogue(language)
    translated("", language)
    return Translator(language, ZoneInfo(settings.timezone))


def finding_event(change: FindingChange, now_ms: int) -> str:
    """Returns the CloudEvent of a change, as JSON. Made again for the same change it has the same id."""
    finding = change.finding
    moment = finding.raised if change.change == "raised" else now_ms
    subject = f"{finding.code}:{finding.subject}" if finding.subject else finding.code
    digest = hashlib.blake2b(f"{subject}|{finding.raised}".encode(), digest_size=8).hexdigest()
    data: dict[str, Any] = dict.fromkeys(
        ("call_id", "extid", "reference", "campaign_id", "state", "disposition", "attempt")
    )
    data |= {
        "metadata": {},
        "code": finding.code,
        "severity": finding.severity,
        "text": finding.text,
        "remedy": finding.remedy,
        "command": finding.command,
        "since": event_time(datetime.fromtimestamp(finding.since / 1000, UTC)),
    }
    event = {
        "specversion": "1.0",
        "id": f"finding-{digest}-{1 if change.change == 'raised' else 2}",
        "source": "/alodial",
        "type": f"alodial.finding.{change.change}",
        "subject": subject,
        "time": event_time(datetime.fromtimestamp(moment / 1000, UTC)),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


class FindingWatch(SupervisedThread):
    """Refreshes the process' own findings, and compares all findings with the last ones while it has the lease."""

    def __init__(
        self, store: Store, process: str, own: ProcessFindings, supervisor: Supervisor = process_loops
    ) -> None:
        super().__init__("findings", self._step, supervisor)
        self._store = store
        self._process = process
        self._own = own
        self._t = translator_of(store.settings)
        self._scrub = Scrubber(secrets_of(store.settings))

    def _step(self) -> float:
        now = self._store.server_ms()
        self._own.refresh(now)
        self.look()
        return EVERY

    def look(self) -> list[FindingChange]:
        """Looks once. Returns what was raised and resolved; nothing where another process has the lease."""
        held = self._store.run(hold(WORK, self._process, lease=LEASE))
        if held.outcome == "other":
            return []
        state = self._store.call(overview.read, self._store.settings)
        present = known_of(diagnose(state), state.now, self._scrub.text, self._t)
        known, changes = advance(read_findings(held.state), present, state.now)
        written = findings_json(known)
        if written == held.state:
            return []
        events = [finding_event(change, state.now) for change in changes]
        saving = save(WORK, self._process, lease=LEASE, number=held.number, state=written, events=events)
        return changes if self._store.run(saving).outcome == "saved" else []
