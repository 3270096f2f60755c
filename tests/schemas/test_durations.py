"""A duration is its two largest units."""

import pytest

from alodial_schemas.counts import count_text
from alodial_schemas.durations import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (59, "59 s"), (60, "1 min"), (3600.4, "1 h"), (3725, "1 h 2 min"), (90_000, "1 d 1 h"),
     (86_405, "1 d"), (7205, "2 h")],
)  # fmt: skip
def test_a_duration_has_two_units_at_the_most(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (-1, "-1 rows")])
def test_a_count_has_its_noun_in_the_singular_or_plural(count: int, text: str) -> None:
    assert count_text(count, "row") == text
    assert count_text(count, "row is", "rows are") == text + (" is" if count == 1 else " are")
