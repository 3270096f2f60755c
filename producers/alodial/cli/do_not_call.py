"""``alodial dnc``: who must not be rung."""

from pathlib import Path
from typing import Annotated

import typer

from .output import READER_LEFT, document, line, say, table
from .session import current_actor, open_queue

app = typer.Typer(
    no_args_is_help=True,
    help="The do-not-call list: what is on it is not rung from the next second on.\n\nExample: alodial dnc add 994412860",
)

Numbers = Annotated[list[str], typer.Argument(metavar="PHONE...", help="One number or several.")]
Scope = Annotated[
    str, typer.Option("--campaign", help="This campaign's own list, by its id; all calls when not given.")
]
Reason = Annotated[str, typer.Option(help="Why, for whoever asks later.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]


@app.command()
def add(numbers: Numbers, reason: Reason = "", scope: Scope = "", as_json: Json = False) -> None:
    """Put numbers on the list.

    Example: alodial dnc add 994412860 --reason "asked on the phone"
    """
    with open_queue() as queue:
        new = queue.dnc.add(numbers, scope=_scope(queue, scope), reason=reason, actor=current_actor())
    if as_json:
        document({"added": new, "known": len(numbers) - new})
    else:
        say(f"{new} added, {len(numbers) - new} were on the list")


@app.command()
def remove(numbers: Numbers, scope: Scope = "", as_json: Json = False) -> None:
    """Take numbers off the list.

    Example: alodial dnc remove 994412860
    """
    with open_queue() as queue:
        gone = queue.dnc.remove(numbers, scope=_scope(queue, scope))
    if as_json:
        document({"removed": gone})
    else:
        say(f"{gone} removed, {len(numbers) - gone} were not on the list")


@app.command("list")
def list_numbers(
    number: Annotated[str, typer.Option(help="Only this one: is it on the list, and why?")] = "",
    scope: Scope = "",
    as_json: Json = False,
) -> None:
    """The list with its reasons.

    Example: alodial dnc list --number 994412860
    """
    with open_queue() as queue:
        where = _scope(queue, scope)
        entries = (
            queue.dnc.find(number, scopes=("", where) if where else ("",)) if number else queue.dnc.every(scope=where)
        )
        if as_json:
            for entry in entries:
                document(entry.to_dict())
                if READER_LEFT.is_set():
                    return
            return
        rows = [(entry.number, entry.at[:19] + "Z", entry.actor, entry.reason) for entry in entries]
    if rows:
        table(("number", "since", "by", "reason"), rows)
    elif number:
        line(f"{number} is not on the list")
    else:
        say("the list is empty")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="One number a line; what stands behind a separator is not read.")],
    reason: Reason = "import",
    scope: Scope = "",
    as_json: Json = False,
) -> None:
    """Put a file's numbers on the list. Good lines count whatever bad ones are; exit code 1 when there are bad ones.

    Example: alodial dnc import optout.csv --reason "regulator's list"
    """
    from ..campaigns.errors import BadFile
    from ..campaigns.importing.files.detect import encoding_of

    if not file.is_file():
        raise BadFile("no_file", f"there is no file {file.name!r}", "give a file with one number a line")
    with open_queue() as queue, file.open(encoding=encoding_of(file)[0], errors="replace") as lines:
        told = queue.dnc.add_lines(lines, scope=_scope(queue, scope), reason=reason, actor=current_actor())
    if as_json:
        document({"lines": told.lines, "added": told.added, "known": told.known, "bad": told.bad})
    else:
        say(f"{told.added} added, {told.known} were on the list, {told.bad} bad")
        if told.problems:
            table(("line", "problem"), told.problems)
    if told.bad:
        raise typer.Exit(1)


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV with number, since, by and reason.")],
    scope: Scope = "",
) -> None:
    """Write the list to a file that `alodial dnc import` takes.

    Example: alodial dnc export optout.csv
    """
    import csv

    from ..campaigns.formula_guard import safe_cell

    count = 0
    with open_queue() as queue, to.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(["number", "since", "by", "reason"])
        for entry in queue.dnc.every(scope=_scope(queue, scope)):
            out.writerow([safe_cell(text) for text in (entry.number, entry.at, entry.actor, entry.reason)])
            count += 1
    say(f"written: {to} ({count} numbers)")


def _scope(queue: object, name: str) -> str:
    """A campaign's id from whatever names it."""
    from ..calls.queue import CallQueue

    return queue.campaigns.get(name).id if name and isinstance(queue, CallQueue) else ""
