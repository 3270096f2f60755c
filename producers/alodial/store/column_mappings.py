"""What the columns of a file were used for, kept for the next file of the same owner with the same header.

A convenience, not a part of any call's state: what is lost is asked about again.
"""

import hashlib
import json
from typing import Final

import redis

from .keys import Keys

MAX_MAPPINGS: Final = 100
"""Headers that an owner has; above it the oldest is forgotten."""

KEEP_SECONDS: Final = 180 * 86_400
MAX_BYTES: Final = 16_384


def _key(keys: Keys, owner: str) -> str:
    return keys.column_mappings(hashlib.sha256(owner.encode()).hexdigest()[:32])


def read(client: "redis.Redis", keys: Keys, owner: str, header: str) -> dict[str, str] | None:
    """Field -> column of the last file with this header; None for a new one. ``header`` is a hash of the column names."""
    stored = client.hget(_key(keys, owner), header)
    if not isinstance(stored, bytes):
        return None
    mapping = json.loads(stored).get("m")
    return dict(mapping) if isinstance(mapping, dict) else None


def write(client: "redis.Redis", keys: Keys, owner: str, header: str, mapping: dict[str, str], now_ms: int) -> None:
    """Keeps a mapping for 180 days after the owner's last one; a larger one than 16 KiB is not kept."""
    text = json.dumps({"m": mapping, "t": now_ms}, ensure_ascii=False, separators=(",", ":"))
    key = _key(keys, owner)
    if len(text) > MAX_BYTES:
        return
    client.hset(key, header, text)
    client.expire(key, KEEP_SECONDS)
    if int(client.hlen(key)) > MAX_MAPPINGS:
        kept = {name: json.loads(value)["t"] for name, value in client.hgetall(key).items()}
        oldest = sorted(kept, key=lambda name: kept[name])[: len(kept) - MAX_MAPPINGS]
        client.hdel(key, *oldest)


def forget(client: "redis.Redis", keys: Keys, owner: str, header: str) -> None:
    client.hdel(_key(keys, owner), header)
