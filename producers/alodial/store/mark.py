"""The mark of a store: the form of its data, and at which provider its calls are placed.

Workers write it at their first start. A process with another one refuses: a sandbox's calls must not ring real phones because
somebody changed an address, and what a newer version wrote must not be read by an older one.
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis

from ..errors import StoreUnfit
from ..settings import Settings
from .answers import number, text
from .keys import Keys

SCHEMA = 1
"""The form of the data. It grows when an older version could misread what this one writes."""

# Begins with a deletion, so that a full Redis takes it: see ``scripts.WHEN_FULL``.
_CLAIM = """
redis.call('DEL', KEYS[1] .. ':none')
local mark = redis.call('HMGET', KEYS[1], 'v', 'host')
if not mark[2] or mark[2] == ARGV[4] then
  redis.call('HSET', KEYS[1], 'env', ARGV[2], 'host', ARGV[3])
end
if tonumber(mark[1] or 0) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'v', ARGV[1]) end
return redis.call('HMGET', KEYS[1], 'v', 'env', 'host')
"""


class Mark(NamedTuple):
    """``environment`` is ``sandbox`` or ``live``, ``host`` that of the provider's address."""

    schema: int
    environment: str
    host: str


def mark_of(settings: Settings) -> Mark:
    """What these settings mean. Only an address of the internet is live: a sandbox has none."""
    parts = urlsplit(settings.provider_url)
    host = (parts.hostname or "").lower()
    return Mark(SCHEMA, "live" if parts.scheme == "https" and "." in host else "sandbox", host)


def claim(client: "redis.Redis", keys: Keys, settings: Settings) -> None:
    """Writes the mark where there is none, or that of the provider named by ``ALODIAL_PROVIDER_WAS``, in one step.

    Raises StoreUnfit where the store has another one, with what differs and what to do.
    """
    ours = mark_of(settings)
    answer: Any = client.eval(_CLAIM, 1, keys.MARK, *ours, settings.provider_was.lower() or "-")
    _refuse(settings, _mark(answer))


def read(client: "redis.Redis", keys: Keys) -> Mark | None:
    """The store's mark; None where no worker of a version that knows marks has run."""
    answer: Any = client.hmget(keys.MARK, ["v", "env", "host"])
    return None if answer[2] is None else _mark(answer)


def check(client: "redis.Redis", keys: Keys, settings: Settings) -> None:
    """Raises StoreUnfit where the store has another mark than these settings, as far as they name a provider at all."""
    answer: Any = client.hmget(keys.MARK, ["v", "env", "host"])
    _refuse_named(settings, answer)


async def check_async(client: Any, keys: Keys, settings: Settings) -> None:
    """As :func:`check`."""
    _refuse_named(settings, await client.hmget(keys.MARK, ["v", "env", "host"]))


def problem(settings: Settings, stored: Mark) -> tuple[str, str] | None:
    """What is wrong with a process of these settings in a store with this mark, and the remedy; None when nothing is."""
    ours = mark_of(settings)
    if stored.schema > SCHEMA:
        return (
            f"this store was written by a newer alodial (form {stored.schema}, this version knows {SCHEMA})",
            "install that version here too",
        )
    if stored.host == ours.host or stored.environment == ours.environment == "sandbox":
        return None
    words = {"sandbox": "of a sandbox", "live": "for real telephones"}
    return (
        f"the calls in this store are {words.get(stored.environment, 'placed')} at {stored.host}, "
        f"those of these settings {words[ours.environment]} at {ours.host} (ALODIAL_PROVIDER_URL)",
        "give this installation another ALODIAL_NAMESPACE or Redis; if the provider's address changed on purpose, "
        f"start the workers with ALODIAL_PROVIDER_WAS={stored.host}: all waiting calls are then placed at {ours.host}",
    )


def _mark(answer: list[Any]) -> Mark:
    return Mark(number(answer[0]), text(answer[1]), text(answer[2]))


def _refuse_named(settings: Settings, answer: list[Any]) -> None:
    # A program that only enqueues need not know the provider, whose address has a default.
    if answer[2] is not None and "provider_url" in settings.model_fields_set:
        _refuse(settings, _mark(answer))


def _refuse(settings: Settings, stored: Mark) -> None:
    if wrong := problem(settings, stored):
        raise StoreUnfit(f"{wrong[0]}; hint: {wrong[1]}")
