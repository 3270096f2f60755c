"""The command line. ``main`` is the console command ``alodial``."""

import sys


def main() -> None:
    """Runs the command line; ends the process with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print(f"alodial {version('alodial')}")  # noqa: T201  # what the command is for
        return
    try:
        from .app import run
        from .output import ready_streams

        ready_streams()
        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
