"""Which findings are raised and resolved, and which alerts are due for them. No I/O.

A finding that comes and goes is raised once: it must last to be raised, and stay away to be resolved, longer each time.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, NamedTuple

from ..i18n import ENGLISH, Translator
from .diagnosis import Diagnosis, Severity, render_remedy, render_sentence

RAISE_AFTER_MS: Final = 30_000
"""A finding that lasts shorter is no event: limits are reached for moments, and workers restart."""

CALM_MS: Final = 60_000
"""A finding that stays away for so long is resolved. Each time that it comes back it must stay away twice as long."""

MAX_CALM_MS: Final = 3_600_000
FORGET_MS: Final = 3_600_000
"""A finding that stayed away for so long after it was resolved begins anew."""

ALERTED: Final = frozenset({"problem", "warning"})

Change = Literal["raised", "still", "resolved"]


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding with its texts. Times are Unix ms: ``since`` when it came, ``away`` since when it is not there (0: it is),
    ``raised`` when it became an event (0: it did not); ``times`` is how often that was. While nobody looks nothing changes."""

    code: str
    subject: str
    severity: Severity
    text: str
    remedy: str
    command: str
    screen: str
    since: int
    away: int = 0
    raised: int = 0
    times: int = 0

    @property
    def calm(self) -> int:
        """For how many ms it must stay away to be resolved."""
        return int(min(MAX_CALM_MS, CALM_MS * 2 ** min(16, max(0, self.times - 1))))


Findings = dict[str, KnownFinding]


class FindingChange(NamedTuple):
    """What happened to a finding."""

    change: Change
    finding: KnownFinding


def known_of(
    diagnoses: Iterable[Diagnosis], now_ms: int, scrub: Callable[[str], str] = str, t: Translator = ENGLISH
) -> Findings:
    """Returns the findings of this moment by code and subject, in the language of ``t``.

    ``scrub`` takes secrets and numbers out of a text.
    """
    findings: Findings = {}
    for diagnosis in diagnoses:
        findings.setdefault(
            f"{diagnosis.code} {scrub(diagnosis.subject)}",
            KnownFinding(
                diagnosis.code,
                scrub(diagnosis.subject),
                diagnosis.severity,
                scrub(render_sentence(diagnosis, t)),
                scrub(render_remedy(diagnosis, t)),
                diagnosis.command,
                diagnosis.screen,
                now_ms,
            ),
        )
    return findings


def advance(known: Mapping[str, KnownFinding], present: Findings, now_ms: int) -> tuple[Findings, list[FindingChange]]:
    """Returns what is known after the findings of this moment, and which of them are raised or resolved by it."""
    after: Findings = {}
    changes: list[FindingChange] = []
    for key, finding in present.items():
        before = known.get(key)
        if before is not None and (before.raised or not before.away or now_ms - before.away <= RAISE_AFTER_MS):
            finding = replace(finding, since=before.since, raised=before.raised, times=before.times)  # noqa: PLW2901
        elif before is not None:
            finding = replace(finding, times=before.times)  # noqa: PLW2901
        if not finding.raised and now_ms - finding.since >= RAISE_AFTER_MS:
            finding = replace(finding, raised=now_ms, times=finding.times + 1)  # noqa: PLW2901
            changes.append(FindingChange("raised", finding))
        after[key] = finding
    for key, finding in known.items():
        if key in present:
            continue
        gone = replace(finding, away=finding.away or now_ms)
        away = now_ms - gone.away
        if gone.raised and away >= gone.calm:
            changes.append(FindingChange("resolved", gone))
            after[key] = replace(gone, raised=0)
        elif gone.raised or away <= (gone.calm + FORGET_MS if gone.times else RAISE_AFTER_MS):
            after[key] = gone
    return after, changes


@dataclass(frozen=True, slots=True)
class SentAlert:
    """The last alert about a finding: its severity and texts then, and when it went, Unix ms."""

    severity: Severity
    text: str
    at: int


Alerts = dict[str, SentAlert]


def due_alerts(
    known: Mapping[str, KnownFinding], sent: Mapping[str, SentAlert], now_ms: int, reminder: float
) -> tuple[list[FindingChange], Alerts]:
    """Returns the alerts that are due, and what has been sent once they are.

    A raised problem or warning is due once, again when a warning became a problem, a problem every ``reminder`` seconds
    (0: never), and the resolution of each that was sent.
    """
    due: list[FindingChange] = []
    after: Alerts = {}
    for key, finding in known.items():
        if not finding.raised:
            continue
        alert = sent.get(key)
        change: Change | None = None
        if finding.severity in ALERTED and (
            alert is None or (finding.severity, alert.severity) == ("problem", "warning")
        ):
            change = "raised"
        elif alert is not None and finding.severity == "problem" and 0 < reminder * 1000 <= now_ms - alert.at:
            change = "still"
        if change is not None:
            due.append(FindingChange(change, finding))
            after[key] = SentAlert(finding.severity, finding.text, now_ms)
        elif alert is not None:
            after[key] = alert
    for key, alert in sent.items():
        if key not in after:
            code, _, subject = key.partition(" ")
            gone = KnownFinding(code, subject, alert.severity, alert.text, "", "", "", alert.at)
            due.append(FindingChange("resolved", gone))
    return due, after


def findings_json(known: Findings) -> str:
    """The JSON in which the store keeps them."""
    return json.dumps({key: asdict(finding) for key, finding in known.items()}, separators=(",", ":"))


def alerts_json(sent: Alerts) -> str:
    """As :func:`findings_json`."""
    return json.dumps({key: asdict(alert) for key, alert in sent.items()}, separators=(",", ":"))


def read_findings(state: str) -> Findings:
    """Reads what :func:`findings_json` wrote; what another version wrote otherwise is left out."""
    names = {field.name for field in fields(KnownFinding)}
    return {key: KnownFinding(**row) for key, row in _rows(state, names)}


def read_alerts(state: str) -> Alerts:
    """As :func:`read_findings`."""
    return {key: SentAlert(**row) for key, row in _rows(state, {field.name for field in fields(SentAlert)})}


def _rows(state: str, names: set[str]) -> list[tuple[str, dict[str, Any]]]:
    try:
        rows = json.loads(state or "{}")
    except ValueError:
        return []
    return [(key, row) for key, row in rows.items() if isinstance(row, dict) and row.keys() == names]
