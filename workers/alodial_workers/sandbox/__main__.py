"""`python -m alodial_workers.sandbox`: `alodial sandbox` without the rest of the command line."""

import logging
import sys

import structlog
import typer

from .commands import sandbox


def main() -> None:
    """Runs the sandbox command. Logs go to standard error; standard output has only the line with the URL."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    typer.run(sandbox)


if __name__ == "__main__":
    main()
