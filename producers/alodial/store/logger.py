"""Loggers of what programs import: through the host's own logging until structlog is configured, never to standard output."""

import logging
from typing import Any

import structlog


class LibraryLogger:
    """Logs an event with its fields by structlog where the process has configured it, else by ``logging``.

    Structlog that nobody configured prints to standard output, which belongs to the program that imports alodial.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if structlog.is_configured():
            getattr(structlog.get_logger(self._name), level)(event, **fields)
            return
        number = logging.getLevelNamesMapping()[level.upper()]
        exc_info = fields.pop("exc_info", None)
        text = " ".join([event, *(f"{name}={value}" for name, value in fields.items())])
        logging.getLogger(self._name).log(number, "%s", text, exc_info=exc_info)

    def debug(self, event: str, **fields: Any) -> None:
        """Logs at the level debug."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Logs at the level info."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Logs at the level warning."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Logs at the level error."""
        self._log("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Logs at the level error, with the exception that is being handled."""
        self._log("error", event, {"exc_info": True, **fields})
