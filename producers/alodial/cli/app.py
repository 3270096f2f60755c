"""The command ``alodial``: its groups and commands, and the exit code of each run."""

import os
import sys
from typing import Annotated, Any, cast

import typer

from . import (
    alerts,
    archive,
    audit,
    call,
    calls,
    campaign,
    channels,
    dead_letters,
    do_not_call,
    doctor,
    events,
    forget,
    keys,
    logs,
    report,
    status,
    stop_resume,
    webhooks,
)
from .added_commands import added_commands
from .arguments import is_utf8
from .completion import COMPLETE_VARIABLE, completion, init_completion
from .grouped_help import GroupedHelp, command_elsewhere
from .init import init
from .output import document, in_language, say
from .web import web

# Typer raises click's exceptions, or since 0.26 those of its own copy of click; its BadParameter is based on either.
UsageError = cast(
    type[Exception], next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
)

app = typer.Typer(
    name="alodial",
    cls=GroupedHelp,
    help="Places telephone calls through AloVoice: no phone rings twice, no call is lost.\n\nExample: alodial demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"alodial {version('alodial')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    if debug:
        os.environ["ALODIAL_DEBUG"] = "1"


app.add_typer(call.app, name="call")
app.add_typer(calls.app, name="calls")
app.add_typer(campaign.app, name="campaign")
app.add_typer(channels.app, name="channels")
app.add_typer(do_not_call.app, name="dnc")
app.add_typer(dead_letters.app, name="dead")
app.add_typer(events.app, name="events")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(keys.app, name="keys")
app.add_typer(report.app, name="report")
app.add_typer(alerts.app, name="alerts")
app.add_typer(archive.app, name="archive")
for _command in (
    init,
    audit.audit,
    forget.forget,
    status.status,
    status.top,
    logs.logs,
    doctor.doctor,
    stop_resume.stop,
    stop_resume.resume,
    web,
    completion,
):
    app.command()(_command)
for _add in added_commands():
    _add(app)
audit.leave_entries(app)


def run(args: list[str] | None = None) -> int:
    """Runs one command, that of ``sys.argv`` by default, and returns its exit code. Raises errors that are not alodial's own."""
    arguments = sys.argv[1:] if args is None else args
    for place, argument in enumerate(arguments, start=1):
        if not is_utf8(argument):
            say(f"error: argument {place} is not UTF-8 text")
            say("hint: use a terminal and files in UTF-8")
            return 2
    if COMPLETE_VARIABLE in os.environ:
        # A shell asks what may come next: typer's own shells are registered only then.
        init_completion()
    try:
        code = app(args, standalone_mode=False, prog_name="alodial")
    except UsageError as exc:
        return _report_usage(exc, as_json="--json" in arguments)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except Exception as exc:
        from . import failures

        return failures.report(exc, as_json="--json" in arguments)
    return int(code or 0)


def _likely_command(error: Any, message: str) -> str:
    """The command of another group that an unknown one may mean, such as `alodial calls show`; "" for none."""
    context = getattr(error, "ctx", None)
    name = message.removeprefix("No such command '").partition("'")[0]
    if context is None or name == message or "Did you mean" in message:
        return ""
    return command_elsewhere(context.find_root().command, context.info_name or "", name)


def _report_usage(exc: Exception, *, as_json: bool) -> int:
    error = cast(Any, exc)
    message = error.format_message().removeprefix("Invalid value: ")
    path = error.ctx.command_path if getattr(error, "ctx", None) is not None else "alodial"
    if message.startswith("Usage:"):
        # A group without a command: the message is its help, which lists the commands.
        say(message)
    else:
        if as_json:
            document({"error": {"code": "usage", "detail": message, "hint": f"{path} --help", "retry": False}})
        shown = in_language(message)
        say(f"error: {shown[:1].lower()}{shown[1:]}")
        say(f"hint: {_likely_command(error, message) or f'{path} --help'}")
    return int(error.exit_code)
