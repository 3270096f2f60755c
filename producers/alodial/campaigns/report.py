"""A campaign on one page that can be printed: figures, charts with their tables, who did what. No script, no other host."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .charts import bars, columns
from .estimate import humanise
from .records import Activity, CampaignRecord
from .summary import Summary, summarise

if TYPE_CHECKING:
    from .front import Campaigns

Style = Literal["inline", "link"]


@cache
def _environment() -> Environment:
    loader = PackageLoader("alodial.campaigns")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@cache
def report_css() -> str:
    """The page's style; over HTTP it is a file of its own, for the sake of the content security policy."""
    return (resources.files(__package__) / "templates" / "report.css").read_text("utf-8")


def make_report(campaigns: "Campaigns", name: str, *, style: Style = "inline") -> str:
    """Reads the campaign's rows once and draws the page. Raises CampaignNotFound."""
    record = campaigns.get(name)
    zone = campaigns.settings.timezone
    summary = summarise(campaigns.rows(record.id), zone)
    return render_report(record, summary, campaigns.activity(record.id), zone=zone, style=style)


def render_report(
    record: CampaignRecord, summary: Summary, activity: Sequence[Activity], *, zone: str, style: Style = "inline"
) -> str:
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
            charts=_charts(summary),
            rate=f"{summary.answered / reached:.1%}" if reached else "none yet",
            talk=humanise(summary.talk_seconds),
            moment=moment,
            now=datetime.now(UTC).astimezone(tz).strftime("%Y-%m-%d %H:%M"),
            zone=zone,
            style=style,
            css=Markup(report_css()),  # noqa: S704  # our own file
        )
    )


def _charts(summary: Summary) -> list[dict[str, Any]]:
    outcomes = summary.dispositions.most_common() + [
        (state, count) for state, count in summary.states.most_common() if state != "completed"
    ]
    hours = [(f"{h:02d}", summary.by_hour[h], summary.answered_by_hour[h]) for h in range(24) if summary.by_hour]
    days = [(day, count) for day, count in sorted(summary.by_day.items())]
    tries = [(str(n), count) for n, count in sorted(summary.attempts.items())]
    return [
        _chart("How the calls went", ("outcome", "rows"), outcomes, bars("How the calls went", outcomes)),
        _chart(
            "By the hour of the day",
            ("hour", "attempts", "answered"),
            [row for row in hours if row[1]],
            columns("Attempts by the hour of the day, the filled part answered", hours),
        ),
        _chart(
            "By day",
            ("day", "attempts"),
            days[-31:],
            columns("Attempts by day", [(day[5:], n, n) for day, n in days[-31:]]),
        ),
        _chart("Attempts that a row took", ("attempts", "rows"), tries, bars("Attempts that a row took", tries)),
    ]


def _chart(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], svg: str) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "svg": Markup(svg)}  # noqa: S704  # labels were escaped
