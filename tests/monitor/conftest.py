"""The monitor's screens on the real ``alodial web`` of tests/web, on an emptied Redis."""

from collections.abc import Iterator

import pytest

from alodial import CallQueue
from web.conftest import Web, shared_web, web

from .call_stage import Stage
from .client import Operator

__all__ = ["shared_web", "web"]


@pytest.fixture
def operator(web: Web) -> Iterator[Operator]:
    operator = Operator(web, name="Aziza")
    yield operator
    operator.http.close()


@pytest.fixture
def stage(queue: CallQueue) -> Stage:
    return Stage(queue)
