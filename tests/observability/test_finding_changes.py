"""Which findings become events and alerts: the rules alone, at moments of a clock of its own."""

from dataclasses import replace

from alodial.observability.diagnosis import Diagnosis
from alodial.observability.finding_changes import (
    CALM_MS,
    FORGET_MS,
    RAISE_AFTER_MS,
    Alerts,
    Findings,
    advance,
    alerts_json,
    due_alerts,
    findings_json,
    known_of,
    read_alerts,
    read_findings,
)

NO_WORKER = Diagnosis("no_worker", "problem", {"waiting": 3})
SILENT = Diagnosis("worker_silent", "warning", {"worker": "a:1", "silent_s": 12.0, "in_flight": 0})
BOUND = Diagnosis("rate_bound", "info", {"account": "default", "rate": 5, "allowed": 5, "ready": 9, "left_s": 2.0})
HOUR = 3600.0


class Watch:
    """What is known at a moment, step by step."""

    def __init__(self) -> None:
        self.now = 1_000_000_000
        self.known: Findings = {}
        self.sent: Alerts = {}

    def look(self, *diagnoses: Diagnosis, after: int = 5_000) -> list[str]:
        self.now += after
        self.known, changes = advance(self.known, known_of(diagnoses, self.now), self.now)
        self.known = read_findings(findings_json(self.known))
        return [f"{row.finding.code} {row.change}" for row in changes]

    def alerts(self, reminder: float = HOUR) -> list[str]:
        due, after = due_alerts(self.known, self.sent, self.now, reminder)
        self.sent = read_alerts(alerts_json(after))
        return [f"{row.finding.code} {row.change}" for row in due]

    def raise_(self, diagnosis: Diagnosis) -> None:
        self.look(diagnosis)
        assert self.look(diagnosis, after=RAISE_AFTER_MS) == [f"{diagnosis.code} raised"]


def test_a_finding_that_lasts_is_raised_once_and_resolved_once_it_stays_away() -> None:
    watch = Watch()
    assert watch.look(NO_WORKER) == []
    assert watch.look(NO_WORKER, after=RAISE_AFTER_MS - 1) == []
    assert watch.look(NO_WORKER, after=1) == ["no_worker raised"]
    assert watch.look(NO_WORKER) == []
    assert watch.look() == []
    assert watch.look(after=CALM_MS) == ["no_worker resolved"]
    assert watch.look() == []


def test_a_moment_of_it_is_no_event() -> None:
    watch = Watch()
    assert watch.look(NO_WORKER) + watch.look() + watch.look(NO_WORKER, after=60_000) + watch.look() == []


def test_a_finding_that_is_there_again_after_nobody_looked_has_lasted() -> None:
    watch = Watch()
    watch.look(NO_WORKER)
    assert watch.look(NO_WORKER, after=3_600_000) == ["no_worker raised"]


def test_a_finding_that_flaps_has_few_events_and_alerts_for_hours() -> None:
    watch = Watch()
    events, alerts = [], []
    for minute in range(24 * 60):
        present = [NO_WORKER] if minute % 4 < 2 else []  # two minutes there, two minutes away
        for _ in range(6):
            events += watch.look(*present, after=10_000)
            alerts += watch.alerts(reminder=0)
    assert len(events) <= 6
    assert alerts == events
    assert events[:2] == ["no_worker raised", "no_worker resolved"]


def test_after_an_hour_of_calm_it_begins_anew() -> None:
    watch = Watch()
    watch.raise_(NO_WORKER)
    watch.look()
    assert watch.look(after=CALM_MS) == ["no_worker resolved"]
    assert watch.known
    watch.look(after=FORGET_MS + 1)
    assert watch.known == {}


def test_findings_of_one_code_are_told_apart_by_what_they_are_about() -> None:
    watch = Watch()
    other = replace(SILENT, values={**SILENT.values, "worker": "b:2"})
    watch.look(SILENT, other)
    assert watch.look(SILENT, other, after=RAISE_AFTER_MS) == ["worker_silent raised"] * 2


def test_an_alert_goes_once_then_as_a_reminder_while_it_is_a_problem_then_as_resolved() -> None:
    watch = Watch()
    watch.raise_(NO_WORKER)
    assert watch.alerts() == ["no_worker raised"]
    assert watch.alerts() == []
    watch.look(NO_WORKER, after=round(HOUR * 1000))
    assert watch.alerts(reminder=0) == []
    assert watch.alerts() == ["no_worker still"]
    assert watch.alerts() == []
    watch.look()
    watch.look(after=CALM_MS)
    assert watch.alerts() == ["no_worker resolved"]
    assert watch.alerts() == []


def test_a_warning_is_sent_and_never_repeated_and_an_info_is_an_event_only() -> None:
    watch = Watch()
    watch.look(SILENT, BOUND)
    assert watch.look(SILENT, BOUND, after=RAISE_AFTER_MS) == ["worker_silent raised", "rate_bound raised"]
    assert watch.alerts() == ["worker_silent raised"]
    watch.look(SILENT, BOUND, after=round(HOUR * 1000))
    assert watch.alerts() == []


def test_a_warning_that_became_a_problem_is_sent_again() -> None:
    watch = Watch()
    full = Diagnosis("store_full", "warning", {"percent": 85, "limit_mb": 6, "allowed": 90})
    watch.raise_(full)
    assert watch.alerts() == ["store_full raised"]
    watch.look(replace(full, severity="problem"))
    assert watch.alerts() == ["store_full raised"]


def test_what_another_version_saved_otherwise_is_left_out() -> None:
    assert read_findings("") == read_findings("{") == read_findings('{"a": {"code": "x"}, "b": 3}') == {}
