"""The present state of the whole system, for screens and ``alodial status``; as quick with a million calls as with one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import redis
import redis.asyncio as aioredis

from ..settings import Settings
from .answers import number, text
from .archiving import ArchiveState, archive_state
from .connect import is_cluster
from .events import UnreadEvents, unread_events
from .fitness import FIT, StoreFitness, read_fitness
from .holds import EmergencyStop, read_stop
from .inbox import SEEN_MS
from .keys import Keys
from .memory import UNLIMITED, StoreMemory, read_memory
from .missing_results import ALL_THERE, MISSING_AFTER, MissingResults, missing_commands, read_missing
from .ready_calls import LiveCampaign, ReadyLists, Waits, list_commands, read_lists, waits
from .refused_callbacks import NONE_REFUSED, RefusedCallbacks, read_refused
from .sansio import Command, Steps, run, run_async
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


def _state_commands(keys: Keys) -> dict[str, Command]:
    """One command each for what has one key, by what it reads."""
    return {
        "accounts": ("SMEMBERS", keys.ACCOUNTS),
        "counts": ("HGETALL", keys.COUNTS),
        "scheduled": ("ZCARD", keys.DUE),
        "awaiting": ("ZCARD", keys.AWAIT),
        "unconfirmed": ("ZCARD", keys.UNCONFIRMED),
        "first_unconfirmed": ("ZRANGE", keys.UNCONFIRMED, 0, 0, "WITHSCORES"),
        "inbox": ("XLEN", keys.INBOX),
        "first_in_inbox": ("XRANGE", keys.INBOX, "-", "+", "COUNT", 1),
        "orphans": ("ZCARD", keys.ORPHANS),
        "dead": ("XLEN", keys.DEAD),
        "stop": ("GET", keys.STOP),
        "workers": ("HGETALL", keys.WORKERS),
        "web": ("HGETALL", keys.WEB),
        "campaigns": ("SMEMBERS", keys.CAMPAIGNS_LIVE),
        "logs_lost": ("GET", keys.LOGS_LOST),
        "events_held": ("HGETALL", keys.EVENTS_HELD),
        "events_lost": ("GET", keys.EVENTS_LOST),
        "info": ("INFO",),
        "callback_seen": ("PTTL", keys.CALLBACK_SEEN),
        "callbacks_refused": ("HGETALL", keys.CALLBACKS_REFUSED),
        "keys_refused": ("PFCOUNT", keys.KEYS_REFUSED),
        "archive": ("HGETALL", keys.ARCHIVE),
    }


def _account_commands(keys: Keys, names: Sequence[str], now: int) -> list[Command]:
    commands: list[Command] = []
    for name in names:
        commands.append(("HMGET", keys.account(name), "hold", "why", "brk", "bk"))
        commands.append(("LRANGE", f"{keys.PREFIX}starts:{name}", 0, STARTS - 1))
        # A channel whose time is over is free, though it is not swept yet.
        commands.append(("ZCOUNT", keys.channels(name), now, "+inf"))
    return commands


def _account(
    name: str, raw: Sequence[Any], limits: AccountLimits | None, lists: ReadyLists, waits: Waits, now_us: int
) -> AccountState:
    """An account from the answers to its commands and from what is ready there."""
    (hold, why, breaker, kind), starts, channels = raw
    return AccountState(
        name=name,
        rate=_rate(starts, now_us),
        channels=channels,
        limits=limits,
        queues=tuple(
            QueueState(priority, lists.sizes[name, priority], waits.oldest.get((name, priority), 0.0))
            for priority in Keys.PRIORITY_LETTERS
        ),
        held_for=max(0.0, (float(hold or 0) - now_us // 1000) / 1000),
        held_why=text(why),
        breaker=breaker is not None,
        unreachable=kind == b"unsent",
        misaddressed=kind == b"address",
        bound=sum(campaign.ready for campaign in waits.campaigns if campaign.account == name and campaign.bound),
        free_oldest=waits.free.get(name, 0.0),
    )


def _overview(keys: Keys, settings: Settings) -> Steps[Overview]:
    limits, timeout = _limits_of(settings), settings.result_timeout
    state_commands = _state_commands(keys)
    clock, *answered = yield [("TIME",), *state_commands.values()]
    state: dict[str, Any] = dict(zip(state_commands, answered, strict=True))
    now_us = int(clock[0]) * 1_000_000 + int(clock[1])
    now = now_us // 1000
    names = sorted({name.decode() for name in state["accounts"]} | set(limits))
    ids = sorted(id.decode() for id in state["campaigns"])[:MAX_CAMPAIGNS]
    seen_for = state["callback_seen"]
    last = now - (SEEN_MS - seen_for) if seen_for > 0 else 0
    this = now // 60_000
    answers = iter(
        (
            yield [
                *_account_commands(keys, names, now),
                *list_commands(keys, names, ids, now),
                *missing_commands(keys, last, now, timeout),
                *(("HGETALL", keys.minute(this - back)) for back in range(MINUTES - 1, -1, -1)),
            ]
        )
    )
    raw_accounts = {name: [next(answers), next(answers), next(answers)] for name in names}
    lists = read_lists(names, ids, answers, now)
    missing = read_missing(last, now, [next(answers) for _ in range(2 * len(MISSING_AFTER) + 1)], timeout)
    minutes = tuple(read_counts((this - back) * 60, next(answers)) for back in range(MINUTES - 1, -1, -1))
    waited = yield from waits(keys, lists, now)
    endpoints = yield from health_steps(keys)
    unsure, inbox = state["first_unconfirmed"], state["first_in_inbox"]
    return Overview(
        now=now,
        stop=read_stop(state["stop"]),
        accounts=tuple(
            _account(name, raw, limits.get(name), lists, waited, now_us) for name, raw in raw_accounts.items()
        ),
        calls={name.decode(): int(count) for name, count in state["counts"].items()},
        scheduled=state["scheduled"],
        awaiting=state["awaiting"],
        unconfirmed=state["unconfirmed"],
        unconfirmed_oldest=max(0.0, (now - float(unsure[1])) / 1000) if unsure else 0.0,
        inbox=state["inbox"],
        inbox_oldest=max(0.0, (now - int(inbox[0][0].partition(b"-")[0])) / 1000) if inbox else 0.0,
        orphans=state["orphans"],
        dead=state["dead"],
        workers=read_processes(state["workers"], now),
        web_processes=read_processes(state["web"], now),
        minutes=minutes,
        campaigns=tuple(waited.campaigns),
        endpoints=tuple(endpoints),
        logs_lost=number(state["logs_lost"]),
        events_unread=unread_events(state["events_held"], now),
        events_lost=number(state["events_lost"]),
        memory=read_memory(state["info"]),
        fitness=read_fitness(state["info"], on_cluster=is_cluster(settings.redis_url.get_secret_value())),
        guessers=state["keys_refused"],
        missing=missing,
        refused=read_refused(state["callbacks_refused"]),
        takes_callbacks=bool(settings.callback_secret),
        archive=archive_state(state["archive"], now),
        archives=settings.archive_url is not None,
    )


def _limits_of(settings: Settings) -> dict[str, AccountLimits]:
    """The limits of every account of the settings, by name."""
    accounts = ((name, settings.account(name)) for name in settings.account_names)
    return {name: AccountLimits(limits.calls_per_second, limits.max_concurrent_calls) for name, limits in accounts}


def read(client: "redis.Redis", keys: Keys, settings: Settings) -> Overview:
    """Reads the state in five round trips: the same few commands whatever the store holds."""
    return run(client, _overview(keys, settings))


async def read_async(client: "aioredis.Redis", keys: Keys, settings: Settings) -> Overview:
    """As :func:`read`."""
    return await run_async(client, _overview(keys, settings))
