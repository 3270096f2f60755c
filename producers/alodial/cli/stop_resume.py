"""``alodial stop`` and ``alodial resume``: the emergency stop."""

from typing import Annotated

import typer

from .arguments import check_choice
from .language import reader
from .output import say
from .session import current_actor, open_queue


def stop(reason: Annotated[str, typer.Option(help="Why, shown to everybody.")] = "operator") -> None:
    """Emergency stop: no worker places a new call.

    It outlasts restarts. Calls under way are settled.

    Example: alodial stop --reason "wrong list"
    """
    from ..store import holds

    with open_queue() as queue:
        current, changed = queue.store.run(holds.stop(reason, current_actor()))
    t = reader()
    if changed:
        say(t("stop_do.stopped"))
    else:
        text = f"already stopped by {current.actor}: " if current.actor else "already stopped: "
        say(text + current.reason)
    say(f"hint: {t('stop_do.lift', command='alodial resume')}")


def resume(
    account: Annotated[str, typer.Option(help="Only this account's pause and breaker; the emergency stop stays.")] = "",
) -> None:
    """Lift the emergency stop, pauses and breakers.

    Example: alodial resume
    """
    from ..store import holds

    with open_queue() as queue:
        if account:
            check_choice(
                "--account", account, sorted({*queue.settings.account_names, *queue.store.call(holds.accounts)})
            )
        queue.resume(account)
    say(reader()("stop_do.resumed"))
