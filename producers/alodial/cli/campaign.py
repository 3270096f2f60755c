"""``alodial campaign``: submits files as campaigns, shows and controls them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .arguments import Json, Yes, check_choice, confirm
from .campaign_options import Again, Errors, File, HeaderRow, HiddenRows, Key, Name, NewName, Reason, Sheet, new_key
from .campaign_output import print_campaign, print_campaigns, print_problems, watch_campaign
from .campaign_submit import check, read_in, rejected_rows_to, submit
from .language import Language, reader
from .local_time import local_time
from .output import document, say, table
from .session import current_actor, open_queue

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, submit, watch and control campaigns.\n\nExample: alodial campaign submit clients.csv --from 712037006",
)

app.command()(check)
app.command()(submit)


@app.command("list")
def list_campaigns(
    state: Annotated[str, typer.Option(help="Only campaigns in this state.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Campaigns to list at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue where the last list ended.")] = None,
    as_json: Json = False,
) -> None:
    """List campaigns, newest first.

    Example: alodial campaign list --state running
    """
    from alodial_schemas.campaigns import CampaignState

    if state:
        check_choice("--state", state, tuple(CampaignState))
    if cursor is not None and not cursor.isdigit():
        raise typer.BadParameter(f"--cursor {cursor!r}: give the number that the last list printed")
    with open_queue() as queue:
        page = queue.campaigns.list(state=state, cursor=cursor, limit=limit)
    if as_json:
        for record in page.campaigns:
            document(record.to_dict())
    elif page.campaigns:
        print_campaigns(page.campaigns)
    else:
        say(reader()("campaign_list.none"))
    if page.cursor is not None:
        say(f"hint: {reader()('campaign_list.more')} --cursor {page.cursor}")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a campaign: rows, progress, outcomes.

    Example: alodial campaign show clients
    """
    with open_queue() as queue:
        print_campaign(queue.campaigns.get(name), as_json)


@app.command()
def watch(name: Name, as_json: Json = False) -> None:
    """Watch a campaign until it ends. Ctrl-C leaves it running.

    Example: alodial campaign watch clients
    """
    with open_queue() as queue:
        watch_campaign(queue, queue.campaigns.get(name).id, as_json=as_json)


