"""Estimates when a number of calls will have ended, by the rate, the channels and the hours. No I/O."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

_DAY_MS = 86_400_000


def calls_per_second(rate: float, channels: int, seconds_per_call: float) -> float:
    """The lower of the rate and what the channels allow; 0 means no limit, and infinity is returned for none."""
    by_channels = channels / seconds_per_call if channels and seconds_per_call > 0 else math.inf
    return min(rate or math.inf, by_channels)


def expected_end(
    *,
    calls: float,
    rate: float,
    channels: int,
    seconds_per_call: float,
    boundaries: Sequence[tuple[int, bool]],
    now_ms: int,
    daily_calls: int | None = None,
) -> int | None:
    """The end of the last call, in Unix ms; None when ``boundaries`` do not reach that far.

    ``boundaries`` are those of :func:`alodial_schemas.hours.boundaries`; ``daily_calls`` limits each UTC day.
    """
    if calls <= 0:
        return now_ms
    rate_allowed = calls_per_second(rate, channels, seconds_per_call)
    left, opened = calls, None
    today, used = None, 0.0
    tail = round(seconds_per_call * 1000)
    for moment, opens in boundaries:
        if opens:
            opened = max(moment, now_ms)
            continue
        if opened is None or moment <= opened:
            continue
        while opened < moment:
            day = datetime.fromtimestamp(opened / 1000, UTC).date()
            if day != today:
                today, used = day, 0.0
            until = min(moment, (opened // _DAY_MS + 1) * _DAY_MS)
            room = (until - opened) / 1000 * rate_allowed
            if daily_calls is not None:
                room = min(room, daily_calls - used)
            if room >= left:
                return opened + (0 if rate_allowed == math.inf else round(left / rate_allowed * 1000)) + tail
            left -= room
            used += room
            opened = until
        opened = None
    return None
