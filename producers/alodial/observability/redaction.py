"""Takes secrets and phone numbers out of texts before they are logged or sent anywhere."""

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from alodial_schemas import mask_numbers, mask_phone

from ..settings import Settings

HIDDEN = "[hidden]"
PLAIN = frozenset(
    {
        *(
            "level",
            "timestamp",
            "logger",
            "call_id",
            "extid",
            "record",
            "entry",
            "campaign",
            "worker",
            "attempt",
            "account",
        ),
        *("request_id", "trace_id", "span_id", "endpoint", "draft", "result", "event_id", "hash"),
    }
)
"""Fields that hold ids and names; an extid and an inbox entry look like a number and must stay readable."""
REPEATED = frozenset({"event", "worker"})
"""Fields with few different texts, which need not be searched again in each line."""

MOST_REPEATED = 200
"""Texts of such fields that are remembered, each of at most 100 characters: messages of libraries differ without end."""

NUMBERS = frozenset({"phone", "number", "callfrom", "callto", "fromline", "to", "party"})

Event = MutableMapping[str, Any]


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Returns every secret of the settings in plain text, longest first, URL-encoded and decoded."""
    secrets: set[str] = set()

    def gather(value: object) -> None:
        if isinstance(value, SecretStr):
            # A scoped key is KEY;name=shop: what travels is the key alone.
            secrets.update((value.get_secret_value(), value.get_secret_value().partition(";")[0].strip()))
        elif isinstance(value, tuple):
            for part in value:
                gather(part)
        elif isinstance(value, dict):
            for part in value.values():
                gather(part.token)

    for name in type(settings).model_fields:
        if name not in {"redis_url", "broker_url", "archive_url"}:
            gather(getattr(settings, name))
    for setting in (settings.redis_url, settings.broker_url, settings.archive_url):
        url = setting.get_secret_value() if setting is not None else ""
        if "@" in url:
            secrets.add(url.partition("://")[2].rpartition("@")[0].rpartition(":")[2])
        secrets.update(dict(parse_qsl(urlsplit(url).query)).get("password", "").split())
    for webhook in settings.webhooks:
        secrets |= _secrets_of_url(webhook.get_secret_value())
    # An error may show a secret as the URL has it, or decoded.
    secrets |= {quote(secret, safe="") for secret in secrets} | {unquote(secret) for secret in secrets}
    # Shorter ones would take letters out of ordinary words.
    return tuple(sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True))


MIN_PATH = 8
"""Characters of a webhook's path, or of a part of it, from which on it is taken for a token."""


def _secrets_of_url(url: str) -> set[str]:
    """What may be a token in a webhook's URL: its path and query, and long parts of either."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return set()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    values = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    long_parts = {value for value in values if len(value) >= 2 * MIN_PATH}
    return {text for text in (target, parts.path, parts.query) if len(text) >= MIN_PATH} | long_parts


class Scrubber:
    """A structlog processor that hides secrets and masks phone numbers in every text of an event, however nested."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        # Shorter texts hold neither a secret nor a phone number: most values of a line are of a few characters.
        self._shortest = min((9, *map(len, self._secrets)))
        self._clean: set[str] = set()

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        for name, value in event.items():
            if type(value) is str:
                plain = len(value) < self._shortest or value in self._clean or name == "timestamp"
            else:
                plain = type(value) is int
            if not plain or name in NUMBERS:
                event[name] = self._value(name, value)
        return event

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, str):
            if (
                name in REPEATED
                and len(value) <= 100
                and self.text(value) == value
                and len(self._clean) < MOST_REPEATED
            ):
                self._clean.add(value)
            return mask_phone(value) if name in NUMBERS else self.text(value, numbers=name not in PLAIN)
        if isinstance(value, dict):
            return {self.text(str(key)): self._value(str(key), part) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(name, part) for part in value]
        if isinstance(value, int | float | bool | None):
            # AloVoice's own examples write a line as an int.
            return mask_phone(str(value)) if name in NUMBERS and type(value) is int else value
        return self.text(str(value))

    def text(self, value: str, *, numbers: bool = True) -> str:
        """Returns the text with its secrets hidden and, unless ``numbers`` is False, its phone numbers masked."""
        for secret in self._secrets:
            if secret in value:
                value = value.replace(secret, HIDDEN)
        return mask_numbers(value) if numbers and len(value) >= 9 else value
