"""The arithmetic of the measurements, and the page that is made from them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from benchmarks import drain, page
from benchmarks.goals import GOALS, reached
from benchmarks.report import Report, lines, quartiles
from benchmarks.svg import bars, curves


def test_the_fullest_second_is_any_second_and_not_one_of_the_clock() -> None:
    assert drain.fullest_second([int(at * 1e9) for at in (0.0, 0.9, 0.95, 1.85, 1.9, 3.0)]) == 3


def test_a_row_says_what_it_reaches() -> None:
    assert [reached(GOALS["drain_0"], value) for value in (10, 11, 14)] == ["no", "must", "aim"]
    assert [reached(GOALS["pickup_p50"], value) for value in (3, 2.5, 1)] == ["no", "must", "aim"]
    assert reached(GOALS["cpu_1000"], 0.1) == ""


def test_a_disturbed_round_is_marked() -> None:
    report = Report()
    for foreign in (0.0, 0.5, 0.1):
        report.add("drain_0", 9.5, ours=950, anchor=100, foreign=foreign)
    row = report.document()["rows"]["drain_0"]
    assert (row["median"], row["disturbed_rounds"], row["reached"]) == (9.5, 1, "no")
    assert "1 of 3 rounds disturbed" in lines(report.document())[1]


def test_quartiles_of_few_rounds_are_their_ends() -> None:
    assert quartiles([3, 1, 2]) == {"median": 2, "q1": 1, "q3": 3}
    assert quartiles([1, 2, 3, 4, 5]) == {"median": 3, "q1": 2, "q3": 4}


def test_pictures_are_whole_documents() -> None:
    for picture in (
        bars("Calls & more", {"at once": {"alodial": 9000.0, "taskiq": 3000.0}}, "/s"),
        curves("Cost", {"claim": {1000: 44.0, 1_000_000: 45.0}, "arm": {1000: 44.0, 1_000_000: 44.5}}, " us"),
    ):
        assert ET.fromstring(picture).tag.endswith("svg")


@pytest.mark.parametrize("path", sorted(page.FIGURES.glob("*.json")), ids=lambda path: path.stem)
def test_the_page_of_performance_is_the_one_that_the_figures_make(path: Path) -> None:
    document = json.loads(path.read_text())
    part, pictures = page.part_of(document)
    text = page.PAGE.read_text()
    assert page.put(text, path.stem, part) == text, (
        f"run: python -m benchmarks.page {path.relative_to(page.DOCS.parent)}"
    )
    assert {file: (page.FIGURES / file).read_text() for file in pictures} == pictures
