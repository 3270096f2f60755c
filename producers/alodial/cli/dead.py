"""``alodial dead list|show|replay|drop``: results that nobody could use."""

from typing import Annotated, Any

import typer

from ..errors import NotFound
from .given import check_position, is_position
from .opened import open_queue
from .output import document, line, plain, say, table


class NoDeadResult(NotFound):
    """There is none of that id."""


app = typer.Typer(
    no_args_is_help=True, help="Results that matched nothing or could not be read.\n\nExample: alodial dead list"
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Name = Annotated[str, typer.Argument(metavar="ID", help="As `alodial dead list` shows it.")]


@app.command("list")
def list_dead(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Continue after this id.")] = None,
    as_json: Json = False,
) -> None:
    """List them, newest first.

    Example: alodial dead list --limit 20
    """
    from ..store import inbox  # noqa: PLC0415  # --help need not load it

    check_position("--after", after, "give an id as `alodial dead list` shows it")
    with open_queue() as queue:
        rows = queue.store.call(lambda client: inbox.dead(client, after=after, limit=limit))
    if as_json:
        for row in rows:
            document(_shown(row))
    elif rows:
        table(
            ("id", "kind", "reason", "bytes", "content type"),
            ((r.id, r.kind, r.reason, len(r.body), r.content_type) for r in rows),
        )
    else:
        say("nothing is dead")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one whole, as it came.

    Example: alodial dead show 1795413409008-0
    """
    item = _found(name)
    if as_json:
        document({**_shown(item), "body": item.body.decode("utf-8", "backslashreplace")})
        return
    kind = item.content_type or "no content type"
    line(plain(f"{item.id}  {item.kind}: {item.reason}  ({kind}, {len(item.body)} bytes)"))
    for text in item.body.decode("utf-8", "backslashreplace").splitlines():
        line(plain(text))


@app.command()
def replay(name: Name, as_json: Json = False) -> None:
    """Put one back into the inbox, as if AloVoice had just sent it.

    Example: alodial dead replay 1795413409008-0
    """
    from ..store import inbox  # noqa: PLC0415  # --help need not load it

    item = _found(name)
    with open_queue() as queue:
        queue.store.call(lambda client: inbox.replay(client, item))
        queue.doorbell.collect()
    if as_json:
        document({"id": name, "outcome": "replayed"})
    say(f"replayed {name}")


@app.command()
def drop(name: Name, as_json: Json = False) -> None:
    """Throw one away for good.

    Example: alodial dead drop 1795413409008-0
    """
    from ..store import inbox  # noqa: PLC0415  # --help need not load it

    _found(name)
    with open_queue() as queue:
        queue.store.call(lambda client: inbox.drop(client, name))
    if as_json:
        document({"id": name, "outcome": "dropped"})
    say(f"dropped {name}")


def _found(name: str) -> Any:
    from ..store import inbox  # noqa: PLC0415  # --help need not load it

    if not is_position(name):
        raise NoDeadResult(f"no dead result {name}")
    with open_queue() as queue:
        item = queue.store.call(lambda client: inbox.find_dead(client, name))
    if item is None:
        raise NoDeadResult(f"no dead result {name}")
    return item


def _shown(item: Any) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "reason": item.reason,
        "content_type": item.content_type,
        "bytes": len(item.body),
    }
