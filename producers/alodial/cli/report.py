"""``alodial report outcomes|hours|campaigns``: what the archive's counts say."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json, parse_time
from .language import reader
from .output import document, heading, safe, say, table
from .session import campaign_id, open_queue

if TYPE_CHECKING:
    from ..archive.report_query import Report, ReportRow

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Count archived calls: how they end, when people answer, how campaigns compare.\n\n"
    "Example: alodial report hours --since 30d",
)

Since = Annotated[str | None, typer.Option(help="From this day on: 7d (ago), 2026-11-01. 30 days without it.")]
Until = Annotated[str | None, typer.Option(help="Before this time; today is included without it.")]
By = Annotated[list[str] | None, typer.Option(help="What to group by; once or twice.")]
Campaign = Annotated[str, typer.Option(help="Only calls of this campaign, by its name or id.")]

WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@app.command()
def outcomes(
    since: Since = None, until: Until = None, by: By = None, campaign: Campaign = "", as_json: Json = False
) -> None:
    """How calls ended, by outcome, day, weekday, month, line, operator, campaign or initiator.

    Example: alodial report outcomes --since 30d --by line --by outcome
    """
    _print(_report("outcomes", since, until, by, campaign), as_json)


@app.command()
def hours(
    since: Since = None, until: Until = None, by: By = None, campaign: Campaign = "", as_json: Json = False
) -> None:
    """When people answer: attempts by hour, weekday, day, month, operator, campaign or outcome.

    Example: alodial report hours --by weekday --by hour
    """
    report = _report("hours", since, until, by, campaign)
    _print(report, as_json)
    if report.best is not None and not as_json:
        rate = f"{100 * (report.best.answer_rate or 0):.0f} %"
        say(f"people answer best at {_words(report.best)}: {rate} of {report.best.attempts} attempts")


@app.command()
def campaigns(
    since: Since = None, until: Until = None, by: By = None, campaign: Campaign = "", as_json: Json = False
) -> None:
    """Campaigns side by side, also by outcome, day, weekday, month, line or operator.

    Example: alodial report campaigns --since 90d
    """
    _print(_report("campaigns", since, until, by, campaign), as_json)


def _report(name: str, since: str | None, until: str | None, by: list[str] | None, campaign: str) -> "Report":
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from ..archive.report_query import read_query
    from ..errors import ConfigurationError

    groups = [part.strip() for text in by or () for part in text.split(",") if part.strip()]
    with open_queue() as queue:
        within = (parse_time("--since", since), parse_time("--until", until))
        zone = ZoneInfo(queue.settings.timezone)
        query, problems = read_query(
            name, groups, *within, zone, now=datetime.now(UTC), campaign=campaign_id(queue, campaign)
        )
        if problems:
            raise typer.BadParameter("; ".join(f"--{p.field}: {p.problem}; {p.remedy}" for p in problems))
        if queue.archive is None:
            raise ConfigurationError(
                "ALODIAL_ARCHIVE_URL: is not set; reports are made from the archive (docs/reports.md)"
            )
        return queue.archive.reports.make(query)


def _words(row: "ReportRow") -> str:
    return " ".join(_word(row, name) or "none" for name in row.of if name != "campaign_name")


def _word(row: "ReportRow", name: str) -> str:
    value = row.of[name]
    if name == "weekday":
        return WEEKDAYS[value]
    if name == "hour":
        return f"{value:02}:00"
    return str(row.of.get("campaign_name") or value if name == "campaign" else value)


def _print(report: "Report", as_json: bool) -> None:
    if as_json:
        for row in report.rows:
            document(row.to_dict())
        return
    if not report.rows:
        say(f"no calls from {report.query.since} to {report.query.until}")
        return
    columns = (", ".join(report.query.by), "calls", "attempts", "answered", "answer rate", "talk", "share")
    total = report.total
    table(columns, [(safe(_words(row)), *_figures(row)) for row in report.rows] + [(heading("all"), *_figures(total))])
    say(f"from {report.query.since} to {report.query.until}{'; there are more rows' if report.more else ''}")


def _figures(row: "ReportRow") -> tuple[Any, ...]:
    rate = "" if row.answer_rate is None else f"{100 * row.answer_rate:.1f} %"
    share = "" if row.share is None else f"{100 * row.share:.1f} %"
    return row.calls, row.attempts, row.answered, rate, reader().plain_span(row.talk_seconds), share
