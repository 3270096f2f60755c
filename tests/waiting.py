"""Waiting in tests for what another thread, process or server brings about."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(
    condition: Callable[[], Any],
    *,
    within: float = 20,
    what: str | Callable[[], object] = "what the test waits for",
    every: float = 0.02,
) -> Any:
    """The condition's first true value, asked for ``every`` so many seconds; fails with ``what`` after ``within`` of them."""
    deadline = time.monotonic() + within
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {within:g} s: {what() if callable(what) else what}"
        time.sleep(every)
