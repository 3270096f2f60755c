"""What people wrote on the command line, looked at before Redis sees it."""

import re

import typer

_POSITION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")


def is_position(text: str) -> bool:
    """Is it an id in one of Redis' streams, such as ``1795413409008-0``?"""
    return _POSITION.fullmatch(text) is not None


def check_position(option: str, text: str | None, remedy: str) -> None:
    """Raises BadParameter that names the option."""
    if text is not None and not is_position(text):
        raise typer.BadParameter(f"{option} {text!r}: {remedy}")


def is_text(argument: str) -> bool:
    """False for bytes that were no UTF-8: nothing of ours can store or send them."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
