"""``alodial campaign``: from a spreadsheet to a finished call list."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .campaign_options import Errors, File, Json, Name
from .campaign_output import show_row, tell, watch_campaign
from .campaign_submit import check, problems_to, submit
from .output import document, say, table
from .session import current_actor, open_queue

app = typer.Typer(
    no_args_is_help=True,
    help="Check, submit, watch and steer campaigns.\n\nExample: alodial campaign submit clients.csv --from 712037006",
)

app.command()(check)
app.command()(submit)


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
    from alodial_schemas.campaigns import CampaignState

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
        tell(opened.campaigns.get(name), as_json)


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
        tell(opened.campaigns.pause(name, actor=current_actor(), reason=reason), as_json)


@app.command()
def resume(name: Name, as_json: Json = False) -> None:
    """Resume a paused campaign where it was.

    Example: alodial campaign resume clients
    """
    with open_queue() as opened:
        tell(opened.campaigns.resume(name, actor=current_actor()), as_json)


@app.command()
def cancel(name: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Cancel a campaign for good.

    Example: alodial campaign cancel clients
    """
    with open_queue() as opened:
        tell(opened.campaigns.cancel(name, actor=current_actor(), reason=reason), as_json)


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
        tell(opened.campaigns.change(name, actor=current_actor(), **changes), as_json)


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
    from .progress import reading

    with open_queue() as opened, problems_to(errors, file) as on_problem, reading("adding") as progress:
        record = opened.campaigns.add(
            name, file, actor=current_actor(), again=again, progress=progress, on_problem=on_problem
        )
    tell(record, as_json)


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
        tell(opened.campaigns.clone(name, actor=current_actor(), new_name=new_name), as_json)


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
        tell(opened.campaigns.retry_failed(name, actor=current_actor(), new_name=new_name), as_json)


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
        table(("at", "who", "did", "detail"), ((act.at[:19] + "Z", act.actor, act.action, act.detail) for act in acts))


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
    from ..campaigns.exporting.results import write_csv, write_xlsx

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
    from ..campaigns.exporting.report import make_report

    with open_queue() as opened:
        to.write_text(make_report(opened.campaigns, name), encoding="utf-8")
    say(f"written: {to}")


@app.command()
def template(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .csv or .xlsx.")],
    language: Annotated[str, typer.Option(help="Of the columns: en, ru or uz.")] = "en",
    sample: Annotated[
        bool, typer.Option("--sample", help="300 invented people for the sandbox instead, as CSV.")
    ] = False,
) -> None:
    """Write a list to fill in.

    Example: alodial campaign template clients.xlsx --language ru
    """
    from ..campaigns.samples import sample_path, write_template

    if language not in ("en", "ru", "uz"):
        raise typer.BadParameter(f"--language {language!r}: use en, ru or uz")
    if to.suffix.lower() not in (".csv", ".xlsx"):
        raise typer.BadParameter(f"{to.name!r}: end it in .csv or .xlsx")
    if sample and to.suffix.lower() != ".csv":
        raise typer.BadParameter("--sample: the sample is a .csv")
    if sample:
        to.write_bytes(sample_path().read_bytes())
    else:
        write_template(to, language)
    say(f"written: {to}")
