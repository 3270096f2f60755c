"""What a receiver's answer means for an event, and when it is tried again. Pure."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from alodial.store.webhooks import DeliveryTry, Outcome

SCHEDULE: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between the tries, as Standard Webhooks gives them: ten tries over 75 h 35 m."""

THROTTLED: Final = (429, 502, 504)
MAX_HOLD: Final = 3600.0


def next_delay(tries: int, jitter: float | None = None) -> float | None:
    """Seconds until the next try after ``tries`` of them; None after the tenth. Up to a tenth longer, by chance."""
    if tries > len(SCHEDULE):
        return None
    share = random.random() if jitter is None else jitter
    return SCHEDULE[tries - 1] * (1 + 0.1 * share)


def held_for(value: str, now: datetime) -> float:
    """Seconds of a ``Retry-After``, a number or a date; 0 for anything else, an hour at most."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 10:
        return min(float(text), MAX_HOLD)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, min((moment - now).total_seconds(), MAX_HOLD))


def classify_delivery(
    id: str, tries: int, status: int, headers: Mapping[str, str], took: float, why: str, now: datetime
) -> DeliveryTry:
    """What one try means. ``tries`` counts those before it; ``status`` 0 says that there was no answer, ``why`` why not."""
    if 200 <= status < 300:
        return DeliveryTry(id, "ok", None, status, took, "")
    delay = next_delay(tries + 1)
    outcome: Outcome = "failed"
    if status == 410:
        outcome, why = "gone", "gone"
        delay = None
    elif status in THROTTLED:
        outcome, why = "throttled", f"http_{status}"
        hold = held_for(headers.get("retry-after", ""), now)
        if delay is not None:
            delay = max(delay, hold)
    elif 300 <= status < 400:
        why = "redirect"
    elif status:
        why = f"http_{status}"
    return DeliveryTry(id, outcome, delay, status, took, why)
