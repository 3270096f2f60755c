"""``alodial completion``: prints what a shell needs to complete commands and options."""

import os
from typing import Annotated

import typer

from .arguments import check_choice

COMPLETE_VARIABLE = "_ALODIAL_COMPLETE"
"""Set by a shell that asks for completions; the name is typer's for the program ``alodial``."""

SHELLS = ("bash", "zsh", "fish")


def completion(
    context: typer.Context, shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]
) -> None:
    """Print the completion script of a shell; evaluate it in the shell's start file.

    Example: eval "$(alodial completion bash)"
    """
    check_choice("SHELL", shell, SHELLS)
    init_completion()
    os.environ[COMPLETE_VARIABLE] = f"source_{shell}"
    try:
        context.find_root().command.main(args=[], prog_name="alodial", standalone_mode=False)
    finally:
        del os.environ[COMPLETE_VARIABLE]


def init_completion() -> None:
    """Makes the shells known to typer, which does so itself only for options that `alodial` does not have."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # typer has no __all__

    completion_init()
