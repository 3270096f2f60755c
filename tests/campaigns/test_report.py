"""The report: one page, readable without colour or script, that shows others' texts as texts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from alodial.campaigns.exporting.charts import bars, columns, strip
from alodial.campaigns.exporting.report import render_report, report_css
from alodial.campaigns.exporting.summary import MAX_WORDS, Summary, summarise
from alodial.campaigns.records import Activity, CampaignRecord, ResultRow

VOID = {"meta", "link", "br"}
KNOWN = {
    *("html", "head", "meta", "title", "link", "style", "body", "h1", "h2", "p", "bdi", "dl", "div", "dt", "dd"),
    *("section", "figure", "table", "tr", "th", "td"),
    *("svg", "desc", "rect", "text", "line", "defs", "pattern", "circle"),
}
_SEEDS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<b>",
    "]]><b>x</b>",
    "&lt;script&gt;&#60;b&#62;",
    "\u202e<i>txt.exe\0\x1b[31m",
)
HOSTILE = [seed.replace("alert(1)", f"alert({i})") + str(i) for i in range(5) for seed in _SEEDS]


def a_record(**other: object) -> CampaignRecord:
    record = CampaignRecord(
        id="01JD",
        name="Autumn",
        state="running",
        waiting="",
        opens_at=None,
        reason="",
        account="default",
        request={
            "name": "Autumn",
            "call": {},
            "policy": {"redial": {"max_attempts": 3, "delays": {"busy": [300, 900]}}},
        },
        columns=["phone"],
        source={"file": "autumn.xlsx", "kind": "xlsx"},
        rows={"file": 12, "good": 10, "bad": 1, "duplicate": 1, "suppressed": 0},
        calls={"completed": 5, "queued": 2, "waiting": 3},
        dispositions={"answered": 3, "busy": 2},
        attempts=8,
        talk_seconds=95,
        created_at="2026-11-23T04:00:00.000Z",
        started_at="2026-11-23T04:00:01.000Z",
        ended_at=None,
        created_by="dilnoza",
        owner=None,
        expected_end=None,
        progress=0.5,
    )
    return replace(record, **other)  # type: ignore[arg-type]  # the fields that the test names


def some_rows() -> Iterator[ResultRow]:
    at = "2026-11-22T20:30:00.000Z"  # 01:30 of the next day in Tashkent
    for number in range(2, 5):
        yield ResultRow(
            number,
            ("1",),
            "completed",
            disposition="answered",
            attempts=2,
            talk_seconds=30 + number,
            attempts_at=[at, at],
        )
    yield ResultRow(5, ("1",), "completed", disposition="busy", attempts=1, attempts_at=["2026-11-23T05:00:00.000Z"])
    yield ResultRow(6, ("1",), "waiting")


class Page(HTMLParser):
    """What a browser would find: elements, attributes, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_fifty_hostile_texts_stay_texts_wherever_they_stand() -> None:
    assert len(set(HOSTILE)) == 50
    for style in ("inline", "link"):
        for text in HOSTILE:
            record = a_record(
                name=text,
                reason=text,
                created_by=text,
                source={"file": text},
                request={"name": "t", "call": {}},
            )
            rows = [
                ResultRow(2, (text,), text, disposition=text, reason=text, dialstatus=text, record=text, attempts=1)
            ]
            summary = summarise(rows, "UTC")
            act = Activity("2026-11-23T04:00:00.000Z", text, text, text)
            parsed = Page(render_report(record, summary, [act], style=style))
            assert not parsed.open
            assert {tag for tag, _ in parsed.elements} <= KNOWN
            names = {name for _, attributes in parsed.elements for name in attributes}
            assert not [name for name in names if name.startswith("on") or name in ("style", "src")]
            assert all("\u202e" not in piece and "\0" not in piece and "\x1b" not in piece for piece in parsed.texts)


