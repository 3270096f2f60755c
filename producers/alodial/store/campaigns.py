"""Reads campaigns back, with their rows, calendars and activity, and cleans up after them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from .answers import number, text
from .keys import Keys
from .server_clock import server_ms

MIN_PREFIX = 6
"""Characters of an id that are enough to find its campaign."""


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """A campaign as the store keeps it. ``fields`` and ``counts`` as in keys.py (hashes ``g:`` and ``gc:``).

    ``opens`` is 0 within its calling hours, else the Unix ms of the next opening, None when no more is known.
    """

    id: str
    fields: dict[str, str]
    counts: dict[str, int]
    opens: int | None
    now_ms: int

    @property
    def state(self) -> str:
        """``draft``, ``scheduled``, ``running``, ``paused``, ``completed`` or ``canceled``."""
        return self.fields["s"]

    def number(self, name: str) -> int:
        """A field as a whole number; 0 without it."""
        return number(self.fields.get(name))

    def moment(self, name: str) -> int | None:
        """A field as Unix ms; None without it."""
        return self.number(name) if self.fields.get(name) else None


def read(client: "redis.Redis", keys: Keys, ids: Sequence[str]) -> list[StoredCampaign]:
    """The campaigns of these ids that exist, in their order; two round trips."""
    now_ms = server_ms(client)
    with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.hgetall(keys.campaign(id))
            pipe.hgetall(keys.campaign_counts(id))
            pipe.zrangebyscore(keys.calendar(id), f"({now_ms}", "+inf", start=0, num=1)
        answers = pipe.execute()
    stored = []
    for i, id in enumerate(ids):
        fields, counts, boundary = answers[3 * i : 3 * i + 3]
        if b"s" not in fields:
            continue
        opens = (0 if boundary[0][:1] == b"c" else int(boundary[0][1:])) if boundary else None
        texts = {text(name): text(value) for name, value in fields.items()}
        stored.append(
            StoredCampaign(id, texts, {text(name): number(value) for name, value in counts.items()}, opens, now_ms)
        )
    return stored


class CampaignIds(NamedTuple):
    """Ids, newest first; ``cursor`` continues after them, None at the end."""

    ids: list[str]
    cursor: str | None


def page(client: "redis.Redis", keys: Keys, cursor: str | None, limit: int) -> CampaignIds:
    """A page of the campaigns' ids; the cursor is a position in the list."""
    start = int(cursor or 0)
    rows: Any = client.zrevrange(keys.CAMPAIGNS, start, start + limit)
    ids = [row.decode() for row in rows[:limit]]
    return CampaignIds(ids, str(start + limit) if len(rows) > limit else None)


def _owned(client: "redis.Redis", keys: Keys, ids: list[str], owner: str) -> list[str]:
    """Those of the ids that ``owner`` has; all of them for ""."""
    if not owner:
        return ids
    with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.hget(keys.campaign(id), "ow")
        return [id for id, value in zip(ids, pipe.execute(), strict=True) if value == owner.encode()]


def page_of_owner(client: "redis.Redis", keys: Keys, owner: str, after: str, limit: int) -> CampaignIds:
    """A page of an owner's campaigns after the id ``after``, "" for the start; nothing tells how many others there are."""
    _index_owners_once(client, keys)
    start = 0
    if after:
        rank: Any = client.zrevrank(keys.campaigns_of(owner), after)
        if rank is None:
            return CampaignIds([], None)
        start = rank + 1
    ids = _ids_of(client, keys, owner, start, start + limit)
    return CampaignIds(ids[:limit], ids[limit - 1] if len(ids) > limit else None)


def _ids_of(client: "redis.Redis", keys: Keys, owner: str, first: int, last: int) -> list[str]:
    """Ids of an owner's campaigns ("" for all), newest first."""
    rows: Any = client.zrevrange(keys.campaigns_of(owner), first, last)
    return [row.decode() for row in rows]


def _index_owners(client: "redis.Redis", keys: Keys, owners: dict[str, str]) -> None:
    """Puts campaigns (id -> owner) into the lists of their owners, with the time of their ids; those that are there stay."""
    with client.pipeline(transaction=False) as pipe:
        for id, owner in owners.items():
            pipe.zadd(keys.campaigns_of(owner), {id: int(id[:8] + id[9:13], 16)}, nx=True)
            pipe.hset(keys.CAMPAIGN_OWNERS, id, owner)
        pipe.execute()


