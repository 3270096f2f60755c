"""Puts the commands together; turns errors into words, hints and exit codes."""

import errno
import os
import sys
from importlib.metadata import entry_points, version
from typing import Annotated, Any, cast

import typer

from ..campaigns.errors import CampaignDuplicate, InvalidCampaign
from ..errors import (
    AlodialError,
    ConfigurationError,
    Conflict,
    InvalidCall,
    NoEndpoint,
    NotCancelable,
    NotFound,
    NotRedialable,
    StoreUnavailable,
    StoreUnfit,
)
from . import call, calls, campaign, dead_letters, do_not_call, doctor, events, logs, status, stop_resume, webhooks
from .arguments import is_text
from .output import give_up_output, say
from .web import web

HINTS: dict[type[AlodialError], str] = {  # the first that fits, so the narrower ones come first
    StoreUnfit: "alodial doctor",
    StoreUnavailable: "is Redis running? alodial doctor",
    ConfigurationError: "correct it in the environment or in .env; docs/settings.md has every setting",
    dead_letters.NoDeadResult: "alodial dead list",
    NoEndpoint: "alodial webhooks list",
    NotFound: "alodial calls list",
    NotCancelable: "alodial calls show ID says where it is",
    CampaignDuplicate: "add --again to submit them once more",
    Conflict: "alodial calls show ID shows the other call",
}

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What a file may answer when it is written to, and only then."""

# Typer raises the exceptions of click, or since 0.26 those of a click inside itself; its own BadParameter leads to either.
WrongUsage = cast(
    type[Exception], next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
)

app = typer.Typer(
    name="alodial",
    help="Places telephone calls through AloVoice: no phone rung twice, no call forgotten.\n\nExample: alodial demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alodial {version('alodial')}")
        raise typer.Exit


@app.callback()
def _options(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    if debug:
        os.environ["ALODIAL_DEBUG"] = "1"


app.add_typer(call.app, name="call")
app.add_typer(calls.app, name="calls")
app.add_typer(campaign.app, name="campaign")
app.add_typer(do_not_call.app, name="dnc")
app.add_typer(dead_letters.app, name="dead")
app.add_typer(events.app, name="events")
app.add_typer(webhooks.app, name="webhooks")
app.command()(status.status)
app.command()(status.top)
app.command()(logs.logs)
app.command()(doctor.doctor)
app.command()(stop_resume.stop)
app.command()(stop_resume.resume)
app.command()(web)
for _entry in entry_points(group="alodial.commands"):
    _entry.load()(app)


def run(args: list[str] | None = None) -> int:
    """Runs one command and answers its exit code."""
    for place, argument in enumerate(sys.argv[1:] if args is None else args, start=1):
        if not is_text(argument):
            say(f"error: argument {place} is not UTF-8 text")
            say("hint: use a terminal and files in UTF-8")
            return 2
    try:
        code = app(args, standalone_mode=False, prog_name="alodial")
    except WrongUsage as exc:
        return _misused(exc)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except AlodialError as exc:
        if os.environ.get("ALODIAL_DEBUG"):
            raise
        return _told(exc)
    except OSError as exc:
        if exc.errno not in FULL:
            raise
        give_up_output()
        say(f"error: cannot write the output: {exc.strerror}")
        return 1
    return int(code or 0)


def _misused(exc: Exception) -> int:
    wrong = cast(Any, exc)
    message = wrong.format_message()
    path = wrong.ctx.command_path if getattr(wrong, "ctx", None) is not None else "alodial"
    if message.startswith("Usage:"):
        # A group without a command: its help says what can follow.
        say(message)
    else:
        say(f"error: {message[:1].lower()}{message[1:]}")
        say(f"hint: {path} --help")
    return int(wrong.exit_code)


def _told(exc: AlodialError) -> int:
    if isinstance(exc, InvalidCall | InvalidCampaign):
        for problem in exc.problems:
            say(f"error: {problem.field}: {problem.problem}")
            say(f"hint: {problem.remedy}")
        return 2 if isinstance(exc, InvalidCall) else 1
    if isinstance(exc, NotRedialable):
        say(f"error: call {exc.call_id} {exc.problem}")
        say(f"hint: {exc.remedy}")
        return 1
    say(f"error: {exc}")
    for kind, hint in HINTS.items():
        if isinstance(exc, kind):
            # One that names no setting is about an option, and says itself what to do.
            if kind is ConfigurationError and "ALODIAL_" not in str(exc):
                break
            say(f"hint: {hint}")
            break
    return 1
