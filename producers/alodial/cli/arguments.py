"""Options that several commands share, and the parsers of what is typed for them."""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Annotated, Any

import typer

from .output import in_language

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
"""Seconds of each unit of a duration."""

_STREAM_ID = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")
_AGO = re.compile(r"-?([0-9]{1,6})(s|m|h|d)")
_LATER = re.compile(r"\+([0-9]{1,6})(s|m|h|d)")


def confirm(question: str, *, yes: bool) -> None:
    """Asks on the terminal before something that cannot be undone. Raises Abort for a no, BadParameter without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on: repeat the command with --yes")
    typer.confirm(in_language(question), abort=True, err=True)


def confirm_person(question: str, *, yes: bool) -> None:
    """Asks a person on a terminal; a script goes on, as it did when this was not asked yet. Raises Abort for a no."""
    if not yes and sys.stdin.isatty():
        typer.confirm(in_language(question), abort=True, err=True)


def shares_options(template: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator for commands that take the parameters of ``template`` after their own.

    The command receives those by name in its first parameter, a dict.
    """
    shared = inspect.signature(template).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command).parameters.values()

        @wraps(command)
        def run(**values: Any) -> None:
            options = {name: values.pop(name) for name in shared}
            command(options, **values)

        # Typer reads the options of a command from these two. By keyword, they may be in any order.
        parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in (*own, *shared.values())]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def is_stream_id(text: str) -> bool:
    """Returns whether the text is the id of an entry in a Redis stream, such as ``1795413409008-0``."""
    return _STREAM_ID.fullmatch(text) is not None


def check_stream_id(option: str, text: str | None, remedy: str) -> None:
    """Raises BadParameter, which names the option, unless the text is a stream id or None."""
    if text is not None and not is_stream_id(text):
        raise typer.BadParameter(f"{option} {text!r}: {remedy}")


def is_utf8(argument: str) -> bool:
    """Returns whether an argument was UTF-8; Redis and JSON cannot hold others."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raises BadParameter, which lists the choices, unless the value is one of them."""
    if value not in choices:
        raise typer.BadParameter(f"{option} {value!r}: use {', '.join(choices[:-1])} or {choices[-1]}")


def parse_pairs(option: str, texts: Sequence[str], example: str = "NAME=VALUE") -> dict[str, str]:
    """Returns the values of a repeated option NAME=VALUE by name. Raises BadParameter."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise typer.BadParameter(f"{option} {text!r}: write {example}")
        if name in pairs:
            raise typer.BadParameter(f"{option} {name!r}: comes twice; write each name once")
        pairs[name] = value
    return pairs


def parse_seconds(option: str, text: str) -> int:
    """Returns the seconds of "90", "15m", "2h" or "1d". Raises BadParameter."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    if not number.isascii() or not number.isdigit():
        raise typer.BadParameter(f"{option} {text!r}: write for example 90, 15m, 2h or 1d")
    return int(number) * UNITS[unit]


def parse_time(option: str, text: str | None, now: datetime | None = None) -> int | None:
    """Returns Unix ms of ``10m`` (before now) or of an ISO 8601 time, local without a zone. Raises BadParameter."""
    if text is None:
        return None
    now = now or datetime.now(UTC)
    if ago := _AGO.fullmatch(text):
        at = now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
    else:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(
                f"{option} {text!r}: write how long ago, such as 10m, 2h or 1d, or a time such as 2026-11-23T14:00"
            ) from None
    try:
        return max(0, int(at.timestamp() * 1000))
    except (OverflowError, ValueError):
        raise typer.BadParameter(f"{option} {text!r}: is out of range") from None


def parse_moment(option: str, text: str | None, now: datetime | None = None) -> str | None:
    """Returns ISO 8601 of ``+2h`` (from now), or the ISO 8601 that was typed. Raises BadParameter for any other text."""
    if text is None or text[:4].isdecimal():
        return text
    later = _LATER.fullmatch(text)
    if later is None:
        raise typer.BadParameter(
            f"{option} {text!r}: write for example +15m, +2h or +1d, or ISO 8601 with a zone: 2026-01-02T09:00:00+05:00"
        )
    try:
        return ((now or datetime.now(UTC)) + timedelta(seconds=int(later[1]) * UNITS[later[2]])).isoformat()
    except OverflowError:
        raise typer.BadParameter(f"{option} {text!r}: is out of range") from None
