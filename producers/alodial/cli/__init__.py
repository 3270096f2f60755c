"""The command line. ``main`` is the console command ``alodial``."""

import sys

EXTRAS = {
    "cli": ("typer", "click", "rich", "jinja2", "xlsxwriter"),
    "web": ("fastapi", "starlette", "uvicorn", "multipart", "python_multipart", "prometheus_client"),
    "worker": ("httpx", "httptools", "certifi"),
    "zones": ("phonenumbers.tzdata",),
}
"""Which extra of the distribution brings which module."""


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
    except ModuleNotFoundError as exc:
        code = missing_extra(exc)
    sys.exit(code)


def missing_extra(exc: ModuleNotFoundError) -> int:
    """Says which extra to install for a missing module and returns exit code 1. Raises ``exc`` if no extra has it."""
    name = exc.name or ""
    for extra, modules in EXTRAS.items():
        if name in modules or name.partition(".")[0] in modules:
            print(f"error: this command needs {name}, which is not installed", file=sys.stderr)  # noqa: T201  # rich may be missing
            print(f"hint: pip install 'alodial[{extra}]'", file=sys.stderr)  # noqa: T201  # as above
            return 1
    raise exc
