"""``alodial completion``: prints what a shell needs to complete commands and options."""

import os
from typing import Annotated

import typer

from .arguments import check_choice

COMPLETE_VARIABLE = "_ALODIAL_COMPLETE"
"""Set by a shell that asks for completions; the name is typer's for the program ``alodial``."""

SHELLS = ("bash", "zsh", "fish")


def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell; evaluate it in the shell's start file.

    Example: eval "$(alodial completion bash)"
    """
    check_choice("SHELL", shell, SHELLS)
    from .app import run

    os.environ[COMPLETE_VARIABLE] = f"source_{shell}"
    try:
        run([])
    finally:
        del os.environ[COMPLETE_VARIABLE]
