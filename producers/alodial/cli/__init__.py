"""The command line. ``main`` is the console command ``alodial``."""

import sys


def main() -> None:
    """Runs the command line; ends the process with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415  # the quick way out: nothing else is loaded

        print(f"alodial {version('alodial')}")  # noqa: T201  # what the command is for
        return
    try:
        from .app import run  # noqa: PLC0415  # as above
        from .output import ready_streams  # noqa: PLC0415  # as above

        ready_streams()
        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
