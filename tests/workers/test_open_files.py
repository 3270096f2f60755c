"""A worker has no more POSTs in flight than it may open connections for."""

import resource

import pytest
from structlog.testing import capture_logs

from alodial.settings import Settings
from alodial.settings.open_files import raise_file_limit
from alodial_workers.main import OTHER_FILES, within_open_files


@pytest.mark.parametrize(
    ("files", "in_flight"),
    [(2048 + OTHER_FILES, 2048), (1_000_000, 2048), (1024, 1024 - OTHER_FILES), (300, 150), (1, 1)],
)
def test_posts_in_flight_are_bounded_by_the_files_that_a_worker_may_open(
    settings: Settings, files: int, in_flight: int
) -> None:
    with capture_logs() as lines:
        bounded = within_open_files(settings.model_copy(update={"max_in_flight": 2048}), files)
    assert bounded.max_in_flight == in_flight
    named = [(line["event"], line["max_in_flight"], line["open_files"]) for line in lines]
    assert named == ([] if in_flight == 2048 else [("worker.in_flight_bounded", in_flight, files)])


def test_the_limit_of_open_files_is_raised_as_far_as_the_system_allows_and_never_lowered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {"now": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, pair: limits.update(now=pair))
    assert raise_file_limit(2304) == 2304
    assert raise_file_limit(1500) == 2304
    assert raise_file_limit(9000) == 4096
    assert limits["now"] == (4096, 4096)

    def refused(_kind: int, _pair: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)
    limits["now"] = (1024, resource.RLIM_INFINITY)
    assert raise_file_limit(2304) == 1024
