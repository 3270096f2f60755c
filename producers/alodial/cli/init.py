"""``alodial init``: writes a complete ``.env`` with strong secrets, for the sandbox or for AloVoice."""

import os
import re
import secrets
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from .output import in_language, line, say

_N = TypeVar("_N", int, float)

SANDBOX_URL = "http://127.0.0.1:8090"
"""Where `alodial dev` and the README start the sandbox."""

REDIS_PORTS = range(6379, 6400)
"""Tried in this order for a Redis of one's own; the first that nobody listens on is taken."""


class ShippedFile(StrEnum):
    """A file of `deploy/` that `--print` prints."""

    REDIS = "redis.conf"
    ENV = "env"


def init(
    sandbox: Annotated[
        bool | None,
        typer.Option("--sandbox/--live", help="Place calls to the sandbox, where no phone rings, or to AloVoice."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; the sandbox, unless --live is given.")] = False,
    folder: Annotated[Path, typer.Option("--dir", help="The folder that gets .env.")] = Path(),
    shipped: Annotated[
        ShippedFile | None, typer.Option("--print", help="Print a shipped file instead of writing .env.")
    ] = None,
) -> None:
    """Write a complete .env with strong secrets. An existing one is never overwritten.

    Example: alodial init --sandbox
    """
    if shipped is not None:
        name = "env.example" if shipped is ShippedFile.ENV else shipped
        line(shipped_file(name).rstrip("\n"))
        return
    path = folder / ".env"
    # Before the questions, so that nobody answers them in vain; the file is created with O_EXCL all the same.
    if path.exists() or path.is_symlink():
        _refuse(path)
    ask = not yes and sys.stdin.isatty()
    if sandbox is None:
        sandbox = not ask or typer.confirm(
            in_language("Place calls to the sandbox, where no phone rings?"), default=True, err=True
        )
    values = _sandbox_values() if sandbox else _live_values(ask)
    values |= {
        "ALODIAL_CALLBACK_SECRET": secrets.token_urlsafe(32),
        "ALODIAL_API_KEYS": secrets.token_urlsafe(32),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _create(path, filled(shipped_file("env.example"), values))
    except FileExistsError:
        _refuse(path)
    except OSError as exc:
        say(f"error: cannot write {path}: {exc.strerror}")
        say("hint: choose another folder with --dir")
        raise typer.Exit(1) from None
    say(f"written: {path} (only you can read it); every further setting stands in it with its default")
    _say_next(sandbox, folder, values)


def shipped_file(name: str) -> str:
    """Returns the text of a file of `deploy/`: from the installed package, or from the source."""
    package = Path(__file__).parents[1]
    installed = package / "deploy" / name
    return (installed if installed.exists() else package.parents[1] / "deploy" / name).read_text("utf-8")


def filled(template: str, values: dict[str, str]) -> str:
    """Returns the template of `.env` with values in the lines of their settings, uncommented where they were comments.

    Raises KeyError for a setting that the template has no line for.
    """
    for name, value in values.items():
        place = re.search(rf"^(?:# )?{name}=.*$", template, re.MULTILINE)
        if place is None:
            raise KeyError(name)
        template = f"{template[: place.start()]}{name}={value}{template[place.end() :]}"
    return template


def _sandbox_values() -> dict[str, str]:
    return {
        "ALODIAL_REDIS_URL": f"redis://127.0.0.1:{_free_redis_port()}/0",
        "ALODIAL_PROVIDER_URL": SANDBOX_URL,
        "ALODIAL_PROVIDER_TOKEN": "sandbox-" + secrets.token_urlsafe(12),
        # Nobody is disturbed: a list is called at once, at any hour.
        "ALODIAL_CALLS_PER_SECOND": "20",
        "ALODIAL_MAX_CONCURRENT_CALLS": "50",
        "ALODIAL_CALLING_HOURS": "00:00-24:00",
        "ALODIAL_COURTESY_HOURS": "off",
        # The first receiver is a program on this machine.
        "ALODIAL_WEBHOOK_PRIVATE": "true",
        "ALODIAL_ARCHIVE_URL": "sqlite:///var/archive.db",
    }


def _live_values(ask: bool) -> dict[str, str]:
    if not ask:
        return {}
    say("AloVoice gives you a token, and grants your account so many calls a second and so many at once.")
    return {
        "ALODIAL_PROVIDER_TOKEN": typer.prompt(in_language("token (is not shown)"), hide_input=True, err=True).strip(),
        "ALODIAL_CALLS_PER_SECOND": f"{_number('calls a second', 5.0):g}",
        "ALODIAL_MAX_CONCURRENT_CALLS": str(_number("calls at once", 10)),
    }


def _number(question: str, default: _N) -> _N:
    answer: _N = typer.prompt(in_language(question), default=default, type=type(default), err=True)
    return answer


def _free_redis_port() -> int:
    for port in REDIS_PORTS:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return REDIS_PORTS.start


def _create(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _refuse(path: Path) -> None:
    say(f"error: {path} exists already; it was not changed")
    say("hint: move it away first, or choose another folder with --dir")
    raise typer.Exit(1)


def _say_next(sandbox: bool, folder: Path, values: dict[str, str]) -> None:
    there = "" if folder == Path() else f"cd {folder} && "
    say("next:")
    if sandbox:
        say(f"  {there}alodial dev        # Redis, web, a worker, the archive and the sandbox, until Ctrl-C")
        say("  alodial call two-way --from 712037006 --to 994412860 --wait        # in another shell: the first call")
        say("  alodial campaign template clients.csv --sample        # a list of 300 invented people")
        return
    if not values.get("ALODIAL_PROVIDER_TOKEN"):
        say(f"  write AloVoice's token into {folder / '.env'}: ALODIAL_PROVIDER_TOKEN=...")
    say(f"  {there}alodial doctor     # checks Redis and the settings")
    say("  alodial web --port 8080        # and in another shell: alodial worker")
    say(
        "  alodial archive        # in a third, with ALODIAL_ARCHIVE_URL: keeps ended calls for years (docs/archive.md)"
    )
    say("  give AloVoice's staff the callback address: https://YOUR.HOST/callbacks/alovoice/SECRET")
    say(f"      with SECRET from ALODIAL_CALLBACK_SECRET in {folder / '.env'}")
