"""Lets long reading be ended from outside: readers and checks call :func:`go_on` now and then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

EVERY: Final = 4096
"""Lines after which a reader that gives no row calls :func:`go_on`: some milliseconds."""

_check: ContextVar[Callable[[], None] | None] = ContextVar("interruption", default=None)


@contextmanager
def interrupted_by(check: Callable[[], None]) -> Iterator[None]:
    """Within the block, in this thread, reading ends with whatever ``check`` raises."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def go_on() -> None:
    """Raises what ends the reading, for example because nobody waits for it any more."""
    check = _check.get()
    if check is not None:
        check()
