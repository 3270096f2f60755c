"""``alodial campaign``: from a spreadsheet to a finished call list."""

import getpass
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .campaign_shown import show_campaign, show_report, show_row, watch_campaign
from .opened import open_queue
from .output import document, line, say, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..campaigns.records import CampaignRecord
    from ..queue import CallQueue

app = typer.Typer(
    no_args_is_help=True,
    help="Check, submit, watch and steer campaigns.\n\nExample: alodial campaign submit clients.csv --from 712037006",
)

File = Annotated[
    Path, typer.Argument(help="CSV, XLSX or NDJSON; `alodial campaign template` writes one to begin with.")
]
Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id, a beginning of it, or its name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Title = Annotated[str, typer.Option("--name", help="What it is called; the file's name when not given.")]
From = Annotated[str | None, typer.Option("--from", help="Two-way: the initiator, rung before each row's phones.")]
QueueName = Annotated[str | None, typer.Option("--queue", help="PBX queue: each row's phone is rung and joined to it.")]
Ivr = Annotated[int | None, typer.Option("--ivr", help="IVR menu that each row's phone is put into; needs --line.")]
Line = Annotated[str | None, typer.Option("--line", help="The line that an IVR call goes out from.")]
Lang = Annotated[str | None, typer.Option(help="Language of announcements, where a row gives none.")]
Account = Annotated[str, typer.Option(help="AloVoice account.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN where a column's name does not tell.")]
Metadata = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, handed back in the events of every call.")]
Hours = Annotated[str | None, typer.Option(help='When it may ring: "mon-fri 09:00-18:00; sat 10:00-14:00".')]
Zone = Annotated[str | None, typer.Option(help='Zone of the hours, or "number" for the number\'s own.')]
Holiday = Annotated[list[str] | None, typer.Option(help="A day on which it does not ring, such as 2027-03-21.")]
Start = Annotated[str | None, typer.Option("--start", help="ISO 8601 with zone: not before.")]
End = Annotated[str | None, typer.Option("--end", help="ISO 8601 with zone: what was not dialled by then expires.")]
Pace = Annotated[float | None, typer.Option(help="Calls a second, at most.")]
Channels = Annotated[int | None, typer.Option(help="Of the account's channels, at most.")]
Priority = Annotated[str | None, typer.Option(help="bulk or normal.")]
Weight = Annotated[int | None, typer.Option(help="Share beside other campaigns, 1 to 100.")]
Redial = Annotated[str | None, typer.Option(help='What is dialled again and when: "busy=5m,15m no_answer=1h,4h".')]
MaxAttempts = Annotated[int | None, typer.Option(help="Attempts for a row, the first included; 3 when not given.")]
PerDay = Annotated[int | None, typer.Option("--max-attempts-per-day", help="Of them in one day.")]
RowTtl = Annotated[str | None, typer.Option(help="A row not dialled this long after the start expires: 90m, 2d.")]
DailyCalls = Annotated[int | None, typer.Option(help="Calls in a day, at most.")]
DailyMinutes = Annotated[int | None, typer.Option(help="Minutes of talk in a day, at most.")]
Prefix = Annotated[list[str] | None, typer.Option(help="Only numbers of this beginning, such as +99890.")]
Goal = Annotated[int | None, typer.Option(help="So many answered calls are enough; the rest is canceled.")]
Failures = Annotated[int | None, typer.Option("--stop-after-failures", help="So many failures in a row pause it.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="The policy as JSON or TOML; options win over it.")]
Errors = Annotated[Path | None, typer.Option("--errors", help="Write the rows not taken there, each with its reason.")]


def who() -> str:
    """Whose name the activity log gets."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


@app.command()
def check(
    file: File,
    name: Title = "",
    initiator: From = None,
    queue: QueueName = None,
    ivr: Ivr = None,
    line: Line = None,
    lang: Lang = None,
    account: Account = "default",
    map: Map = None,
    metadata: Metadata = None,
    hours: Hours = None,
    zone: Zone = None,
    holiday: Holiday = None,
    starts_at: Start = None,
    ends_at: End = None,
    pace: Pace = None,
    channels: Channels = None,
    priority: Priority = None,
    weight: Weight = None,
    redial: Redial = None,
    max_attempts: MaxAttempts = None,
    max_attempts_per_day: PerDay = None,
    row_ttl: RowTtl = None,
    daily_calls: DailyCalls = None,
    daily_minutes: DailyMinutes = None,
    prefix: Prefix = None,
    goal: Goal = None,
    stop_after_failures: Failures = None,
    policy: PolicyFile = None,
    errors: Errors = None,
    as_json: Json = False,
) -> None:
    """Read a file as a submission would, and say what is right and wrong with it. Nobody is called.

    Exit code 1 when a row is bad.

    Example: alodial campaign check clients.csv --from 712037006 --errors bad.csv
    """
    options = _options(locals())
    if initiator is None and queue is None and ivr is None:
        # What a row's call would be is of no matter to the file: numbers are judged alike.
        options["queue"] = "0"
    from .progress import reading  # noqa: PLC0415  # --help need not load it

    with open_queue() as opened, _problems_to(errors, file) as on_problem, reading("checking") as progress:
        from .campaign_asked import request_of  # noqa: PLC0415  # as above

        request = request_of(opened.settings, options)
        report = opened.campaigns.check(file, request, progress=progress, on_problem=on_problem)
    if as_json:
        document(report.to_dict())
    else:
        show_report(report)
    if report.bad:
        raise typer.Exit(1)


@app.command()
def submit(
    file: File,
    name: Title = "",
    initiator: From = None,
    queue: QueueName = None,
    ivr: Ivr = None,
    line: Line = None,
    lang: Lang = None,
    account: Account = "default",
    map: Map = None,
    metadata: Metadata = None,
    hours: Hours = None,
    zone: Zone = None,
    holiday: Holiday = None,
    starts_at: Start = None,
    ends_at: End = None,
    pace: Pace = None,
    channels: Channels = None,
    priority: Priority = None,
    weight: Weight = None,
    redial: Redial = None,
    max_attempts: MaxAttempts = None,
    max_attempts_per_day: PerDay = None,
    row_ttl: RowTtl = None,
    daily_calls: DailyCalls = None,
    daily_minutes: DailyMinutes = None,
    prefix: Prefix = None,
    goal: Goal = None,
    stop_after_failures: Failures = None,
    policy: PolicyFile = None,
    errors: Errors = None,
    again: Annotated[bool, typer.Option("--again", help="Although these rows were submitted before.")] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Wait for `alodial campaign resume`.")] = False,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="PHONE", help="Place the first row's call to your own phone, no campaign."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and watch it.")] = False,
    as_json: Json = False,
) -> None:
    """Submit a file's good rows as a campaign. Broken off, the same command goes on where it stopped.

    Exit code 1 when a row was bad, though the good ones are dialled.

    Example: alodial campaign submit clients.csv --from 712037006 --hours "mon-sat 09:00-18:00" --redial busy=5m,15m
    """
    options = _options(locals())
    from .campaign_asked import request_of  # noqa: PLC0415  # --help need not load it
    from .progress import reading  # noqa: PLC0415  # as above

    with open_queue() as opened:
        request = request_of(opened.settings, options)
        if test is not None:
            _test(opened, file, request, test, as_json)
            return
        with _problems_to(errors, file) as on_problem, reading("submitting") as progress:
            record = opened.campaigns.submit(
                file, request, who=who(), again=again, paused=paused, progress=progress, on_problem=on_problem
            )
        _told(record, as_json)
        if record.rows.get("bad") and not as_json:
            say(f"hint: {record.rows['bad']} rows are bad; alodial campaign problems {record.id}")
        if watch:
            watch_campaign(opened, record.id, as_json=as_json)
    if record.rows.get("bad"):
        raise typer.Exit(1)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a command by name; lists that were not given are empty."""
    lists = {"map", "metadata", "holiday", "prefix"}
    return {name: (value or []) if name in lists else value for name, value in given.items()}


@contextmanager
def _problems_to(path: Path | None, file: Path) -> "Iterator[Callable[[Any], None] | None]":
    """Writes the rows that are not taken, in the form of the file they came from."""
    if path is None:
        yield None
        return
    from ..campaigns.errors import BadFile  # noqa: PLC0415  # --help need not load it
    from ..campaigns.errors_out import ErrorsOut  # noqa: PLC0415  # as above
    from ..campaigns.files import open_source  # noqa: PLC0415  # as above

    if path.resolve() == file.resolve():
        raise typer.BadParameter("--errors: give another file than the one that is read")
    try:
        out = path.open("wb")
    except OSError as exc:
        raise BadFile("no_access", f"{path.name!r} cannot be written ({exc.strerror})", "give another path") from None
    with out:
        errors = ErrorsOut(out, open_source(file).columns)
        yield errors.add
        errors.close()


def _test(opened: "CallQueue", file: Path, request: Any, number: str, as_json: bool) -> None:
    """The first good row's call, to somebody's own phone."""
    from alodial_schemas import PhoneError, normalise_phone  # noqa: PLC0415  # as above

    from ..campaigns.check import Judge  # noqa: PLC0415  # as above
    from ..campaigns.errors import InvalidCampaign  # noqa: PLC0415  # as above
    from ..campaigns.expand import trial_call  # noqa: PLC0415  # as above
    from ..campaigns.files import open_source  # noqa: PLC0415  # as above

    try:
        phone = normalise_phone(number, allowed=opened.settings.allowed_prefixes)
    except PhoneError as exc:
        raise typer.BadParameter(f"--test: {exc}") from None
    judge = Judge(open_source(file), request, opened.settings, suppressed=opened.dnc.listed)
    first = next((rows[0] for rows, _ in judge.chunks(1) if rows), None)
    if first is None:
        raise InvalidCampaign([])
    call = opened.enqueue(trial_call(first[1], request, phone))
    if as_json:
        document({"id": call.id, "extid": call.extid, "state": call.state})
    else:
        line(f"{call.id}  extid {call.extid}  {call.state}")
        say(f"hint: row {first[0]} as a test; alodial calls show {call.extid}")


def _told(record: "CampaignRecord", as_json: bool) -> None:
    if as_json:
        document(record.to_dict())
    else:
        show_campaign(record)


@app.command("list")
def list_campaigns(
    state: Annotated[str, typer.Option(help="Only campaigns in this state.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Of the list before.")] = None,
    as_json: Json = False,
) -> None:
    """List campaigns, newest first.

    Example: alodial campaign list --state running
    """
    from alodial_schemas.campaigns import CampaignState  # noqa: PLC0415  # --help need not load it

    if state and state not in set(CampaignState):
        raise typer.BadParameter(f"--state {state!r}: use one of {', '.join(CampaignState)}")
    if cursor is not None and not cursor.isdigit():
        raise typer.BadParameter(f"--cursor {cursor!r}: give what the last list printed")
    with open_queue() as opened:
        page = opened.campaigns.list(state=state, cursor=cursor, limit=limit)
    if as_json:
        for record in page.campaigns:
            document(record.to_dict())
    elif page.campaigns:
        table(("id", "name", "state", "rows", "done", "answered", "expected end"), map(show_row, page.campaigns))
    else:
        say("no campaigns")
    if page.cursor is not None:
        say(f"hint: more with --cursor {page.cursor}")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a campaign with its figures.

    Example: alodial campaign show clients
    """
    with open_queue() as opened:
        _told(opened.campaigns.get(name), as_json)


@app.command()
def watch(name: Name, as_json: Json = False) -> None:
    """Watch a campaign until it is over; Ctrl+C leaves it running.

    Example: alodial campaign watch clients
    """
    with open_queue() as opened:
        watch_campaign(opened, opened.campaigns.get(name).id, as_json=as_json)


Reason = Annotated[str, typer.Option(help="Why, for the activity log.")]


@app.command()
def pause(name: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Pause a campaign: no new call of it on any worker; what rings goes on.

    Example: alodial campaign pause clients --reason "wrong greeting"
    """
    with open_queue() as opened:
        _told(opened.campaigns.pause(name, who=who(), reason=reason), as_json)


@app.command()
def resume(name: Name, as_json: Json = False) -> None:
    """Resume a paused campaign where it was.

    Example: alodial campaign resume clients
    """
    with open_queue() as opened:
        _told(opened.campaigns.resume(name, who=who()), as_json)


@app.command()
def cancel(name: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Cancel a campaign for good.

    Example: alodial campaign cancel clients
    """
    with open_queue() as opened:
        _told(opened.campaigns.cancel(name, who=who(), reason=reason), as_json)


@app.command()
def pace(
    name: Name,
    rate: Annotated[str, typer.Argument(help="Calls a second, or `none` for no limit of its own.")],
    channels: Annotated[int | None, typer.Option(min=1, help="Of the account's channels, at most.")] = None,
    weight: Annotated[int | None, typer.Option(min=1, max=100, help="Share beside other campaigns.")] = None,
    as_json: Json = False,
) -> None:
    """Change how fast a campaign goes, at once.

    Example: alodial campaign pace clients 2.5
    """
    changes: dict[str, Any] = {}
    if rate == "none":
        changes["pace"] = None
    else:
        try:
            changes["pace"] = float(rate)
        except ValueError:
            raise typer.BadParameter(f"{rate!r}: give calls a second, such as 2.5, or none") from None
    if channels is not None:
        changes["channels"] = channels
    if weight is not None:
        changes["weight"] = weight
    with open_queue() as opened:
        _told(opened.campaigns.change(name, who=who(), **changes), as_json)


@app.command()
def add(
    name: Name,
    file: File,
    again: Annotated[bool, typer.Option("--again", help="Although these rows were submitted before.")] = False,
    errors: Errors = None,
    as_json: Json = False,
) -> None:
    """Add a file's rows to a campaign that has not ended; all of its good rows or none.

    Example: alodial campaign add clients more.csv
    """
    from .progress import reading  # noqa: PLC0415  # --help need not load it

    with open_queue() as opened, _problems_to(errors, file) as on_problem, reading("adding") as progress:
        record = opened.campaigns.add(name, file, who=who(), again=again, progress=progress, on_problem=on_problem)
    _told(record, as_json)


@app.command()
def clone(
    name: Name,
    new_name: Annotated[str, typer.Option("--name", help="What the copy is called.")] = "",
    as_json: Json = False,
) -> None:
    """The same rows and policy once more, paused.

    Example: alodial campaign clone clients --name "clients, second round"
    """
    with open_queue() as opened:
        _told(opened.campaigns.clone(name, who=who(), new_name=new_name), as_json)


@app.command()
def retry(
    name: Name,
    new_name: Annotated[str, typer.Option("--name", help="What the new campaign is called.")] = "",
    as_json: Json = False,
) -> None:
    """Call the rows that nobody answered once more, as a new campaign; the old one must have ended.

    Example: alodial campaign retry clients
    """
    with open_queue() as opened:
        _told(opened.campaigns.retry_failed(name, who=who(), new_name=new_name), as_json)


@app.command()
def activity(name: Name, as_json: Json = False) -> None:
    """Who did what to a campaign, newest first.

    Example: alodial campaign activity clients
    """
    with open_queue() as opened:
        acts = opened.campaigns.activity(name)
    if as_json:
        for act in acts:
            document(act.to_dict())
    else:
        table(("at", "who", "did", "detail"), ((act.at[:19] + "Z", act.who, act.action, act.detail) for act in acts))


@app.command()
def problems(name: Name, as_json: Json = False) -> None:
    """The rows that were not taken, with the spreadsheet's own row numbers.

    Example: alodial campaign problems clients
    """
    with open_queue() as opened:
        found = opened.campaigns.problems(name)
        if as_json:
            for one in found:
                document(one.to_dict())
        else:
            table(
                ("row", "column", "value", "problem", "remedy"),
                ((one.number, one.column, one.value, one.problem, one.remedy) for one in found),
            )


@app.command()
def export(
    name: Name,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .csv or .xlsx.")],
    delimiter: Annotated[str, typer.Option(help="Of a CSV: , or ; or tab.")] = ",",
) -> None:
    """Write every row with its original columns and what became of it.

    Example: alodial campaign export clients results.xlsx
    """
    from ..campaigns.export import write_csv, write_xlsx  # noqa: PLC0415  # --help need not load it

    separator = "\t" if delimiter == "tab" else delimiter
    if separator not in (",", ";", "\t"):
        raise typer.BadParameter(f"--delimiter {delimiter!r}: use , or ; or tab")
    if to.suffix.lower() not in (".csv", ".xlsx"):
        raise typer.BadParameter(f"{to.name!r}: end it in .csv or .xlsx")
    with open_queue() as opened:
        record = opened.campaigns.get(name)
        rows = opened.campaigns.rows(record.id)
        if to.suffix.lower() == ".xlsx":
            write_xlsx(to, rows, record.columns)
        else:
            write_csv(to, rows, record.columns, delimiter=separator)
    say(f"written: {to}")


@app.command()
def report(name: Name, to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .html.")]) -> None:
    """Write a one-page report with charts, to read or to print.

    Example: alodial campaign report clients report.html
    """
    from ..campaigns.report import make_report  # noqa: PLC0415  # --help need not load it

    with open_queue() as opened:
        to.write_text(make_report(opened.campaigns, name), encoding="utf-8")
    say(f"written: {to}")


@app.command()
def template(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .csv or .xlsx.")],
    language: Annotated[str, typer.Option(help="Of the columns: en, ru or uz.")] = "en",
) -> None:
    """Write an empty list to fill in.

    Example: alodial campaign template clients.xlsx --language ru
    """
    from ..campaigns.samples import write_template  # noqa: PLC0415  # --help need not load it

    if language not in ("en", "ru", "uz"):
        raise typer.BadParameter(f"--language {language!r}: use en, ru or uz")
    if to.suffix.lower() not in (".csv", ".xlsx"):
        raise typer.BadParameter(f"{to.name!r}: end it in .csv or .xlsx")
    write_template(to, language)
    say(f"written: {to}")
