"""Renders a campaign as one printable page: figures, charts with their tables, activity. No script, no other host."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alodial_schemas.durations import duration_text

from ..records import Activity, CampaignRecord
from .charts import bars, columns, strip
from .summary import Summary, summarise

if TYPE_CHECKING:
    from ..service import CampaignService

Style = Literal["inline", "link"]

MAX_TEXT = 500
"""Characters of one text on the page: names and reasons are shorter, and a longer one would fill the page."""

MAX_DAYS = 31
MAX_POLICY = 40


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("alodial.campaigns.exporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    """Texts without characters that break the page or reverse its direction; our own markup unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = "".join(c if c.isprintable() else " " for c in value[:MAX_TEXT])
    return text if len(value) <= MAX_TEXT else f"{text}…"


@cache
def report_css() -> str:
    """The page's style sheet; HTTP serves it as a separate file because of the content security policy."""
    return (resources.files(__package__) / "templates" / "report.css").read_text("utf-8")


def make_report(campaigns: "CampaignService", name: str, *, style: Style = "inline") -> str:
    """The report of a campaign as HTML; reads its rows once. Raises CampaignNotFound."""
    record = campaigns.get(name)
    zone = campaigns.settings.timezone
    summary = summarise(campaigns.rows(record.id), zone)
    return render_report(record, summary, campaigns.activity(record.id), zone=zone, style=style)


def render_report(
    record: CampaignRecord,
    summary: Summary,
    activity: Sequence[Activity],
    *,
    zone: str = "UTC",
    style: Style = "inline",
) -> str:
    """The page as HTML, with times in ``zone``. ``style="link"`` refers to ``/report.css`` instead of including it."""
    tz = ZoneInfo(zone)

    def moment(text: str | None) -> str:
        return "" if text is None else datetime.fromisoformat(text).astimezone(tz).strftime("%Y-%m-%d %H:%M")

    reached = sum(summary.dispositions.values())
    return (
        _environment()
        .get_template("report.html")
        .render(
            record=record,
            summary=summary,
            activity=activity,
            charts=_charts(record, summary),
            rate=f"{summary.answered / reached:.1%}" if reached else "none yet",
            talk=duration_text(summary.talk_seconds),
            mean=duration_text(summary.talk_seconds / summary.answered) if summary.answered else "none yet",
            longest=duration_text(summary.longest_talk),
            policy=_policy(record.request),
            moment=moment,
            now=datetime.now(UTC).astimezone(tz).strftime("%Y-%m-%d %H:%M"),
            zone=zone,
            style=style,
            css=Markup(report_css()),  # noqa: S704  # our own file
        )
    )


def _charts(record: CampaignRecord, summary: Summary) -> list[dict[str, Any]]:
    total = sum(record.calls.values())
    ended = min(total, round(record.progress * total))
    waiting = min(total - ended, record.calls.get("waiting", 0))
    progress = [("ended", ended), ("under way", total - ended - waiting), ("waiting", waiting)]
    outcomes = summary.dispositions.most_common(20) + [
        (f"({state})", count) for state, count in summary.states.most_common() if state != "completed"
    ]
    at, answered = summary.by_hour, summary.answered_by_hour
    hours = [(f"{hour:02d}", at[hour], answered[hour]) for hour in range(24)] if at else []
    days = [(day, count, summary.answered_by_day[day]) for day, count in sorted(summary.by_day.items())][-MAX_DAYS:]
    reached = [(str(tries), count) for tries, count in sorted(summary.to_reach.items())]
    tries = [(str(tries), count) for tries, count in sorted(summary.attempts.items())]
    head = ("attempts", "answered")
    return [
        _chart("Progress", ("rows", "number"), progress, strip("Progress of the rows", progress)),
        _chart("How the calls went", ("outcome", "rows"), outcomes, bars("How the calls went", outcomes)),
        _chart(
            "Calls by the hour of the day",
            ("hour", *head),
            [row for row in hours if row[1]],
            columns("Attempts by the hour of the day, the filled part answered", hours),
        ),
        _chart(
            "Calls over time",
            ("day", *head),
            days,
            columns("Attempts by day, the filled part answered", [(day[5:], n, part) for day, n, part in days]),
        ),
        _chart(
            "Attempts that it took to reach somebody",
            ("attempts", "answered rows"),
            reached,
            bars("Answered rows by the attempts they took", reached),
        ),
        _chart("Attempts of each row", ("attempts", "rows"), tries, bars("Rows by the attempts they took", tries)),
    ]


def _policy(request: dict[str, Any]) -> list[tuple[str, str]]:
    """The request's settings, such as ("policy redial max_attempts", "3"); without metadata, as others read the page."""
    lines: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{name} {key}".strip(), inner)
        elif isinstance(value, list | tuple) and any(isinstance(inner, dict | list | tuple) for inner in value):
            for number, inner in enumerate(value, 1):
                walk(f"{name} {number}", inner)
        elif value not in (None, "", [], {}):
            lines.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))

    walk("", {key: value for key, value in request.items() if key not in ("name", "columns", "metadata")})
    return lines[:MAX_POLICY]


def _chart(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], svg: str) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "svg": Markup(svg)}  # noqa: S704  # labels were escaped
