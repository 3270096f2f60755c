"""The command group ``alodial provider``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .probe import Step

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Find out what AloVoice does.\n\nExample: alodial provider check --phone 901234567",
)


@app.callback()
def _group() -> None:
    """A group with one command stays a group."""


@app.command("check")
def check(
    phone: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Your own phone: it may ring, once. Unset: nothing rings.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ring without asking. Nothing is written into .env.")] = False,
    account: Annotated[str, typer.Option(help="The AloVoice account whose token is used.")] = "default",
    wait: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for AloVoice's callback.")] = 180.0,
    cassette: Annotated[Path, typer.Option(help="File that keeps the exchange, with numbers masked.")] = Path(
        "provider-check.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a step on standard output.")] = False,
) -> None:
    """Check AloVoice's address; with --phone, place one call to your own phone and show all that is said.

    Example: alodial provider check --phone 901234567
    """
    from alodial.cli.output import document, in_language, line, say
    from alodial.cli.session import quiet_logs
    from alodial.settings import load_settings

    from .run import Terminal, check_address, known_cassette, run_series, say_facts

    quiet_logs()
    settings = load_settings()
    asks = sys.stdin.isatty() and not yes
    if phone is not None and not asks and not yes:
        raise typer.BadParameter("--phone rings a real phone: confirm it with --yes where nobody can be asked")
    if account not in settings.account_names:
        raise typer.BadParameter(f"--account: there is no account {account}")

    def show(step: "Step") -> None:
        if as_json:
            document({"step": step.name, "ok": step.ok, "observed": step.observed, "class": step.label})
        else:
            outcome = "ok  " if step.ok else in_language("FAIL")
            line(f"{outcome}  {step.name}  {in_language(step.observed)}  [{step.label}]")
        if step.remedy:
            say(f"hint: {step.remedy}")

    def exchange(kind: str, about: str, text: str) -> None:
        say(f"--- {kind} ({about})")
        say(text)

    operator = Terminal(
        show, say, exchange, lambda text: typer.confirm(in_language(text), default=False, err=True), asks
    )
    good = check_address(settings, operator)
    if not good or phone is None:
        say_facts(known_cassette(cassette), operator)
        if good:
            say("Nothing rang. To place one call to your own phone: alodial provider check --phone NUMBER")
        raise typer.Exit(0 if good else 1)
    raise typer.Exit(0 if run_series(settings, phone, account, operator, wait=wait, path=cassette) else 1)
