"""``alodial alerts test``: sends one message to the receivers in ``ALODIAL_ALERTS``."""

from datetime import datetime

import typer

from .arguments import Json
from .output import document, say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Alerts: messages to people about findings.\n\nExample: alodial alerts test",
)


@app.callback()
def _group() -> None:
    """Without it typer would make the only command the group itself."""


@app.command("test")
def send_test(as_json: Json = False) -> None:
    """Send one test message to each receiver. Exit code 1 if one does not take it.

    Example: alodial alerts test
    """
    from zoneinfo import ZoneInfo

    from ..errors import ConfigurationError
    from ..observability.alerts import AlertTargets
    from ..settings import load_settings

    settings = load_settings()
    if not settings.alerts:
        raise ConfigurationError(
            "ALODIAL_ALERTS is empty; write Apprise's URLs into it, such as tgram://BOT_TOKEN/CHAT_ID"
        )
    now = datetime.now(ZoneInfo(settings.timezone))
    body = f"This is a test of {now:%Y-%m-%d %H:%M} {settings.timezone}: alerts of Alodial come here."
    taken = AlertTargets(settings).send("Alodial: test", body)
    for label, ok in taken.items():
        if as_json:
            document({"receiver": label, "ok": ok})
        else:
            say(f"receiver {label}: {'sent' if ok else 'not sent'}")
    if not all(taken.values()):
        say("hint: compare the URL with Apprise's page of that service, and try the network")
        raise typer.Exit(1)
