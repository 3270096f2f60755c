"""What a result adds to the metrics and to its call's trace."""

from alodial.observability import tracing
from alodial.store import counters
from alodial.store.call_transitions import Applied
from alodial_schemas.alovoice.result import CallResult

LONGEST = 86_400.0
"""Seconds between a call's end and its result; more is a wrong clock or a replay and would spoil the mean."""


def measure(result: CallResult, outcome: Applied, entry: str, now_ms: int) -> None:
    """``entry`` is the body's place in the inbox, whose first part is when it came; ``now_ms`` is Redis' clock."""
    here = counters.here
    here.count(counters.RESULTS, outcome.outcome)
    if outcome.outcome not in ("completed", "redial", "corrected"):
        return
    came = int(entry.partition("-")[0])
    here.observe(counters.APPLIED, (now_ms - came) / 1000)
    if result.end_time is not None and abs(late := came / 1000 - result.end_time.timestamp()) < LONGEST:
        here.observe(counters.ARRIVED, late)
    if outcome.outcome != "corrected":
        here.count(counters.ATTEMPTS, outcome.account, result.disposition)
    tracing.record(
        "alodial.result",
        outcome.id,
        (now_ms - came) / 1000,
        account=outcome.account,
        attempt=outcome.attempt,
        disposition=result.disposition,
        outcome=outcome.outcome,
    )
