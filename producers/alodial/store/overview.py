"""The present state of the whole system, for screens and ``alodial status``; as quick with a million calls as with one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import redis
import redis.asyncio as aioredis

from ..settings import Settings
from .answers import entries, number, text
from .archiving import ArchiveState, archive_state
from .connect import is_cluster
from .events import UnreadEvents, unread_events
from .fitness import FIT, StoreFitness, read_fitness
from .holds import EmergencyStop, read_stop
from .inbox import SEEN_MS
from .keys import Keys
from .memory import UNLIMITED, StoreMemory, read_memory
from .missing_results import ALL_THERE, MISSING_AFTER, MissingResults, missing_commands, read_missing
from .refused_callbacks import NONE_REFUSED, RefusedCallbacks, read_refused
from .sansio import Command, Steps, run, run_async
from .tenant_lines import first_calls
from .webhooks import EndpointHealth, health_steps
from .workers import WorkerState, read_processes

MINUTES = 60  # of counters that are read: an hour

STARTS = 500
"""Latest starts of an account from which its present rate is computed."""

WINDOW = 10.0
"""Seconds over which the present rate is the mean; shorter where more calls started than are read."""
MIN_STARTS = 5
"""Starts from which on a list may have been trimmed: the limiter keeps at least rate + burst of them."""

MAX_CAMPAIGNS = 200
"""Live campaigns whose hoppers are read."""


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """An account's limits in this process's settings: starts a second and channels, 0 for none."""

    rate: float
    channels: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """Ready calls of one account and priority, with the campaigns' hoppers. ``oldest`` is the longest wait in seconds."""

    priority: str
    count: int
    oldest: float


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account: ``rate`` (starts a second) and ``channels`` in use; ``limits`` is None for one not in the settings."""

    name: str
    rate: float
    channels: int
    limits: AccountLimits | None
    queues: tuple[QueueState, ...]
    held_for: float = 0.0
    held_why: str = ""
    breaker: bool = False
    unreachable: bool = False
    misaddressed: bool = False
    bound: int = 0  # ready calls that their campaigns hold back; the oldest of the others has waited for free_oldest
    free_oldest: float = 0.0

    @property
    def ready(self) -> int:
        """Calls that could go now."""
        return sum(queue.count for queue in self.queues)

    @property
    def oldest(self) -> float:
        """Seconds that the oldest of them has waited."""
        return max((queue.oldest for queue in self.queues), default=0.0)


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """The counters of one minute that starts at ``at``, Unix seconds; ``armed`` are POSTs that went out."""

    at: int
    armed: int
    created: int
    ends: Mapping[str, int]
    dispositions: Mapping[str, int]


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


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the system at ``now``, Redis' Unix ms. Ages are in seconds; ``minutes`` are oldest first, the last is not
    over yet."""

    now: int
    stop: EmergencyStop | None
    accounts: tuple[AccountState, ...]
    calls: Mapping[str, int]
    scheduled: int
    awaiting: int
    unconfirmed: int
    unconfirmed_oldest: float
    inbox: int
    inbox_oldest: float
    orphans: int
    dead: int
    workers: tuple[WorkerState, ...]
    minutes: tuple[MinuteCounts, ...]
    campaigns: tuple[LiveCampaign, ...]
    endpoints: tuple[EndpointHealth, ...]
    logs_lost: int = 0
    events_unread: UnreadEvents | None = None
    events_lost: int = 0
    memory: StoreMemory = UNLIMITED
    web_processes: tuple[WorkerState, ...] = ()
    missing: MissingResults = ALL_THERE
    refused: RefusedCallbacks = NONE_REFUSED
    takes_callbacks: bool = True
    fitness: StoreFitness = FIT
    guessers: int = 0  # addresses from which wrong API keys came lately, about
    archive: ArchiveState | None = None
    archives: bool = False  # whether the settings name an archive; ``archive`` is None until an archiver ran

    @property
    def ready(self) -> int:
        """Calls of all accounts that could go now."""
        return sum(account.ready for account in self.accounts)

    @property
    def living(self) -> tuple[WorkerState, ...]:
        """The workers that are alive."""
        return tuple(worker for worker in self.workers if worker.alive)

    def in_last(self, minutes: int, kind: str) -> dict[str, int]:
        """Sums of ``kind``, which is ``ends`` or ``dispositions``, over the last ``minutes``."""
        sums: dict[str, int] = {}
        for minute in self.minutes[-minutes:]:
            for name, count in getattr(minute, kind).items():
                sums[name] = sums.get(name, 0) + count
        return sums

    def to_dict(self) -> dict[str, Any]:
        """The overview as ``alodial status --json`` shows it."""
        return asdict(self)


