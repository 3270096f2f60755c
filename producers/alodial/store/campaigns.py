"""Campaigns as the store keeps them: reading them back, their rows, their calendars, what is left to clean up."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from . import keys
from .server_clock import server_ms

CALENDAR_KEEP = 86_400_000 * 60
"""Ms that a zone's calendar outlives its last use; the pacer writes those of living campaigns anew long before."""

PREFIX_LEAST = 6


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """One campaign. ``fields`` and ``counts`` as in keys.py; ``opens`` 0 in its hours, else the ms of the next opening."""

    id: str
    fields: dict[str, str]
    counts: dict[str, int]
    opens: int | None
    now_ms: int

    @property
    def state(self) -> str:
        return self.fields["s"]

    def number(self, name: str) -> int:
        return int(float(self.fields.get(name) or 0))

    def moment(self, name: str) -> int | None:
        return self.number(name) if self.fields.get(name) else None


def read(client: "redis.Redis", ids: Sequence[str]) -> list[StoredCampaign]:
    """Those of these ids that exist, in their order; two round trips."""
    now_ms = server_ms(client)
    with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.hgetall(keys.campaign(id))
            pipe.hgetall(keys.campaign_counts(id))
            pipe.zrangebyscore(keys.calendar(id), f"({now_ms}", "+inf", start=0, num=1)
        answers = pipe.execute()
    found = []
    for i, id in enumerate(ids):
        fields, counts, boundary = answers[3 * i : 3 * i + 3]
        if b"s" not in fields:
            continue
        opens = None
        if boundary:
            opens = 0 if boundary[0][:1] == b"c" else int(boundary[0][1:])
        found.append(
            StoredCampaign(
                id,
                {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()},
                {name.decode(): int(float(value)) for name, value in counts.items()},
                opens,
                now_ms,
            )
        )
    return found


class CampaignIds(NamedTuple):
    """Newest first; ``cursor`` continues after them, None at the end."""

    ids: list[str]
    cursor: str | None


def page(client: "redis.Redis", cursor: str | None, limit: int) -> CampaignIds:
    """Ids of campaigns by the time they were made; the cursor is a place in that order."""
    start = int(cursor or 0)
    rows: Any = client.zrevrange(keys.CAMPAIGNS, start, start + limit)
    ids = [row.decode() for row in rows[:limit]]
    return CampaignIds(ids, str(start + limit) if len(rows) > limit else None)


def find(client: "redis.Redis", name: str) -> list[str]:
    """Ids that a person may mean: the id, a beginning of it (6 characters or more), or the campaign's name; newest first."""
    if client.exists(keys.campaign(name)):
        return [name]
    found: list[str] = []
    rows: Any = client.zrevrange(keys.CAMPAIGNS, 0, 9_999)
    ids = [row.decode() for row in rows]
    if len(name) >= PREFIX_LEAST:
        found = [id for id in ids if id.startswith(name)]
    if found:
        return found
    for start in range(0, len(ids), 500):
        with client.pipeline(transaction=False) as pipe:
            for id in ids[start : start + 500]:
                pipe.hget(keys.campaign(id), "n")
            names = pipe.execute()
        found += [
            id
            for id, value in zip(ids[start : start + 500], names, strict=True)
            if value is not None and value.decode() == name
        ]
    return found


class Chunk(NamedTuple):
    """Packed rows; ``base`` is the place of the first one in the campaign, from 0."""

    base: int
    blob: bytes


def chunk(client: "redis.Redis", campaign: str, index: int) -> Chunk | None:
    """None for a chunk that holds no rows, or is no more."""
    values: Any = client.hmget(keys.campaign_rows(campaign), [str(index), f"b{index}"])
    return None if values[0] is None else Chunk(int(values[1]), values[0])


def problem_blobs(client: "redis.Redis", campaign: str, chunks: int) -> Iterator[bytes]:
    """What was wrong with rows, packed, in the file's order."""
    for start in range(0, chunks, 20):
        wanted = [str(index) for index in range(start, min(start + 20, chunks))]
        values: Any = client.hmget(keys.campaign_problems(campaign), wanted)
        yield from (value for value in values if value)


class ActivityEntry(NamedTuple):
    at_ms: int
    actor: str
    action: str
    detail: str


def activity(client: "redis.Redis", campaign: str, limit: int) -> list[ActivityEntry]:
    """Who did what, newest first."""
    rows: Any = client.xrevrange(keys.campaign_log(campaign), count=limit)
    return [
        ActivityEntry(
            int(position.partition(b"-")[0]),
            *(fields.get(name, b"").decode("utf-8", "replace") for name in (b"who", b"action", b"detail")),
        )
        for position, fields in rows
    ]