@pytest.mark.parametrize("style", ["inline", "link"])
def test_the_page_has_no_script_and_asks_no_other_host(style: str) -> None:
    page = render_report(a_record(), summarise(some_rows(), "UTC"), [], style=style)  # type: ignore[arg-type]  # literals
    parsed = Page(page)
    assert [a["href"] for _, a in parsed.elements if "href" in a] == (["/report.css"] if style == "link" else [])
    assert ("style" in {tag for tag, _ in parsed.elements}) == (style == "inline")
    outside = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "//" not in outside
    assert "@import" not in report_css()
    assert not re.search(r"url\((?!#)", report_css())


def test_every_chart_has_a_title_a_description_and_a_table_beside_it() -> None:
    page = render_report(a_record(), summarise(some_rows(), "Asia/Tashkent"), [], zone="Asia/Tashkent")
    charts = re.findall(r"<svg.*?</svg>", page)
    assert len(charts) == 6
    for chart in charts:
        tree = ElementTree.fromstring(chart)
        assert tree.get("role") == "img"
        assert tree.get("aria-label")
        first, second = list(tree)[:2]
        assert (first.tag.rpartition("}")[2], second.tag.rpartition("}")[2]) == ("title", "desc")
        assert first.text
        assert second.text
    assert len(re.findall(r"</figure>\s*<table>", page)) == 6


def test_the_figures_of_the_page_are_those_of_the_campaign() -> None:
    page = Page(render_report(a_record(), summarise(some_rows(), "UTC"), []))
    texts = " ".join(page.texts).replace("\u00a0", " ")
    for text in (
        "Autumn",
        "autumn.xlsx",
        "dilnoza",
        "60.0 %",
        "1 min 35 s",
        "up to 3 attempts; busy: 5 min, 15 min",
    ):
        assert text in texts


def test_a_campaign_without_a_call_has_a_page_too() -> None:
    record = a_record(calls={}, dispositions={}, rows={"good": 1}, source={}, progress=0.0)
    page = render_report(record, Summary(), [])
    assert "nothing yet" in page
    assert "none yet" in page


def test_hours_and_days_are_those_of_the_zone() -> None:
    summary = summarise(some_rows(), "Asia/Tashkent")
    assert summary.by_hour == {1: 6, 10: 1}
    assert summary.by_day == {"2026-11-23": 7}
    assert summarise(some_rows(), "UTC").by_day == {"2026-11-22": 6, "2026-11-23": 1}
    assert summarise(some_rows(), "Asia/Kolkata").by_hour == {2: 6, 10: 1}


def test_the_summary_counts_every_row_once() -> None:
    summary = summarise(some_rows(), "UTC")
    assert summary.rows == sum(summary.states.values()) == sum(summary.attempts.values()) == 5
    assert summary.attempts == {2: 3, 1: 1, 0: 1}
    assert summary.to_reach == {2: 3}
    assert (summary.answered, summary.talk_seconds, summary.longest_talk) == (3, 32 + 33 + 34, 34)


def test_a_million_different_reasons_do_not_fill_memory() -> None:
    rows = (ResultRow(i, (), "failed", reason=f"reason {i}") for i in range(10_000))
    reasons = summarise(rows, "UTC").reasons
    assert len(reasons) <= MAX_WORDS + 1
    assert sum(reasons.values()) == 10_000


def test_charts_are_told_apart_without_colour() -> None:
    drawn = strip("Progress", [("ended", 3), ("under way", 2), ("waiting", 1)])
    assert re.findall(r'class="(\w+)" x="1" y="\d\d', drawn) == ["solid", "hatched", "dotted"]
    assert "3 (50.0\u00a0%)" in drawn


@pytest.mark.parametrize("label", HOSTILE[:10])
def test_labels_of_charts_are_escaped_and_shortened(label: str) -> None:
    for drawn in (
        bars(label, [(label * 9, 1)]),
        columns(label, [(label * 9, 2, 1)]),
        strip(label[:9], [(label * 9, 1)]),
    ):
        if "\0" not in label:
            tree = ElementTree.fromstring(drawn)
            assert all(len(node.text or "") < 60 for node in tree.iter() if node.tag.endswith("}text"))
        assert "<script" not in drawn
        assert "<img" not in drawn
