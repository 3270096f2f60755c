"""When so many calls will be over, by the rate, the channels and the hours. An estimate, and pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

_DAY_MS = 86_400_000


def calls_per_second(rate: float, channels: int, seconds_per_call: float) -> float:
    """What the narrower of the two lets through; 0 stands for no limit, and infinity is answered where there is none."""
    by_channels = channels / seconds_per_call if channels and seconds_per_call > 0 else math.inf
    return min(rate or math.inf, by_channels)


def expected_end(
    *,
    calls: float,
    rate: float,
    channels: int,
    seconds_per_call: float,
    open_from: Sequence[tuple[int, bool]],
    now_ms: int,
    daily_calls: int | None = None,
) -> int | None:
    """Unix ms of the last call's end; None when the hours that are known do not suffice.

    ``open_from`` as :func:`alodial_schemas.hours.boundaries` gives it; ``daily_calls`` bound each UTC day's share.
    """
    if calls <= 0:
        return now_ms
    speed = calls_per_second(rate, channels, seconds_per_call)
    left, opened = calls, None
    today, used = None, 0.0
    tail = round(seconds_per_call * 1000)
    for moment, opens in open_from:
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
            room = (until - opened) / 1000 * speed
            if daily_calls is not None:
                room = min(room, daily_calls - used)
            if room >= left:
                return opened + (0 if speed == math.inf else round(left / speed * 1000)) + tail
            left -= room
            used += room
            opened = until
        opened = None
    return None
