"""The command line. ``main`` is the console command ``alodial``."""

import sys

EXTRAS = {
    "cli": ("typer", "click", "rich", "jinja2", "xlsxwriter"),
    "web": ("fastapi", "starlette", "uvicorn", "multipart", "python_multipart", "prometheus_client"),
    "worker": ("httpx", "httptools", "certifi"),
    "zones": ("phonenumbers.tzdata",),
    "archive": ("sqlalchemy", "alembic", "psycopg"),
}
"""Which extra of the distribution installs which module."""

COMMAND_EXTRAS = {
    "web": "web",
    "worker": "worker",
    "bench": "worker",
    "archive": "archive",
    "sandbox": "all",
    "dev": "demo",
    "demo": "demo",
}
"""The extra that installs everything a command needs; it is named whichever module is missing."""


def main() -> None:
    """Runs the command line; ends the process with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print(f"alodial {version('alodial')}")  # noqa: T201  # what the command is for
        return
    try:
        from .app import run
        from .output import prepare_streams

        prepare_streams()
        code = run()
    except KeyboardInterrupt:
        code = 130
    except ModuleNotFoundError as exc:
        code = report_missing_extra(exc)
    sys.exit(code)


def report_missing_extra(exc: ModuleNotFoundError) -> int:
    """Prints which extra to install for a missing module and returns exit code 1. Raises ``exc`` if no extra has it."""
    name = exc.name or ""
    extra = next((key for key, modules in EXTRAS.items() if {name, name.partition(".")[0]} & set(modules)), None)
    if extra is None:
        raise exc
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    print(f"error: this command needs {name}, which is not installed", file=sys.stderr)  # noqa: T201  # rich may be missing
    print(f"hint: pip install 'alodial[{COMMAND_EXTRAS.get(command, extra)}]'", file=sys.stderr)  # noqa: T201  # as above
    return 1
