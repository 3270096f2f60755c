"""``alodial dnc``: the do-not-call list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json, Yes, confirm, parse_pairs
from .campaign_options import HeaderRow, Sheet
from .language import reader
from .local_time import local_time
from .output import READER_LEFT, document, line, say, table
from .session import current_actor, open_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..calls.queue import CallQueue
    from ..store.do_not_call import DncEntry

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The do-not-call list. Numbers on it are not called from the next second on.\n\nExample: alodial dnc add 994412860",
)

Numbers = Annotated[list[str], typer.Argument(metavar="PHONE...", help="One or more numbers.")]
Scope = Annotated[
    str, typer.Option("--campaign", help="The list of this campaign only, by its id; by default that of all calls.")
]
Reason = Annotated[str, typer.Option(help="Why, shown in the list.")]


@app.command()
def add(numbers: Numbers, reason: Reason = "", scope: Scope = "", as_json: Json = False) -> None:
    """Put numbers on the list.

    Example: alodial dnc add 994412860 --reason "asked on the phone"
    """
    with open_queue() as queue:
        added = queue.dnc.add(numbers, scope=_scope(queue, scope), reason=reason, actor=current_actor())
    if as_json:
        document({"added": added, "known": len(numbers) - added})
    else:
        say(reader()("dnc_do.added", added=added, known=len(numbers) - added))


@app.command()
def remove(numbers: Numbers, scope: Scope = "", yes: Yes = False, as_json: Json = False) -> None:
    """Take numbers off the list: they are called again. Asks first.

    Example: alodial dnc remove 994412860
    """
    confirm(f"Take {', '.join(numbers[:5])}{' ...' if len(numbers) > 5 else ''} off the do-not-call list?", yes=yes)
    with open_queue() as queue:
        removed = queue.dnc.remove(numbers, scope=_scope(queue, scope))
    if as_json:
        document({"removed": removed})
    else:
        say(reader()("dnc_do.removed", removed=removed, absent=len(numbers) - removed))


@app.command("list")
def list_numbers(
    number: Annotated[str, typer.Option(help="Only this number: is it on the list, and why?")] = "",
    scope: Scope = "",
    as_json: Json = False,
) -> None:
    """Show the list with its reasons.

    Example: alodial dnc list --number 994412860
    """
    with open_queue() as queue:
        campaign = _scope(queue, scope)
        scopes = ("", campaign) if campaign else ("",)
        entries = queue.dnc.find(number, scopes=scopes) if number else queue.dnc.every(scope=campaign)
        if as_json:
            for entry in entries:
                document(entry.to_dict())
                if READER_LEFT.is_set():
                    return
            return
        rows = [(entry.number, local_time(entry.at), entry.actor, entry.reason) for entry in entries]
        erased = queue.dnc.erased() if not (number or campaign) else 0
    if rows:
        table(("number", "since", "by", "reason"), rows)
    elif number:
        line(f"{number} is not on the list")
    else:
        say(reader()("dnc_do.empty"))
    if erased:
        from alodial_schemas.counts import count_text

        say(f"besides, {count_text(erased, 'erased person', 'erased people')} by a hash: ask with --number")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, ODS or NDJSON with a phone column, or one number a line.")],
    reason: Reason = "import",
    scope: Scope = "",
    map: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, a name or a letter: --map phone=B --map phone2=C.")
    ] = None,
    sheet: Sheet = None,
    header_row: HeaderRow = None,
    as_json: Json = False,
) -> None:
    """Put a file's numbers on the list; a cell may hold several. Bad ones are skipped and listed, with exit code 1.

    Hidden rows are read too. Where it is not certain which column has the phones, a question is printed instead.

    Example: alodial dnc import optout.csv --reason "regulator's list"
    """
    from .campaign_submit import read_in

    mapping = parse_pairs("--map", map or [], "FIELD=COLUMN, such as --map phone=Телефон")
    with open_queue() as queue, read_in(reader()):
        result = queue.dnc.add_file(
            file,
            columns=mapping,
            sheet=sheet,
            header_row=header_row,
            scope=_scope(queue, scope),
            reason=reason,
            actor=current_actor(),
        )
    if as_json:
        counts = {"lines": result.lines, "added": result.added, "known": result.known, "bad": result.bad}
        document({"columns": list(result.columns)} | counts)
    else:
        say(reader()("dnc_do.imported", added=result.added, known=result.known, bad=result.bad))
        if result.problems:
            said = [(row.number, reader().problem(row.code, row.problem, row.remedy)) for row in result.problems]
            table(("row", "problem", "remedy"), [(number, text.problem, text.remedy) for number, text in said])
    if result.bad:
        raise typer.Exit(1)


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV to write: number, since, by, reason.")],
    scope: Scope = "",
) -> None:
    """Write the list to a file that `alodial dnc import` reads.

    Example: alodial dnc export optout.csv
    """
    from alodial_schemas.counts import count_text

    from ..do_not_call import csv_of

    count = 0

    def counted(entries: "Iterator[DncEntry]") -> "Iterator[DncEntry]":
        nonlocal count
        for entry in entries:
            count += 1
            yield entry

    with open_queue() as queue, to.open("wb") as file:
        file.writelines(csv_of(counted(queue.dnc.every(scope=_scope(queue, scope)))))
    say(f"written: {to}: {count_text(count, 'number')}")


def _scope(queue: "CallQueue", campaign: str) -> str:
    """The id of the campaign with this id or name; "" without a campaign."""
    return queue.campaigns.get(campaign).id if campaign else ""
