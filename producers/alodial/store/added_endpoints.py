"""Webhook endpoints that an operator added at run time, beside those of ALODIAL_WEBHOOKS."""

import json
from dataclasses import dataclass
from typing import Final, Literal

import redis
from pydantic import SecretStr

from .keys import Keys
from .sansio import Steps
from .server_clock import server_ms

MAX_ADDED: Final = 50
"""Endpoints added at run time: each costs every worker a loop."""

REMOVED_SECONDS: Final = 86_400
"""How long a removed endpoint is remembered, so that a worker that has not noticed makes no new queue for it."""

PARTS: Final = ("", "due", "body", "tries", "parked", "tried")
"""Everything that Redis keeps of an endpoint."""


@dataclass(frozen=True, slots=True)
class AddedEndpoint:
    """``secret`` signs its events, ``added_at`` is in Unix ms, ``added_by`` the operator."""

    id: str
    url: SecretStr
    secret: SecretStr
    added_at: int
    added_by: str

    def to_json(self) -> str:
        """The record as Redis holds it, with its secrets: a delivery cannot be signed with a hash."""
        fields = {
            "url": self.url.get_secret_value(),
            "secret": self.secret.get_secret_value(),
            "added_at": self.added_at,
            "added_by": self.added_by,
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, id: str, raw: bytes) -> "AddedEndpoint":
        fields = json.loads(raw)
        return cls(id, SecretStr(fields["url"]), SecretStr(fields["secret"]), fields["added_at"], fields["added_by"])


def read_all(keys: Keys) -> Steps[list[AddedEndpoint]]:
    """Reads every added endpoint, the oldest first."""
    (raw,) = yield [("HGETALL", keys.WEBHOOKS_ADDED)]
    records = (AddedEndpoint.from_json(id.decode(), record) for id, record in raw.items())
    return sorted(records, key=lambda added: added.added_at)


def add(
    client: "redis.Redis", keys: Keys, id: str, url: str, secret: str, actor: str
) -> Literal["added", "known", "full"]:
    """Stores an endpoint; ``known`` when it was added before, ``full`` when there are fifty."""
    if client.hlen(keys.WEBHOOKS_ADDED) >= MAX_ADDED:
        return "full"
    record = AddedEndpoint(id, SecretStr(url), SecretStr(secret), server_ms(client), actor)
    if not client.hsetnx(keys.WEBHOOKS_ADDED, id, record.to_json()):
        return "known"
    client.delete(keys.webhook(id, "gone"))
    return "added"


def remove(client: "redis.Redis", keys: Keys, id: str) -> bool:
    """Removes an added endpoint with its queue and its history. Returns whether it was there."""
    if not client.hexists(keys.WEBHOOKS_ADDED, id):
        return False
    with client.pipeline(transaction=True) as pipe:
        pipe.set(keys.webhook(id, "gone"), 1, ex=REMOVED_SECONDS)
        pipe.hdel(keys.WEBHOOKS_ADDED, id)
        pipe.srem(keys.WEBHOOKS, id)
        pipe.delete(*(keys.webhook(id, part) for part in PARTS))
        pipe.execute()
    if client.exists(keys.EVENTS):
        client.xgroup_destroy(keys.EVENTS, f"webhook:{id}")
    return True
