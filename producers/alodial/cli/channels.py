"""``alodial channels list|release``: channels held by calls without a result."""

from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json, Yes, check_choice, confirm
from .output import count_of, document, say, table
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.channels import HeldChannel

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Channels held by calls without a result.\n\nExample: alodial channels list",
)

Account = Annotated[str, typer.Option(help="Only this account's.")]


def _held(queue: "CallQueue", account: str) -> "list[HeldChannel]":
    from ..calls.held_channels import accounts_with_channels, held_of

    names = accounts_with_channels(queue.store)
    if account:
        check_choice("--account", account, names)
    return list(held_of(queue.store, [account] if account else names))


def _fields(channel: "HeldChannel") -> dict[str, object]:
    return {
        "account": channel.account,
        "id": channel.id,
        "extid": channel.record,
        "state": channel.state,
        "seconds": round(channel.since),
    }


@app.command("list")
def list_channels(account: Account = "", as_json: Json = False) -> None:
    """List the channels that calls without a result hold.

    Example: alodial channels list
    """
    from alodial_schemas.durations import duration_text

    with open_queue() as queue:
        channels = _held(queue, account)
    if as_json:
        for channel in channels:
            document(_fields(channel))
    elif channels:
        rows = ((c.account, c.id, c.record, c.state, duration_text(c.since)) for c in channels)
        table(("account", "id", "extid", "state", "for"), rows)
    else:
        say("no call without a result holds a channel")


@app.command("release")
def release_channels(account: Account = "", yes: Yes = False, as_json: Json = False) -> None:
    """Free the channels that calls without a result hold.

    The calls go on waiting for their results. One that is still talking takes a line that is not counted any more: release
    only what has ended, such as after results were lost.

    Example: alodial channels release --yes
    """
    from ..calls.held_channels import release_held

    with open_queue() as queue:
        channels = _held(queue, account)
        if not channels:
            say("no call without a result holds a channel")
            return
        if not yes:
            count = count_of(len(channels), "channel")
            confirm(f"Free {count}? A call that is still talking is not counted any more.", yes=False)
        released = release_held(queue.store, queue.waker, channels)
    for channel in released:
        if as_json:
            document(_fields(channel))
        else:
            say(f"released {channel.id}  extid {channel.record}")
    say(f"{count_of(len(released), 'channel')} released; the calls still wait for their results")
