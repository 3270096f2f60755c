"""``alodial stop`` and ``alodial resume``."""

from typing import Annotated

import typer

from .output import say
from .session import current_actor, open_queue


def stop(reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "operator") -> None:
    """Emergency stop: no new POST on any worker from now on, restarts included. What is under way is settled.

    Example: alodial stop --reason "wrong list"
    """
    from ..store import holds

    with open_queue() as queue:
        on, pulled = queue.store.call(holds.stop, reason, current_actor())
    if pulled:
        say("stopped: no new POST goes out")
    else:
        by = f" by {on.actor}" if on.actor else ""
        say(f"it was stopped already{by}: {on.reason}")
    say("hint: alodial resume lifts it")


def resume(
    account: Annotated[
        str, typer.Option(help="Lift the pause and breaker of this account only; the emergency stop stays.")
    ] = "",
) -> None:
    """Lift the emergency stop, and the pauses and breakers of accounts.

    Example: alodial resume
    """
    from ..store import holds

    with open_queue() as queue:
        if account:
            known = {*queue.settings.account_names, *queue.store.call(holds.accounts)}
            if account not in known:
                raise typer.BadParameter(f"--account {account!r}: use one of {', '.join(sorted(known))}")
        queue.resume(account)
    say("resumed")