def _rate(starts: list[bytes], now_us: int) -> float:
    """Starts a second. Where the list holds fewer starts than the window, the window shrinks to it."""
    moments = [int(at) for at in starts]
    if not moments:
        return 0.0
    reach = (now_us - moments[-1]) / 1e6
    window = max(1.0, min(WINDOW, reach)) if len(moments) >= MIN_STARTS else WINDOW
    return sum(now_us - at <= window * 1e6 for at in moments) / window


def read_counts(at: int, raw: Mapping[bytes, bytes]) -> MinuteCounts:
    """The counters of the minute or hour that starts at ``at``, Unix seconds."""
    ends: dict[str, int] = {}
    dispositions: dict[str, int] = {}
    for name, value in raw.items():
        kind, _, rest = text(name).partition(":")
        if kind == "e":
            ends[rest] = int(value)
        elif kind == "d":
            dispositions[rest] = int(value)
    return MinuteCounts(at, number(raw.get(b"a")), number(raw.get(b"c")), ends, dispositions)


def _ready_since(timeline: Any) -> int | None:
    """Unix ms since which a call is ready; None for one that has ended and is only still in its list."""
    words = entries(timeline)[-1].split(b" ", 2) if timeline else []
    return int(words[1]) if len(words) > 1 and words[0] == b"queued" and words[1].isdigit() else None


def _oldest(
    places: list[tuple[tuple[str, str], bytes]], timelines: list[Any], sizes: dict[tuple[str, str], int], now: int
) -> dict[tuple[str, str], float]:
    """The longest wait in seconds at each place. A call that has ended is subtracted from ``sizes``."""
    oldest: dict[tuple[str, str], float] = {}
    for (place, _), timeline in zip(places, timelines, strict=True):
        since = _ready_since(timeline)
        if since is None:
            sizes[place] = max(0, sizes[place] - 1)
        else:
            oldest[place] = max(oldest.get(place, 0.0), (now - since) / 1000)
    return oldest


def _live_campaign(id: str, raw: list[Any], boundary: list[bytes], size: int, now: int) -> LiveCampaign:
    """A campaign from its fields, the next boundary of its calendar and the length of its hopper."""
    state = text(raw[1])
    # A boundary is the moment when its hours open ('o' and ms) or close. Numbers with hours of their own zones have others.
    closed = state == "running" and not raw[6] and boundary and boundary[0][:1] == b"o"
    opens = (int(boundary[0][1:]) - now) / 1000 if closed else 0.0
    rows = max(0, number(raw[4]) - number(raw[5]))
    return LiveCampaign(id, text(raw[0]), state, text(raw[2]) or "default", size, "", rows, opens)


def _bound_commands(keys: Keys, running: Sequence[tuple[LiveCampaign, str]]) -> list[Command]:
    commands: list[Command] = []
    for campaign, level in running:
        place = f"{campaign.account}:{level[0]}"
        commands.append(("ZSCORE", f"{keys.PREFIX}fair:{campaign.account}:{level}", campaign.id))
        commands.append(("ZSCORE", f"{keys.PREFIX}paced:{place}", campaign.id))
        commands.append(("SISMEMBER", f"{keys.PREFIX}full:{place}", campaign.id))
    return commands


def _bound(running: Sequence[tuple[LiveCampaign, str]], answers: list[Any]) -> list[LiveCampaign]:
    """The campaigns, each with what of its own holds its ready calls back."""
    campaigns = []
    for n, (campaign, _) in enumerate(running):
        fair, paced, full = answers[3 * n : 3 * n + 3]
        bound = ""
        if campaign.opens and (campaign.ready or campaign.rows):
            bound = "closed"
        elif campaign.state == "running" and campaign.ready and fair is None:
            bound = "pace" if paced is not None else "channels" if full else "hours"
        campaigns.append(replace(campaign, bound=bound))
    return campaigns


