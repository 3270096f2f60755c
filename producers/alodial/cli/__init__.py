"""The command line. ``main`` is the console command ``alodial``."""

import os
import sys


def main() -> None:
    """Runs the command line; ends the process with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415  # the quick way out: nothing else is loaded

        print(f"alodial {version('alodial')}")  # noqa: T201  # what the command is for
        return
    from .app import run  # noqa: PLC0415  # as above

    code = run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # `alodial calls list | head`: the reader has gone, and Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
