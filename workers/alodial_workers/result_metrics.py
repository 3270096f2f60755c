"""Counts applied results in the metrics and in their calls' traces."""

from alodial.observability import tracing
from alodial.store import counters
from alodial.store.call_transitions import Applied
from alodial_schemas.alovoice.result import CallResult

MAX_LATENESS = 86_400.0
"""Seconds between a call's end and its result; a longer time is a wrong clock or a replay and would spoil the mean."""


def measure(result: CallResult, outcome: Applied, entry: str, now_ms: int) -> None:
    """Records one applied result.

    ``entry`` is the body's id in the inbox, which begins with its arrival in ms; ``now_ms`` is Redis' clock.
    """
    counts = counters.process_counters
    counts.count(counters.RESULTS, outcome.outcome)
    if outcome.outcome not in ("completed", "redial", "corrected"):
        return
    arrived_ms = int(entry.partition("-")[0])
    counts.observe(counters.APPLIED, (now_ms - arrived_ms) / 1000)
    if result.end_time is not None and abs(late := arrived_ms / 1000 - result.end_time.timestamp()) < MAX_LATENESS:
        counts.observe(counters.ARRIVED, late)
    if outcome.outcome != "corrected":
        counts.count(counters.ATTEMPTS, outcome.account, result.disposition)
    tracing.record(
        "alodial.result",
        outcome.id,
        (now_ms - arrived_ms) / 1000,
        account=outcome.account,
        attempt=outcome.attempt,
        disposition=result.disposition,
        outcome=outcome.outcome,
    )