@app.command()
def pause(name: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Pause a campaign: no worker places a new call of it. Calls that ring go on.

    Example: alodial campaign pause clients --reason "wrong greeting"
    """
    with open_queue() as queue:
        print_campaign(queue.campaigns.pause(name, actor=current_actor(), reason=reason), as_json)


@app.command()
def resume(name: Name, as_json: Json = False) -> None:
    """Resume a paused campaign where it stopped.

    Example: alodial campaign resume clients
    """
    with open_queue() as queue:
        print_campaign(queue.campaigns.resume(name, actor=current_actor()), as_json)


@app.command()
def cancel(name: Name, reason: Reason = "", yes: Yes = False, as_json: Json = False) -> None:
    """Cancel a campaign; it cannot be resumed. Asks first.

    Example: alodial campaign cancel clients
    """
    with open_queue() as queue:
        record = queue.campaigns.get(name)
        confirm(reader()("campaign_do.cancel", name=repr(record.name)), yes=yes)
        print_campaign(queue.campaigns.cancel(record.id, actor=current_actor(), reason=reason), as_json)


@app.command()
def pace(
    name: Name,
    rate: Annotated[str, typer.Argument(help="Calls per second, or `none` for no limit of its own.")],
    channels: Annotated[int | None, typer.Option(min=1, help="Channels of the account at most.")] = None,
    weight: Annotated[int | None, typer.Option(min=1, max=100, help="Share beside other campaigns.")] = None,
    as_json: Json = False,
) -> None:
    """Change the pace of a campaign, effective at once.

    Example: alodial campaign pace clients 2.5
    """
    try:
        changes: dict[str, Any] = {"pace": None if rate == "none" else float(rate)}
    except ValueError:
        raise typer.BadParameter(f"{rate!r}: give calls per second, such as 2.5, or none") from None
    if channels is not None:
        changes["channels"] = channels
    if weight is not None:
        changes["weight"] = weight
    with open_queue() as queue:
        print_campaign(queue.campaigns.change(name, actor=current_actor(), **changes), as_json)


@app.command()
def add(
    name: Name,
    file: File,
    sheet: Sheet = None,
    header_row: HeaderRow = None,
    hidden: HiddenRows = None,
    again: Again = False,
    key: Key = "",
    errors: Errors = None,
    language: Language = None,
    as_json: Json = False,
) -> None:
    """Add a file's good rows, all or none, to a campaign that has not ended.

    Example: alodial campaign add clients more.csv
    """
    from .progress import reading

    if hidden is not None and hidden not in ("keep", "skip"):
        raise typer.BadParameter(f"--hidden {hidden!r}: use keep or skip")
    t = reader(language)
    rejected = rejected_rows_to(errors, file, t, sheet=sheet, header_row=header_row)
    with open_queue() as queue, read_in(t), rejected as on_problem, reading("adding") as progress:
        record = queue.campaigns.add(
            name,
            file,
            actor=current_actor(),
            again=again,
            idempotency_key=key or new_key(),
            sheet=sheet,
            header_row=header_row,
            hidden=None if hidden is None else "keep" if hidden == "keep" else "skip",
            progress=progress,
            on_problem=on_problem,
        )
    print_campaign(record, as_json)


@app.command()
def clone(name: Name, new_name: NewName = "", key: Key = "", as_json: Json = False) -> None:
    """Make a new campaign of the same rows and policy, paused.

    Example: alodial campaign clone clients --name "clients, second round"
    """
    with open_queue() as queue:
        record = queue.campaigns.clone(name, actor=current_actor(), new_name=new_name, idempotency_key=key or new_key())
    print_campaign(record, as_json)


@app.command()
def retry(
    name: Name,
    new_name: NewName = "",
    key: Key = "",
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out the rows whose calls are still in progress.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a new campaign of the rows that nobody answered. The old campaign and its calls must have ended.

    A campaign is retried once; retry the new one for those who did not answer there.

    Example: alodial campaign retry clients
    """
    with open_queue() as queue:
        record = queue.campaigns.retry_failed(
            name, actor=current_actor(), new_name=new_name, idempotency_key=key or new_key(), leave_out=leave_out
        )
    print_campaign(record, as_json)


@app.command()
def activity(name: Name, as_json: Json = False) -> None:
    """List the actions on a campaign, newest first.

    Example: alodial campaign activity clients
    """
    with open_queue() as queue:
        actions = queue.campaigns.activity(name)
    if as_json:
        for action in actions:
            document(action.to_dict())
    else:
        rows = ((local_time(action.at), action.actor, action.action, action.detail) for action in actions)
        table(("at", "by", "action", "detail"), rows)


@app.command()
def problems(name: Name, language: Language = None, as_json: Json = False) -> None:
    """List the rejected rows, with their row numbers in the file.

    Example: alodial campaign problems clients
    """
    with open_queue() as queue:
        rejected = queue.campaigns.problems(name)
        if as_json:
            for problem in rejected:
                document(problem.to_dict())
        else:
            print_problems(rejected, reader(language))


@app.command()
def export(
    name: Name,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .csv or .xlsx.")],
    delimiter: Annotated[
        str | None,
        typer.Option(help="Separator of a CSV: , or ; or | or tab; what Excel expects in --language by default."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="en, ru or uz: headings, words and local times for people; for programs by default."),
    ] = None,
) -> None:
    """Write every row with its original columns and its outcome.

    Example: alodial campaign export clients results.xlsx
    """
    from zoneinfo import ZoneInfo

    from ..campaigns.exporting.results import SEPARATORS, write_csv, write_xlsx
    from ..campaigns.exporting.texts import delimiter_of

    t = None if language is None else reader(language)
    if delimiter is None:
        delimiter = "," if t is None else delimiter_of(t)
    separator = SEPARATORS.get("tab" if delimiter == "\t" else delimiter)
    if separator is None:
        raise typer.BadParameter(f"--delimiter {delimiter!r}: use {' or '.join(SEPARATORS)}")
    _check_suffix(to)
    with open_queue() as queue:
        record = queue.campaigns.get(name)
        rows = queue.campaigns.rows(record.id)
        if to.suffix.lower() == ".xlsx":
            write_xlsx(to, rows, record.columns, texts=t, zone=ZoneInfo(queue.settings.timezone))
        else:
            write_csv(to, rows, record.columns, delimiter=separator, texts=t)
    say(f"written: {to}")


@app.command()
def report(
    name: Name,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .html.")],
    language: Language = None,
) -> None:
    """Write a one-page report with charts, to read or print.

    Example: alodial campaign report clients report.html
    """
    from ..campaigns.exporting.report import make_report

    with open_queue() as queue:
        to.write_text(make_report(queue.campaigns, name, texts=reader(language)), encoding="utf-8")
    say(f"written: {to}")


@app.command()
def template(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .csv or .xlsx.")],
    language: Annotated[str, typer.Option(help="Language of the column names: en, ru or uz.")] = "en",
    sample: Annotated[
        bool, typer.Option("--sample", help="Write 300 invented people for the sandbox instead, as CSV.")
    ] = False,
) -> None:
    """Write an empty file to fill in.

    Example: alodial campaign template clients.xlsx --language ru
    """
    from ..campaigns.samples import sample_path, write_template

    check_choice("--language", language, ("en", "ru", "uz"))
    _check_suffix(to)
    if sample and to.suffix.lower() != ".csv":
        raise typer.BadParameter("--sample: the sample is a .csv")
    if sample:
        to.write_bytes(sample_path().read_bytes())
    else:
        write_template(to, language)
    say(f"written: {to}")


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise typer.BadParameter(f"{path.name!r}: end it in .csv or .xlsx")