def _index_owners_once(client: "redis.Redis", keys: Keys) -> None:
    """Makes the lists of owners of what an earlier version stored, which had none."""
    if client.hexists(keys.TIDIED, "owners"):
        return
    for start in itertools.count(0, 500):
        rows = _ids_of(client, keys, "", start, start + 499)
        with client.pipeline(transaction=False) as pipe:
            for id in rows:
                pipe.hget(keys.campaign(id), "ow")
            owners = pipe.execute()
        _index_owners(client, keys, {id: owner.decode() for id, owner in zip(rows, owners, strict=True) if owner})
        if len(rows) < 500:
            break
    client.hset(keys.TIDIED, "owners", 1)


def find(client: "redis.Redis", keys: Keys, name: str, owner: str = "") -> list[str]:
    """Ids that a name may mean among an owner's campaigns ("" for all): the id, its first 6 characters or more, or the
    campaign's name; newest first."""
    if client.exists(keys.campaign(name)):
        return _owned(client, keys, [name], owner)
    if owner:
        _index_owners_once(client, keys)
    ids = _ids_of(client, keys, owner, 0, 9_999)
    matches = [id for id in ids if len(name) >= MIN_PREFIX and id.startswith(name)]
    if matches:
        return matches
    for start in range(0, len(ids), 500):
        with client.pipeline(transaction=False) as pipe:
            for id in ids[start : start + 500]:
                pipe.hget(keys.campaign(id), "n")
            names = pipe.execute()
        matches += [id for id, value in zip(ids[start : start + 500], names, strict=True) if value == name.encode()]
    return matches


class Chunk(NamedTuple):
    """Packed rows; ``base`` is the position of the first of them in the campaign, from 0."""

    base: int
    blob: bytes


def chunk(client: "redis.Redis", keys: Keys, campaign: str, index: int) -> Chunk | None:
    """A chunk of the campaign's rows; None for one that holds no rows, or is gone."""
    values: Any = client.hmget(keys.campaign_rows(campaign), [str(index), f"b{index}"])
    return None if values[0] is None else Chunk(int(values[1]), values[0])


def problem_blobs(client: "redis.Redis", keys: Keys, campaign: str, chunks: int) -> Iterator[bytes]:
    """The problems of the rows left out, packed, chunk by chunk in the file's order."""
    for start in range(0, chunks, 20):
        numbers = [str(index) for index in range(start, min(start + 20, chunks))]
        values: Any = client.hmget(keys.campaign_problems(campaign), numbers)
        yield from (value for value in values if value)


class ActivityEntry(NamedTuple):
    """One act on a campaign: when (Unix ms), by whom, what, and its details."""

    at_ms: int
    actor: str
    action: str
    detail: str


def activity(client: "redis.Redis", keys: Keys, campaign: str, limit: int) -> list[ActivityEntry]:
    """The latest acts on a campaign, newest first."""
    rows: Any = client.xrevrange(keys.campaign_log(campaign), count=limit)
    return [
        ActivityEntry(int(at.partition(b"-")[0]), *(text(fields.get(name)) for name in (b"who", b"action", b"detail")))
        for at, fields in rows
    ]


def calendar_exists(client: "redis.Redis", keys: Keys, campaign: str, zone: str) -> bool:
    """Whether a zone has a calendar in this campaign."""
    return bool(client.exists(keys.calendar(campaign, zone)))


class CalendarState(NamedTuple):
    """What a campaign's calendar was made from ("" for none), its request as JSON, and the zones that have their own.

    ``zones`` is None for a campaign whose hours do not follow the number.
    """

    campaign: str
    source: str
    request: str
    zones: list[str] | None


def calendar_states(client: "redis.Redis", keys: Keys, ids: Sequence[str]) -> list[CalendarState]:
    """The states of the calendars of these campaigns, in one round trip; without those that are gone."""
    with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.hmget(keys.campaign(id), ["cf", "req", "nz"])
            pipe.smembers(keys.campaign_zones(id))
        answers = pipe.execute()
    states = []
    for i, id in enumerate(ids):
        (source, request, by_number), zones = answers[2 * i : 2 * i + 2]
        if request is not None:
            names = sorted(zone.decode() for zone in zones) if by_number else None
            states.append(CalendarState(id, text(source), text(request), names))
    return states


