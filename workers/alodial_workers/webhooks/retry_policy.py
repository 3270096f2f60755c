"""Decides what a receiver's answer means for a delivery, and when it is tried again. Pure."""

import random
from collections.abc import Mapping
from typing import Final

from alodial.store.webhooks import DeliveryTry, Outcome

from ..alovoice.answer_classification import Clock, retry_after

SCHEDULE: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between the tries, from the Standard Webhooks specification: ten tries over 75 h 35 m."""

THROTTLED: Final = (429, 502, 504)


def next_delay(tries: int, jitter: float | None = None) -> float | None:
    """Returns the seconds until the next try after ``tries`` tries, up to 10 % longer by chance; None after the tenth."""
    if tries > len(SCHEDULE):
        return None
    jitter = random.random() if jitter is None else jitter
    return SCHEDULE[tries - 1] * (1 + 0.1 * jitter)


def classify_delivery(
    id: str, tries: int, status: int, headers: Mapping[str, str], took: float, problem: str, now: Clock
) -> DeliveryTry:
    """Returns the record of one try.

    ``tries`` counts those before it, ``took`` is in seconds. ``status`` 0 means no answer, for the reason ``problem``.
    """
    if 200 <= status < 300:
        return DeliveryTry(id, "ok", None, status, took, "")
    delay = next_delay(tries + 1)
    outcome: Outcome = "failed"
    if status == 410:
        outcome, problem = "gone", "gone"
        delay = None
    elif status in THROTTLED:
        outcome, problem = "throttled", f"http_{status}"
        if delay is not None:
            delay = max(delay, retry_after(headers, now) or 0.0)
    elif 300 <= status < 400:
        problem = "redirect"
    elif status:
        problem = f"http_{status}"
    return DeliveryTry(id, outcome, delay, status, took, problem)
