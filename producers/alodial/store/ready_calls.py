"""Ready calls by account and priority, in lists and in hoppers: how many, since when, and which of them their campaigns hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from .answers import entries, number, text
from .keys import Keys
from .sansio import Command, Steps
from .tenant_lines import Place, first_calls

_PRIORITIES: Final = {letter: priority for priority, letter in Keys.PRIORITY_LETTERS.items()}


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """A campaign that is scheduled, running or paused; ``ready`` are the calls in its hopper, ``rows`` those that are not in
    it yet. ``bound`` is what of its own holds them back: pace, channels, closed (its hours, for ``opens`` seconds more), hours
    (of numbers' zones, or its day's caps), or nothing."""

    id: str
    name: str
    state: str
    account: str
    ready: int
    bound: str = ""
    rows: int = 0
    opens: float = 0.0


@dataclass(slots=True)
class ReadyLists:
    """How many calls are ready at each place, and the first call of each list there. ``owners`` are the campaigns of first calls,
    ``levels`` the live campaigns with the priority's letter, behind it the tenant where there is one."""

    sizes: dict[Place, int] = field(default_factory=dict)
    heads: dict[Place, list[bytes]] = field(default_factory=dict)
    owners: dict[bytes, str] = field(default_factory=dict)
    levels: list[tuple[LiveCampaign, str]] = field(default_factory=list)


class Waits(NamedTuple):
    """The campaigns with what binds them, the longest wait in seconds at each place, and by account that of calls which nothing
    binds."""

    campaigns: list[LiveCampaign]
    oldest: dict[Place, float]
    free: dict[str, float]


def list_commands(keys: Keys, accounts: Sequence[str], campaigns: Sequence[str], now: int) -> list[Command]:
    """The commands whose answers :func:`read_lists` reads; ``now`` is Unix ms."""
    commands: list[Command] = []
    for name in accounts:
        for priority in keys.PRIORITY_LETTERS:
            commands.append(("LLEN", keys.ready(name, priority)))
            commands.append(("LINDEX", keys.ready(name, priority), 0))
    for id in campaigns:
        commands.append(("HMGET", keys.campaign(id), "n", "s", "a", "p", "tot", "cur", "nz", "tn"))
        commands.append(("ZRANGEBYSCORE", keys.calendar(id), f"({now}", "+inf", "LIMIT", 0, 1))
        commands.append(("LLEN", keys.campaign_ready(id)))
        commands.append(("LINDEX", keys.campaign_ready(id), 0))
    return commands


def read_lists(accounts: Sequence[str], campaigns: Sequence[str], answers: Iterator[Any], now: int) -> ReadyLists:
    """Takes the answers that are its own."""
    lists = ReadyLists()
    for name in accounts:
        for priority in Keys.PRIORITY_LETTERS:
            lists.sizes[name, priority] = next(answers)
            head = next(answers)
            lists.heads[name, priority] = [head] if head is not None else []
    for id in campaigns:
        raw, boundary, size, head = next(answers), next(answers), next(answers), next(answers)
        campaign = _live_campaign(id, raw, boundary, size, now)
        if not campaign.state:
            continue
        lists.levels.append((campaign, ":".join(filter(None, (text(raw[3]) or "n", text(raw[7]))))))
        place = (campaign.account, _PRIORITIES.get(text(raw[3]), "normal"))
        if place in lists.sizes and campaign.state == "running":
            lists.sizes[place] += size
            if head is not None:
                lists.heads[place].append(head)
                lists.owners[head] = id
    return lists


def _live_campaign(id: str, raw: list[Any], boundary: list[bytes], size: int, now: int) -> LiveCampaign:
    """A campaign from its fields, the next boundary of its calendar and the length of its hopper."""
    state = text(raw[1])
    # A boundary is the moment when its hours open ('o' and ms) or close. Numbers with hours of their own zones have others.
    closed = state == "running" and not raw[6] and boundary and boundary[0][:1] == b"o"
    opens = (int(boundary[0][1:]) - now) / 1000 if closed else 0.0
    rows = max(0, number(raw[4]) - number(raw[5]))
    return LiveCampaign(id, text(raw[0]), state, text(raw[2]) or "default", size, "", rows, opens)


def waits(keys: Keys, lists: ReadyLists, now: int) -> Steps[Waits]:
    """Reads the first calls of all lists, tenants' lines included, whose lengths are added to ``lists.sizes``; a call that has
    ended and is only still in its list is subtracted."""
    firsts = yield from first_calls(keys, lists.sizes, lists.heads)
    commands: list[Command] = [("HGET", keys.record(extid.decode()), "tl") for _, extid in firsts]
    commands += _bound_commands(keys, lists.levels)
    answers = (yield commands) if commands else []
    campaigns = _bound(lists.levels, answers[len(firsts) :])
    bound = {campaign.id for campaign in campaigns if campaign.bound}
    oldest: dict[Place, float] = {}
    free: dict[str, float] = {}
    for (place, extid), timeline in zip(firsts, answers, strict=False):
        since = _ready_since(timeline)
        if since is None:
            lists.sizes[place] = max(0, lists.sizes[place] - 1)
            continue
        wait = max(0.0, (now - since) / 1000)
        oldest[place] = max(oldest.get(place, 0.0), wait)
        if lists.owners.get(extid) not in bound:
            free[place[0]] = max(free.get(place[0], 0.0), wait)
    return Waits(campaigns, oldest, free)


def _ready_since(timeline: Any) -> int | None:
    """Unix ms since which a call is ready; None for one that has ended and is only still in its list."""
    words = entries(timeline)[-1].split(b" ", 2) if timeline else []
    return int(words[1]) if len(words) > 1 and words[0] == b"queued" and words[1].isdigit() else None


def _bound_commands(keys: Keys, levels: Sequence[tuple[LiveCampaign, str]]) -> list[Command]:
    commands: list[Command] = []
    for campaign, level in levels:
        place = f"{campaign.account}:{level[0]}"
        commands.append(("ZSCORE", f"{keys.PREFIX}fair:{campaign.account}:{level}", campaign.id))
        commands.append(("ZSCORE", f"{keys.PREFIX}paced:{place}", campaign.id))
        commands.append(("SISMEMBER", f"{keys.PREFIX}full:{place}", campaign.id))
    return commands


def _bound(levels: Sequence[tuple[LiveCampaign, str]], answers: list[Any]) -> list[LiveCampaign]:
    """The campaigns, each with what of its own holds its ready calls back."""
    campaigns = []
    for n, (campaign, _) in enumerate(levels):
        fair, paced, full = answers[3 * n : 3 * n + 3]
        bound = ""
        if campaign.opens and (campaign.ready or campaign.rows):
            bound = "closed"
        elif campaign.state == "running" and campaign.ready and fair is None:
            bound = "pace" if paced is not None else "channels" if full else "hours"
        campaigns.append(replace(campaign, bound=bound))
    return campaigns