def days_made_from(client: "redis.Redis", keys: Keys) -> str:
    """What the installation's midnights were made from; "" before the first time."""
    value: Any = client.get(keys.DAYS_MADE)
    return text(value)


def live(client: "redis.Redis", keys: Keys) -> list[str]:
    """Campaigns that are scheduled, running or paused."""
    members: Any = client.smembers(keys.CAMPAIGNS_LIVE)
    return sorted(member.decode() for member in members)


def purging(client: "redis.Redis", keys: Keys) -> list[str]:
    """Campaigns that ended with calls still in their lists, to be purged."""
    members: Any = client.smembers(keys.CAMPAIGNS_PURGE)
    return sorted(member.decode() for member in members)


def waiting_extids(client: "redis.Redis", keys: Keys, campaign: str, limit: int) -> list[str]:
    """The first calls of a campaign's ready list."""
    rows: Any = client.lrange(keys.campaign_ready(campaign), 0, limit - 1)
    return [row.decode() for row in rows]


def drop_waiting(client: "redis.Redis", keys: Keys, campaign: str, count: int) -> None:
    """Removes the first ``count`` calls of a campaign's ready list."""
    client.ltrim(keys.campaign_ready(campaign), count, -1)


def set_purge_position(client: "redis.Redis", keys: Keys, campaign: str, position: int) -> None:
    """Notes how many rows a purge has been through."""
    client.hset(keys.campaign(campaign), "pc", position)


def purged(client: "redis.Redis", keys: Keys, campaign: str) -> None:
    """Records that nothing is left to purge."""
    client.srem(keys.CAMPAIGNS_PURGE, campaign)


def forget_gone(client: "redis.Redis", keys: Keys, limit: int = 500) -> int:
    """Removes expired campaigns from the list. Returns how many there were among the next ``limit``.

    Each step goes on where the last one ended, of whatever worker, and begins anew at the end: old campaigns that are still there
    keep no later one in the list.
    """
    position: Any = client.hget(keys.TIDIED, "campaigns")
    begin = int(position or 0)
    rows: Any = client.zrange(keys.CAMPAIGNS, begin, begin + limit - 1)
    with client.pipeline(transaction=False) as pipe:
        for row in rows:
            pipe.hmget(keys.campaign(row.decode()), ["s", "ow"])
        there = pipe.execute()
    gone = [row for row, (state, _) in zip(rows, there, strict=True) if state is None]
    # Processes of an earlier version write no lists of owners.
    owned = {row.decode(): owner.decode() for row, (_, owner) in zip(rows, there, strict=True) if owner}
    if owned:
        _index_owners(client, keys, owned)
    if gone:
        owners: Any = client.hmget(keys.CAMPAIGN_OWNERS, [row.decode() for row in gone])
        with client.pipeline(transaction=False) as pipe:
            for row in gone:
                id = row.decode()
                pipe.unlink(keys.campaign_calls(id), *(keys.campaign_ended(id, label) for label in keys.ENDED_LABELS))
            for row, owner in zip(gone, owners, strict=True):
                if owner is not None:
                    pipe.zrem(keys.campaigns_of(owner.decode()), row)
            pipe.hdel(keys.CAMPAIGN_OWNERS, *(row.decode() for row in gone))
            pipe.zrem(keys.CAMPAIGNS, *gone)
            pipe.execute()
    client.hset(keys.TIDIED, "campaigns", begin + limit - len(gone) if len(rows) == limit else 0)
    return len(gone)


class KeyUse(NamedTuple):
    """The campaign that an idempotency key made or added rows to, and the digest of the request that came with it."""

    campaign: str
    digest: str


def use_of_key(client: "redis.Redis", keys: Keys, hash: str) -> KeyUse | None:
    """What an idempotency key was used for; None for a key that was not seen."""
    value: Any = client.get(keys.campaign_key(hash))
    if value is None:
        return None
    id, _, digest = value.decode().partition(" ")
    return KeyUse(id, digest)
