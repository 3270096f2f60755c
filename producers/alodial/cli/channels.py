"""``alodial channels list|release``: channels held by calls without a result."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json, Yes, check_choice
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


def _held(queue: "CallQueue", account: str) -> Iterator["HeldChannel"]:
    from ..store import holds
    from ..store.channels import held_channels
    from ..store.sansio import run

    names = sorted({*queue.settings.account_names, *queue.store.call(holds.accounts)})
    if account:
        check_choice("--account", account, names)
    for name in [account] if account else names:
        after = ""
        while True:
            channels, after = queue.store.call(run, held_channels(name, after))
            yield from channels
            if not after:
                break


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
        channels = list(_held(queue, account))
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
    from ..store.channels import PAGE, release

    with open_queue() as queue:
        channels = list(_held(queue, account))
        if not channels:
            say("no call without a result holds a channel")
            return
        if not yes:
            count = count_of(len(channels), "channel")
            typer.confirm(f"free {count}? A call that is still talking is not counted any more", abort=True, err=True)
        released = []
        for start in range(0, len(channels), PAGE):
            page = channels[start : start + PAGE]
            answers = queue.store.run(release([channel.record for channel in page]))
            released += [channel for channel, answer in zip(page, answers, strict=True) if answer == "released"]
        queue.waker.submit(sorted({channel.account for channel in released}))
    for channel in released:
        if as_json:
            document(_fields(channel))
        else:
            say(f"released {channel.id}  extid {channel.record}")
    say(f"{count_of(len(released), 'channel')} released; the calls still wait for their results")
