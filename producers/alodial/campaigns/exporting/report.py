"""Renders a campaign as one printable page: figures, charts with their tables, activity. No script, no other host."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...i18n import DEFAULT, Translator
from ..records import Activity, CampaignRecord
from .charts import bars, columns, strip
from .summary import Summary, summarise
from .terms import terms

if TYPE_CHECKING:
    from ..service import CampaignService

Style = Literal["inline", "link"]

MAX_TEXT = 500
"""Characters of one text on the page: names and reasons are shorter, and a longer one would fill the page."""

MAX_DAYS = 31


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


def make_report(
    campaigns: "CampaignService",
    name: str,
    *,
    style: Style = "inline",
    texts: Translator | None = None,
) -> str:
    """The report of a campaign as HTML; reads its rows once. Raises CampaignNotFound.

    ``texts`` are the language that it is in, English by default.
    """
    record = campaigns.get(name)
    zone = campaigns.settings.timezone
    summary = summarise(campaigns.rows(record.id), zone)
    activity = campaigns.activity(record.id)
    return render_report(record, summary, activity, zone=zone, style=style, texts=texts)


def render_report(
    record: CampaignRecord,
    summary: Summary,
    activity: Sequence[Activity],
    *,
    zone: str = "UTC",
    style: Style = "inline",
    texts: Translator | None = None,
) -> str:
    """The page as HTML, with times in ``zone``. ``style="link"`` refers to ``/report.css`` instead of including it."""
    tz = ZoneInfo(zone)
    t = texts or Translator(DEFAULT, tz)

    def moment(text: str | None) -> str:
        return "" if text is None else datetime.fromisoformat(text).astimezone(tz).strftime("%Y-%m-%d %H:%M")

    # The campaign's own counts, as its page shows them: rows whose records have expired have lost theirs.
    answered, talk = record.answered, record.talk_seconds
    return (
        _environment()
        .get_template("report.html")
        .render(
            t=t,
            record=record,
            summary=summary,
            activity=activity,
            charts=_charts(record, summary, t),
            rate=t("printed.none") if record.answer_rate is None else t.percent(record.answer_rate),
            talk=t.span(talk),
            mean=t.span(talk / answered) if answered else t("printed.none"),
            longest=t.span(summary.longest_talk),
            settings=terms(record.request, t),
            moment=moment,
            now=datetime.now(UTC).astimezone(tz).strftime("%Y-%m-%d %H:%M"),
            zone=zone,
            style=style,
            css=Markup(report_css()),  # noqa: S704  # our own file
        )
    )


def _charts(record: CampaignRecord, summary: Summary, t: Translator) -> list[dict[str, Any]]:
    total = sum(record.calls.values())
    ended = min(total, round(record.progress * total))
    waiting = min(total - ended, record.calls.get("waiting", 0))
    progress = [
        (t("printed.is_ended"), ended),
        (t("printed.under_way"), total - ended - waiting),
        (t("printed.waiting"), waiting),
    ]
    dispositions = sorted(record.dispositions.items(), key=lambda item: -item[1])
    outcomes = [(t.known("disposition", name), count) for name, count in dispositions[:20]] + [
        (f"({t.known('call', state)})", count) for state, count in summary.states.most_common() if state != "completed"
    ]
    at, answered = summary.by_hour, summary.answered_by_hour
    hours = [(f"{hour:02d}", at[hour], answered[hour]) for hour in range(24)] if at else []
    days = [(day, count, summary.answered_by_day[day]) for day, count in sorted(summary.by_day.items())][-MAX_DAYS:]
    reached = [(str(tries), count) for tries, count in sorted(summary.to_reach.items())]
    tries = [(str(tries), count) for tries, count in sorted(summary.attempts.items())]
    head = (t("printed.tries"), t("printed.answered_count"))
    counted = t("printed.count")
    short_days = [(day[5:], n, part) for day, n, part in days]
    return [
        _chart(
            t("printed.progress"),
            (counted, t("printed.number")),
            progress,
            strip(t("printed.row_progress"), progress, t),
        ),
        _chart(
            t("printed.outcomes"), (t("printed.outcome"), counted), outcomes, bars(t("printed.outcomes"), outcomes, t)
        ),
        _chart(
            t("printed.hours"),
            (t("printed.hour"), *head),
            [row for row in hours if row[1]],
            columns(t("printed.hours_about"), hours, t),
        ),
        _chart(t("printed.days"), (t("printed.day"), *head), days, columns(t("printed.days_about"), short_days, t)),
        _chart(
            t("printed.reach"),
            (head[0], t("printed.answered_rows")),
            reached,
            bars(t("printed.reach_about"), reached, t),
        ),
        _chart(t("printed.attempts_each"), (head[0], counted), tries, bars(t("printed.attempts_about"), tries, t)),
    ]


def _chart(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], svg: str) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "svg": Markup(svg)}  # noqa: S704  # labels were escaped
