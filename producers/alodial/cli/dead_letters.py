"""``alodial dead list|show|replay|drop``: results that nobody could use."""

from typing import Annotated, Any

import typer

from ..errors import NotFound
from .arguments import check_position, is_position
from .output import document, line, plain, say, table
from .session import open_queue


class NoDeadResult(NotFound):
    """There is none of that id."""


app = typer.Typer(
    no_args_is_help=True, help="Results that matched nothing or could not be read.\n\nExample: alodial dead list"
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Name = Annotated[str, typer.Argument(metavar="ID", help="As `alodial dead list` shows it.")]


Kind = Annotated[str, typer.Option(help="Only this kind: unmatched or unreadable.")]
Reason = Annotated[str, typer.Option(help="Only this reason, as `alodial dead list` shows it.")]
All = Annotated[bool, typer.Option("--all", help="All that fit --kind and --reason, up to 10,000.")]
Yes = Annotated[bool, typer.Option("--yes", help="Without asking.")]
Names = Annotated[str | None, typer.Argument(metavar="[ID]", help="As `alodial dead list` shows it.")]


def _check_kind(kind: str) -> None:
    if kind not in ("", "unmatched", "unreadable"):
        raise typer.BadParameter(f"--kind {kind!r}: use unmatched or unreadable")


@app.command("list")
def list_dead(
    kind: Kind = "",
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Continue after this id.")] = None,
    as_json: Json = False,
) -> None:
    """List them, newest first.

    Example: alodial dead list --limit 20
    """
    from ..store import dead_letters as store_dead
    from ..store.records import iso

    check_position("--after", after, "give an id as `alodial dead list` shows it")
    _check_kind(kind)
    with open_queue() as queue:
        found: list[Any] = []
        cursor = after or ""
        while True:
            page = queue.store.run(
                store_dead.list_dead(kind=kind, reason=reason, after=cursor, limit=limit - len(found))
            )
            found += page.rows
            cursor = page.cursor
            if not cursor or len(found) >= limit:
                break
    if as_json:
        for row in found:
            document(_row(row))
    elif found:
        table(
            ("id", "since", "kind", "reason", "bytes", "content type"),
            ((r.id, iso(r.at)[:19].replace("T", " "), r.kind, r.reason, r.size, r.content_type) for r in found),
        )
        if cursor and len(found) >= limit:
            say(f"hint: more with --after {found[-1].id}")
    else:
        say("nothing is dead" if not (kind or reason) else "none of these is dead")


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
def replay(
    name: Names = None,
    every: All = False,
    kind: Kind = "",
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put one back into the inbox, or all of a reason, as if AloVoice had just sent them.

    Example: alodial dead replay --all --reason unknown_extid
    """
    from ..store import dead_letters as store_dead

    if name is None or every or kind or reason:
        _many("replay", name, every=every, kind=kind, reason=reason, yes=yes, as_json=as_json)
        return
    item = _found(name)
    with open_queue() as queue:
        queue.store.call(store_dead.replay, item)
        queue.waker.collect()
    if as_json:
        document({"id": name, "outcome": "replayed"})
    say(f"replayed {name}")


@app.command()
def drop(
    name: Names = None,
    every: All = False,
    kind: Kind = "",
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Throw one away for good, or all of a reason.

    Example: alodial dead drop --all --kind unreadable
    """
    from ..store import dead_letters as store_dead

    if name is None or every or kind or reason:
        _many("drop", name, every=every, kind=kind, reason=reason, yes=yes, as_json=as_json)
        return
    _found(name)
    with open_queue() as queue:
        queue.store.call(store_dead.drop, name)
    if as_json:
        document({"id": name, "outcome": "dropped"})
    say(f"dropped {name}")


def _many(act: str, name: str | None, *, every: bool, kind: str, reason: str, yes: bool, as_json: bool) -> None:
    from ..results.dead_letters import MAX_AT_ONCE, drop_all, replay_all
    from ..store import dead_letters as store_dead
    from .progress import counting

    if name is not None:
        raise typer.BadParameter("give an ID, or --all with --kind and --reason")
    if not every:
        raise typer.BadParameter("give an ID, or --all")
    _check_kind(kind)
    with open_queue() as queue:
        count = sum(1 for _ in store_dead.ids(queue.store, kind=kind, reason=reason, limit=MAX_AT_ONCE))
        if not count:
            say("none of these is dead")
            return
        if not yes:
            typer.confirm(f"{act} {count} result{'s' if count != 1 else ''}?", abort=True, err=True)
        work = replay_all if act == "replay" else drop_all
        with counting(act) as tell:
            done = work(queue.store, kind=kind, reason=reason, progress=tell)
        if act == "replay":
            queue.waker.collect()
    word = "replayed" if act == "replay" else "dropped"
    if as_json:
        document({"outcome": word, "count": done})
    say(f"{word} {done}")


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "reason": row.reason,
        "content_type": row.content_type,
        "bytes": row.size,
    }


def _found(name: str) -> Any:
    from ..store import dead_letters as store_dead

    if not is_position(name):
        raise NoDeadResult(f"no dead result {name}")
    with open_queue() as queue:
        item = queue.store.call(store_dead.find, name)
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
