"""``alodial dead list|show|replay|drop``: results from AloVoice that matched no call or could not be read."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json, Yes, check_choice, check_stream_id, confirm, is_stream_id, shares_options
from .local_time import local_time
from .output import count_of, document, line, plain, say, table
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.dead_letters import DeadResult

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Results that matched no call or could not be read.\n\nExample: alodial dead list",
)

Name = Annotated[str, typer.Argument(metavar="ID", help="The id in `alodial dead list`.")]
Kind = Annotated[str, typer.Option(help="Only this kind: unmatched or unreadable.")]
Reason = Annotated[str, typer.Option(help="Only this reason, as in `alodial dead list`.")]

DONE = {"replay": "replayed", "drop": "dropped"}


def _check_kind(kind: str) -> None:
    if kind:
        check_choice("--kind", kind, ("unmatched", "unreadable"))


@app.command("list")
def list_dead(
    kind: Kind = "",
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Results to list at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Continue after this id.")] = None,
    as_json: Json = False,
) -> None:
    """List dead results, newest first.

    Example: alodial dead list --limit 20
    """
    from ..store import dead_letters as store_dead
    from ..store.records import iso

    check_stream_id("--after", after, "give an id from `alodial dead list`")
    _check_kind(kind)
    with open_queue() as queue:
        rows: list[Any] = []
        cursor = after or ""
        while True:
            steps = store_dead.list_dead(kind=kind, reason=reason, after=cursor, limit=limit - len(rows))
            page = queue.store.run(steps)
            rows += page.rows
            cursor = page.cursor
            if not cursor or len(rows) >= limit:
                break
    if as_json:
        for row in rows:
            document(_summary(row, row.size))
    elif rows:
        table(
            ("id", "since", "kind", "reason", "bytes", "content type"),
            ((r.id, local_time(iso(r.at)), r.kind, r.reason, r.size, r.content_type) for r in rows),
        )
        if cursor and len(rows) >= limit:
            say(f"hint: more with --after {rows[-1].id}")
    else:
        say("no dead result matches" if kind or reason else "no dead results")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one dead result with its whole body.

    Example: alodial dead show 1795413409008-0
    """
    with open_queue() as queue:
        letter = _find(queue, name)
    body = letter.body.decode("utf-8", "backslashreplace")
    if as_json:
        document({**_summary(letter, len(letter.body)), "body": body})
        return
    content_type = letter.content_type or "no content type"
    line(plain(f"{letter.id}  {letter.kind}: {letter.reason}  ({content_type}, {len(letter.body)} bytes)"))
    for text in body.splitlines():
        line(plain(text))


def _selection(
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="The id in `alodial dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that match --kind and --reason, up to 10,000.")] = False,
    kind: Kind = "",
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Which dead results to replay or drop."""


@app.command()
@shares_options(_selection)
def replay(options: dict[str, Any]) -> None:
    """Put a dead result, or all that match, back into the inbox, as if AloVoice had just sent them.

    Example: alodial dead replay --all --reason unknown_extid
    """
    _act("replay", **options)


@app.command()
@shares_options(_selection)
def drop(options: dict[str, Any]) -> None:
    """Delete a dead result, or all that match. Asks first.

    Example: alodial dead drop --all --kind unreadable
    """
    _act("drop", **options)


def _act(action: str, *, name: str | None, every: bool, kind: str, reason: str, yes: bool, as_json: bool) -> None:
    """Replays or drops one dead result, or with ``every`` all that match."""
    if name is None and not every:
        raise typer.BadParameter("give an ID, or --all")
    if name is not None and (every or kind or reason):
        raise typer.BadParameter("give an ID, or --all with --kind and --reason")
    _check_kind(kind)
    with open_queue() as queue:
        if name is not None:
            _act_on(queue, action, name, yes)
            result: dict[str, Any] = {"id": name, "outcome": DONE[action]}
        else:
            count = _act_on_all(queue, action, kind, reason, yes)
            if count is None:
                say("no dead result matches")
                return
            result = {"outcome": DONE[action], "count": count}
        if action == "replay":
            queue.waker.collect()
    if as_json:
        document(result)
    say(f"{DONE[action]} {name or count_of(result['count'], 'result')}")


def _act_on(queue: "CallQueue", action: str, name: str, yes: bool) -> None:
    from ..store import dead_letters as store_dead

    letter = _find(queue, name)
    if action == "replay":
        queue.store.call(store_dead.replay, letter)
    else:
        confirm(f"Delete dead result {name} for good?", yes=yes)
        queue.store.call(store_dead.drop, name)


def _act_on_all(queue: "CallQueue", action: str, kind: str, reason: str, yes: bool) -> int | None:
    """Asks first unless ``yes``. Returns how many it was, None if nothing matches."""
    from ..results.dead_letters import MAX_AT_ONCE, drop_all, replay_all
    from ..store import dead_letters as store_dead
    from .progress import counting

    count = sum(1 for _ in store_dead.ids(queue.store, kind=kind, reason=reason, limit=MAX_AT_ONCE))
    if not count:
        return None
    confirm(f"{action.capitalize()} {count_of(count, 'result')}?", yes=yes)
    act = replay_all if action == "replay" else drop_all
    with counting(action) as progress:
        return act(queue.store, kind=kind, reason=reason, progress=progress)


def _summary(letter: Any, size: int) -> dict[str, Any]:
    fields = {"id": letter.id, "kind": letter.kind, "reason": letter.reason, "content_type": letter.content_type}
    return fields | {"bytes": size}


def _find(queue: "CallQueue", name: str) -> "DeadResult":
    from ..store import dead_letters as store_dead
    from .failures import NoDeadResult

    letter = queue.store.call(store_dead.find, name) if is_stream_id(name) else None
    if letter is None:
        raise NoDeadResult(f"no dead result {name}")
    return letter
