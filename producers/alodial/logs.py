"""Logs: structlog for us and for everybody else in the process, console or JSON, numbers masked, secrets taken out.

One line a state change. Ids are bound with ``structlog.contextvars`` when a message starts and cleared when it ends.
"""

import json
import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import IO, Any

import structlog
from alodial_schemas import mask_numbers, mask_phone
from pydantic import SecretStr

from .settings import Settings

HIDDEN = "[hidden]"
PLAIN = frozenset({"event", "level", "timestamp", "logger", "call_id", "extid", "record", "campaign", "worker", "attempt", "account"})
"""Fields that hold ids and words of ours; an extid looks like a number and must stay readable."""
NUMBERS = frozenset({"phone", "number", "callfrom", "callto", "fromline", "to", "party"})

Event = MutableMapping[str, Any]


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Every secret of these settings in plain, longest first, for taking them out of texts."""
    found: set[str] = set()

    def gather(value: object) -> None:
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
        elif isinstance(value, tuple):
            for part in value:
                gather(part)
        elif isinstance(value, dict):
            for part in value.values():
                gather(part.token)

    for name in type(settings).model_fields:
        if name not in {"redis_url", "broker_url"}:
            gather(getattr(settings, name))
    for url in (settings.redis_url, settings.broker_url):
        if url is not None and "@" in url.get_secret_value():
            found.add(url.get_secret_value().partition("://")[2].rpartition("@")[0].rpartition(":")[2])
    # Shorter ones would take letters out of ordinary words.
    return tuple(sorted((secret for secret in found if len(secret) >= 4), key=len, reverse=True))


class Scrubber:
    """Masks phone numbers and takes planted secrets out of every text of a log line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        for name, value in event.items():
            if isinstance(value, str):
                event[name] = self._field(name, value)
            elif name == "exc_info" or isinstance(value, int | float | bool | None):
                continue
            elif not isinstance(value, BaseException):
                event[name] = self._deep(name, value)
        return event

    def _field(self, name: str, value: str) -> str:
        if name in NUMBERS:
            return mask_phone(value)
        return self.text(value, numbers=name not in PLAIN)

    def _deep(self, name: str, value: object) -> object:
        if isinstance(value, str):
            return self._field(name, value)
        if isinstance(value, dict):
            return {key: self._deep(str(key), part) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._deep(name, part) for part in value]
        if isinstance(value, int | float | bool | None):
            return value
        return self.text(str(value))

    def text(self, value: str, *, numbers: bool = True) -> str:
        """The text without secrets and, unless told otherwise, with its phone numbers masked."""
        for secret in self._secrets:
            if secret in value:
                value = value.replace(secret, HIDDEN)
        return mask_numbers(value) if numbers and len(value) >= 9 else value


def _encode(event: object, **_options: Any) -> str:
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"), default=str)


def configure(settings: Settings, *, stream: IO[str] | None = None, **bound: str) -> None:
    """Sets up logging for the process. Every logger of the standard library goes the same way, from warning on.

    ``bound`` is in every line, such as the worker's name.
    """
    out = stream or sys.stderr
    form = settings.log_format or ("console" if out.isatty() else "json")
    scrub = Scrubber(secrets_of(settings))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        lambda _logger, _method, event: {**event, **bound} if bound else event,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if form == "console"
        else structlog.processors.JSONRenderer(serializer=_encode)
    )
    # Tracebacks become text before they are scrubbed, so that a token in an exception cannot slip past.
    tail: list[Any] = [structlog.processors.format_exc_info, scrub, *([_no_control] if form == "console" else []), render]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    # These log URLs, which hold the provider's token and the callback's secret, at levels that a person may turn on.
    for name in ("httpx", "httpcore", "uvicorn.access", "hpack"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("dramatiq", "uvicorn", "uvicorn.error", "asyncio"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True


def _no_control(_logger: object, _method: str, event: Event) -> Event:
    """Escapes control characters: a console line stays one line whatever AloVoice answered."""
    for name, value in event.items():
        if isinstance(value, str) and name != "exception" and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event
