"""The parameters ``since`` and ``until``."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from alodial.archive.report_query import read_query
from alodial.web.query_times import TimeRange

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Asia/Tashkent", "America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "text", ["0001-01-01", "1899-12-30", "9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_no_call_has_is_refused_by_its_name(text: str, zone: str) -> None:
    times = TimeRange(text, text, ZoneInfo(zone))
    assert (times.since, times.until) == (None, None)
    assert [(problem.field, problem.code) for problem in times.problems] == [
        ("since", "bad_time"),
        ("until", "bad_time"),
    ]


@pytest.mark.parametrize("zone", ["Asia/Tashkent", "America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("text", ["1900-01-02", "1970-01-01", "9998-12-30"])
def test_every_other_time_has_its_days_in_a_report(text: str, zone: str) -> None:
    times = TimeRange(text, text, ZoneInfo(zone))
    assert times.problems == []
    read_query("outcomes", [], times.since, times.until, ZoneInfo(zone), now=NOW)