def _waits(
    keys: Keys,
    places: list[tuple[tuple[str, str], bytes]],
    owners: Mapping[bytes, str],
    running: Sequence[tuple[LiveCampaign, str]],
    sizes: dict[tuple[str, str], int],
    now: int,
) -> Steps[tuple[list[LiveCampaign], dict[tuple[str, str], float], dict[str, float]]]:
    """The campaigns with what binds them, the longest wait at each place, and by account that of calls which nothing binds.

    ``owners`` are the campaigns of first calls. A call that has ended is subtracted from ``sizes``.
    """
    commands: list[Command] = [("HGET", keys.record(extid.decode()), "tl") for _, extid in places]
    commands += _bound_commands(keys, running)
    answers = (yield commands) if commands else []
    campaigns = _bound(running, answers[len(places) :])
    bound = {campaign.id for campaign in campaigns if campaign.bound}
    free: dict[str, float] = {}
    for (place, extid), timeline in zip(places, answers, strict=False):
        since = _ready_since(timeline)
        if since is not None and owners.get(extid) not in bound:
            free[place[0]] = max(free.get(place[0], 0.0), (now - since) / 1000)
    return campaigns, _oldest(places, answers[: len(places)], sizes, now), free


def _overview(
    keys: Keys,
    limits: Mapping[str, AccountLimits],
    timeout: float,
    takes_callbacks: bool,
    archives: bool,
    on_cluster: bool,
) -> Steps[Overview]:
    clock, *first = yield [
        ("TIME",),
        ("SMEMBERS", keys.ACCOUNTS),
        ("HGETALL", keys.COUNTS),
        ("ZCARD", keys.DUE),
        ("ZCARD", keys.AWAIT),
        ("ZCARD", keys.UNCONFIRMED),
        ("ZRANGE", keys.UNCONFIRMED, 0, 0, "WITHSCORES"),
        ("XLEN", keys.INBOX),
        ("XRANGE", keys.INBOX, "-", "+", "COUNT", 1),
        ("ZCARD", keys.ORPHANS),
        ("XLEN", keys.DEAD),
        ("GET", keys.STOP),
        ("HGETALL", keys.WORKERS),
        ("HGETALL", keys.WEB),
        ("SMEMBERS", keys.CAMPAIGNS_LIVE),
        ("GET", keys.LOGS_LOST),
        ("HGETALL", keys.EVENTS_HELD),
        ("GET", keys.EVENTS_LOST),
        ("INFO",),
        ("PTTL", keys.CALLBACK_SEEN),
        ("HGETALL", keys.CALLBACKS_REFUSED),
        ("PFCOUNT", keys.KEYS_REFUSED),
        ("HGETALL", keys.ARCHIVE),
    ]
    seen, counts, scheduled, awaiting, unsure, oldest_unsure, inbox, inbox_first, orphans, dead = first[:10]
    stop, beats, web_beats, live, lost, unread, events_lost, info, seen_for, refused, guessers, archive = first[10:]
    now_us = int(clock[0]) * 1_000_000 + int(clock[1])
    now = now_us // 1000
    names = sorted({name.decode() for name in seen} | set(limits))
    campaigns = sorted(name.decode() for name in live)[:MAX_CAMPAIGNS]
    this = now // 60_000
    commands: list[Command] = []
    for name in names:
        commands.append(("HMGET", keys.account(name), "hold", "why", "brk", "bk"))
        commands.append(("LRANGE", f"{keys.PREFIX}starts:{name}", 0, STARTS - 1))
        # A channel whose time is over is free, though it is not swept yet.
        commands.append(("ZCOUNT", keys.channels(name), now, "+inf"))
        for priority in keys.PRIORITY_LETTERS:
            commands.append(("LLEN", keys.ready(name, priority)))
            commands.append(("LINDEX", keys.ready(name, priority), 0))
    for id in campaigns:
        commands.append(("HMGET", keys.campaign(id), "n", "s", "a", "p", "tot", "cur", "nz", "tn"))
        commands.append(("ZRANGEBYSCORE", keys.calendar(id), f"({now}", "+inf", "LIMIT", 0, 1))
        commands.append(("LLEN", keys.campaign_ready(id)))
        commands.append(("LINDEX", keys.campaign_ready(id), 0))
    last = now - (SEEN_MS - seen_for) if seen_for > 0 else 0
    commands += missing_commands(keys, last, now, timeout)
    commands += [("HGETALL", keys.minute(this - back)) for back in range(MINUTES - 1, -1, -1)]
    answers = iter((yield commands))
    held: dict[str, Any] = {}
    starts: dict[str, list[bytes]] = {}
    channels: dict[str, int] = {}
    heads: dict[tuple[str, str], list[bytes]] = {}
    sizes: dict[tuple[str, str], int] = {}
    for name in names:
        held[name], starts[name], channels[name] = next(answers), next(answers), next(answers)
        for priority in keys.PRIORITY_LETTERS:
            sizes[name, priority] = next(answers)
            head = next(answers)
            heads[name, priority] = [head] if head is not None else []
    running = []
    owners: dict[bytes, str] = {}
    letters = {letter: priority for priority, letter in keys.PRIORITY_LETTERS.items()}
    for id in campaigns:
        raw, boundary, size, head = next(answers), next(answers), next(answers), next(answers)
        campaign = _live_campaign(id, raw, boundary, size, now)
        if not campaign.state:
            continue
        running.append((campaign, ":".join(filter(None, (text(raw[3]) or "n", text(raw[7]))))))
        place = (campaign.account, letters.get(text(raw[3]), "normal"))
        if place in sizes and campaign.state == "running":
            sizes[place] += size
            heads[place] += [head] if head is not None else []
            owners[head] = id
    missing = read_missing(last, now, [next(answers) for _ in range(2 * len(MISSING_AFTER) + 1)], timeout)
    minutes = tuple(read_counts((this - back) * 60, next(answers)) for back in range(MINUTES - 1, -1, -1))
    places = yield from first_calls(keys, sizes, heads)
    live_campaigns, oldest, free_oldest = yield from _waits(keys, places, owners, running, sizes, now)
    endpoints = yield from health_steps(keys)
    accounts = tuple(
        AccountState(
            name=name,
            rate=_rate(starts[name], now_us),
            channels=channels[name],
            limits=limits.get(name),
            queues=tuple(
                QueueState(priority, sizes[name, priority], max(0.0, oldest.get((name, priority), 0.0)))
                for priority in keys.PRIORITY_LETTERS
            ),
            held_for=max(0.0, (float(held[name][0] or 0) - now) / 1000),
            held_why=text(held[name][1]),
            breaker=held[name][2] is not None,
            unreachable=held[name][3] == b"unsent",
            misaddressed=held[name][3] == b"address",
            bound=sum(campaign.ready for campaign in live_campaigns if campaign.account == name and campaign.bound),
            free_oldest=max(0.0, free_oldest.get(name, 0.0)),
        )
        for name in names
    )
    return Overview(
        now=now,
        stop=read_stop(stop),
        accounts=accounts,
        calls={state.decode(): int(count) for state, count in counts.items()},
        scheduled=scheduled,
        awaiting=awaiting,
        unconfirmed=unsure,
        unconfirmed_oldest=max(0.0, (now - float(oldest_unsure[1])) / 1000) if oldest_unsure else 0.0,
        inbox=inbox,
        inbox_oldest=max(0.0, (now - int(inbox_first[0][0].partition(b"-")[0])) / 1000) if inbox_first else 0.0,
        orphans=orphans,
        dead=dead,
        workers=read_processes(beats, now),
        web_processes=read_processes(web_beats, now),
        minutes=minutes,
        campaigns=tuple(live_campaigns),
        endpoints=tuple(endpoints),
        logs_lost=number(lost),
        events_unread=unread_events(unread, now),
        events_lost=number(events_lost),
        memory=read_memory(info),
        fitness=read_fitness(info, on_cluster=on_cluster),
        guessers=guessers,
        missing=missing,
        refused=read_refused(refused),
        takes_callbacks=takes_callbacks,
        archive=archive_state(archive, now),
        archives=archives,
    )