def write_calendar(
    client: "redis.Redis", campaign: str, zone: str, moments: Iterable[tuple[int, bool]], *, days: Iterable[int] = ()
) -> None:
    """Adds the moments when its hours open (True) and close, Unix ms, and local midnights. Written again it does no harm."""
    members = {f"{'o' if opens else 'c'}{at}": at for at, opens in moments}
    name = keys.calendar(campaign, zone)
    with client.pipeline(transaction=True) as pipe:
        if members:
            pipe.zadd(name, members)
        if zone:
            pipe.pexpire(name, CALENDAR_KEEP)
        midnights = {str(at): at for at in days}
        if midnights:
            pipe.zadd(keys.days(campaign), midnights)
        pipe.execute()


def replace_calendar(client: "redis.Redis", campaign: str, moments: Iterable[tuple[int, bool]]) -> None:
    """The hours were changed."""
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(keys.calendar(campaign, ""))
        pipe.zadd(
            keys.calendar(campaign, ""), {f"{'o' if opens else 'c'}{at}": at for at, opens in moments} or {"c0": 0}
        )
        pipe.execute()


def calendar_ends(client: "redis.Redis", names: Sequence[tuple[str, str]]) -> list[int | None]:
    """The last moment that each campaign's and zone's calendar knows, Unix ms; None without any."""
    with client.pipeline(transaction=False) as pipe:
        for campaign, zone in names:
            pipe.zrange(keys.calendar(campaign, zone), -1, -1, withscores=True)
        rows = pipe.execute()
    return [int(row[0][1]) if row else None for row in rows]


def days_end(client: "redis.Redis", campaign: str) -> int | None:
    rows: Any = client.zrange(keys.days(campaign), -1, -1, withscores=True)
    return int(rows[0][1]) if rows else None


def write_days(client: "redis.Redis", campaign: str, midnights: Iterable[int]) -> None:
    members = {str(at): at for at in midnights}
    if members:
        client.zadd(keys.days(campaign), members)


def forget_past(client: "redis.Redis", campaign: str, zone: str, before_ms: int) -> None:
    """What a calendar holds of the past is of no use."""
    client.zremrangebyscore(keys.calendar(campaign, zone), "-inf", before_ms)
    client.zremrangebyscore(keys.days(campaign), "-inf", before_ms)


def live(client: "redis.Redis") -> list[str]:
    """Campaigns that are scheduled, running or paused."""
    members: Any = client.smembers(keys.CAMPAIGNS_LIVE)
    return sorted(member.decode() for member in members)


def purging(client: "redis.Redis") -> list[str]:
    """Campaigns that ended with calls still waiting in their lists."""
    members: Any = client.smembers(keys.CAMPAIGNS_PURGE)
    return sorted(member.decode() for member in members)


def waiting_extids(client: "redis.Redis", campaign: str, limit: int) -> list[str]:
    """Calls at the front of a campaign's ready list."""
    rows: Any = client.lrange(keys.campaign_ready(campaign), 0, limit - 1)
    return [row.decode() for row in rows]


def drop_waiting(client: "redis.Redis", campaign: str, count: int) -> None:
    client.ltrim(keys.campaign_ready(campaign), count, -1)


def purge_position(client: "redis.Redis", campaign: str, position: int | None = None) -> int:
    """How far a clean-up has come among the rows that became calls; given, it is written."""
    if position is not None:
        client.hset(keys.campaign(campaign), "pc", position)
        return position
    value: Any = client.hget(keys.campaign(campaign), "pc")
    return int(value or 0)


def purged(client: "redis.Redis", campaign: str) -> None:
    client.srem(keys.CAMPAIGNS_PURGE, campaign)


def forget_gone(client: "redis.Redis", limit: int = 500) -> int:
    """Takes campaigns whose time of keeping is over out of the list."""
    rows: Any = client.zrange(keys.CAMPAIGNS, 0, limit - 1)
    with client.pipeline(transaction=False) as pipe:
        for row in rows:
            pipe.exists(keys.campaign(row.decode()))
        there = pipe.execute()
    gone = [row for row, exists in zip(rows, there, strict=True) if not exists]
    if gone:
        client.zrem(keys.CAMPAIGNS, *gone)
    return len(gone)


def drop_draft(client: "redis.Redis", campaign: str, draft: str) -> None:
    """A draft whose file turned out to hold nothing that can be called."""
    with client.pipeline(transaction=True) as pipe:
        for name in (
            keys.campaign,
            keys.campaign_counts,
            keys.campaign_rows,
            keys.campaign_problems,
            keys.campaign_log,
        ):
            pipe.delete(name(campaign))
        pipe.delete(keys.campaign_draft(draft))
        pipe.zrem(keys.CAMPAIGNS, campaign)
        pipe.execute()