def arguments_of(settings: Settings) -> tuple[dict[str, AccountLimits], float, bool, bool, bool]:
    """What :func:`read` needs of the settings."""
    url, archives = settings.redis_url.get_secret_value(), settings.archive_url is not None
    return limits_of(settings), settings.result_timeout, bool(settings.callback_secret), archives, is_cluster(url)


def limits_of(settings: Settings) -> dict[str, AccountLimits]:
    """The limits of every account of the settings, by name."""
    accounts = ((name, settings.account(name)) for name in settings.account_names)
    return {name: AccountLimits(limits.calls_per_second, limits.max_concurrent_calls) for name, limits in accounts}


def read(
    client: "redis.Redis",
    keys: Keys,
    limits: Mapping[str, AccountLimits],
    result_timeout: float = 7200.0,
    takes_callbacks: bool = True,  # read_async and Store.call pass arguments by place
    archives: bool = False,
    on_cluster: bool = False,
) -> Overview:
    """Reads the state in five round trips: the same few commands whatever the store holds."""
    return run(client, _overview(keys, limits, result_timeout, takes_callbacks, archives, on_cluster))


async def read_async(
    client: "aioredis.Redis",
    keys: Keys,
    limits: Mapping[str, AccountLimits],
    result_timeout: float = 7200.0,
    takes_callbacks: bool = True,  # as above
    archives: bool = False,
    on_cluster: bool = False,
) -> Overview:
    """As :func:`read`."""
    return await run_async(client, _overview(keys, limits, result_timeout, takes_callbacks, archives, on_cluster))
