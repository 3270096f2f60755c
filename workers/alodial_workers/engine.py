"""Drives the process's event loop: claims in batches, keeps many POSTs in flight, arms and settles in batches.

A wake-up makes it attend to an account until there is nothing left that it may take. Many calls share each round trip
to Redis (:class:`alodial.store.coalesce.Coalescer`), so that a call costs about 0.1 ms of the store's time.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import structlog

from alodial.errors import StoreUnavailable
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, primary
from alodial.store.call_transitions import lease_seconds
from alodial.store.client import AsyncStore, Operation
from alodial.store.coalesce import Coalescer
from alodial.store.connect import watcher_of

from .alovoice.client import AloVoiceClient
from .alovoice.local_trouble import LocalTrouble
from .post_memory import PostMemory, stop_if_old
from .submit import HORIZON, TIMER_STEP, SubmitContext, lateness, refusal, release, seconds_between, submit, tick_length

log = structlog.get_logger("alodial.engine")

ATTEND = 1.0
"""Seconds that one claim keeps producers from waking; a crashed worker is missed at most that long."""

LINGER = 0.05
"""Seconds that an idle engine still looks for work before it leaves."""

POLL = 0.004
"""Seconds between claims while there is nothing to take."""

MAX_REST, MAX_SLEEP = 1.0, 0.5
"""Seconds until the store is asked again, and of one sleep, that a stop need not wait for a far slot. It is asked when it said
and not sooner, which would make the turns of others later; a slot ahead at most, were its clock set back."""

PACED_SLEEP = 0.02
"""Seconds: longest sleep while only campaigns wait, so that a single call does not wait with them."""

STOP_POLL = 0.25
CAP_POLL, MAX_CAP_POLL = 0.02, 0.1
"""Seconds between claims while all channels are in use."""

MAX_PER_CLAIM = 128

SETTLE_GATHER = 0.002
"""Seconds that an outcome waits for others: calls that start together are answered at about the same time."""

LOOK_EVERY = 0.5
"""Seconds between two looks at the store's generation: others wait after a failover until this worker has seen it."""

CALM_LOOK_EVERY = 2.0
"""The same where only another start of Redis begins one: it breaks the connection of the listener, which says so."""

TELL_AFTER = 0.1
"""Seconds after the beginning of work until ``on_attend`` is called: the first call goes before."""

REPEAT_CHUNK = 200
"""Calls repeated by one script after a failover."""

SHRINK, GROW_AFTER = 8, 64
"""A claim whose answer was lost twice makes the next ones so many times smaller; after so many answers they double."""

AttendEnd = Literal["empty", "hold", "stop", "lost", "stopping"]


@dataclass(slots=True)
class _Unanswered:
    """A claim whose answer has not come: its calls are ours while their lease lasts. ``asked_at`` is the loop's time."""

    operation: Operation[call_transitions.Claim]
    token: str
    asked_at: float
    repeated: bool = False


class Engine:
    """Submits the calls of all accounts of a worker process, on its loop; the submit actor runs :meth:`attend`.

    ``worker`` is the process's name, ``epoch`` the store's at the start: a store that lost its data has another.
    """

    def __init__(
        self, settings: Settings, store: AsyncStore, client: AloVoiceClient, *, worker: str, epoch: str
    ) -> None:
        self._settings = settings
        self._store = store
        self._worker = worker
        self._epoch = epoch
        self._generation = "0"
        self._following = asyncio.Lock()
        self._memory = PostMemory()
        self.trouble = LocalTrouble()
        self._watching: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()
        # Calls of an account without a token wait; a claimed one could only be given back.
        accounts = {name: settings.account(name) for name in settings.account_names}
        self._limits = {name: account for name, account in accounts.items() if account.token is not None}
        self._contexts = {
            name: SubmitContext(
                settings,
                client,
                Coalescer(partial(self._arm, name, limits), isolate=True).submit,
                Coalescer(
                    partial(self._settle, limits),
                    isolate=True,
                    gather=SETTLE_GATHER,
                    complete=lambda waiting: waiting >= len(self._tasks),
                ).submit,
                partial(refusal, settings.allowed_prefixes),
                partial(lateness, rate=limits.calls_per_second, burst=limits.burst_calls),
                trouble=self.trouble,
            )
            for name, limits in self._limits.items()
        }
        self._attending: set[str] = set()
        self._woken: set[str] = set()
        self._tasks: set[asyncio.Task[str]] = set()
        self._room = asyncio.Event()
        self._unanswered: dict[str, _Unanswered] = {}
        self._claim_size: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._suspect = asyncio.Lock()
        self.stopping = False
        self.store_lost = False
        self.on_attend: Callable[[], None] = lambda: None

    @property
    def _known_store(self) -> str:
        """The store that this worker began with, and its generation: claim and arm refuse another one."""
        return f"{self._epoch}:{self._generation}"

    def start(self) -> None:
        """Starts to watch for another primary, also while there is nothing to submit."""
        self._watching = asyncio.create_task(self._watch_primary())

    async def _watch_primary(self) -> None:
        logged = False
        while not self.stopping:
            self._look_now.clear()
            pause = LOOK_EVERY
            try:
                await self.follow_primary()
                logged = False
                pause = CALM_LOOK_EVERY if watcher_of(self._store.redis) is None else LOOK_EVERY
            except StoreUnavailable:
                pass  # the pacer logs it
            except Exception:
                # A worker that stops watching would make all others wait after a failover.
                if not logged:
                    log.exception("primary.follow_failed")
                logged = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look_now.wait()

    def look_soon(self) -> None:
        """Has this worker look now whether the store is on another server."""
        self._look_now.set()

    async def follow_primary(self) -> None:
        """Repeats the POSTs of the last moments where another server is the primary since, and learns its generation.

        Until every living worker has done so, none of them claims. Raises StoreUnavailable.
        """
        async with self._following:
            current = await self._store.run(primary.repeated(self._worker))
            while current.number != self._generation:
                await stop_if_old(self._store, self._memory, current, self._worker)
                lost = 0
                for name, limits in self._limits.items():
                    lost += await self._repeat(name, limits)
                confirmed = await self._store.run(primary.repeated(self._worker, current.number))
                if confirmed.number == current.number:
                    if self._generation != "0":
                        log.warning(
                            "primary.followed", generation=int(current.number), remembered=len(self._memory), lost=lost
                        )
                    self._generation = current.number
                current = confirmed
            watcher = watcher_of(self._store.redis)
            self._memory.looked(current.now, is_confirmed=watcher is None or watcher.view.confirmed)

    async def _repeat(self, account: str, limits: AccountSettings) -> int:
        """Repeats an account's POSTs and outcomes; returns how many calls the store does not know any more."""
        posted, settled = self._memory.of_account(account)
        lost = 0
        for start in range(0, len(posted), REPEAT_CHUNK):
            chunk = posted[start : start + REPEAT_CHUNK]
            answers = await self._store.run(primary.repeat_posts(self._settings, limits, self._worker, chunk))
            lost += answers.count("unknown")
        for start in range(0, len(settled), REPEAT_CHUNK):
            items = settled[start : start + REPEAT_CHUNK]
            await self._store.run(call_transitions.settle(self._settings, limits, items))
        return lost

    def _confirmed_primary(self) -> int:
        """The number of the primary that Sentinels confirm now. Raises StoreUnavailable when they do not."""
        watcher = watcher_of(self._store.redis)
        if watcher is None:
            return 0
        view = watcher.view
        if not view.confirmed:
            raise StoreUnavailable("the majority of Sentinels does not confirm the primary")
        return view.generation

    @property
    def _primary_number(self) -> int:
        """The number of the primary that is known, confirmed or not; 0 without Sentinels."""
        watcher = watcher_of(self._store.redis)
        return 0 if watcher is None else watcher.view.generation

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def _room_left(self) -> int:
        return self.trouble.bounded(self._settings.max_in_flight) - len(self._tasks)

    @property
    def is_working(self) -> bool:
        """Whether an account is attended or calls are under way."""
        return bool(self._attending or self._tasks)

    async def attend(self, account: str) -> AttendEnd:
        """Submits the account's calls until it may take no more; returns why it ended.

        Raises StoreUnavailable; the calls under way go on.
        """
        if account not in self._limits:
            return "empty"
        if account in self._attending:
            # The run under way claims once more before it ends: this wake-up may be later than its last claim.
            self._woken.add(account)
            return "empty"
        self._attending.add(account)
        asyncio.get_running_loop().call_later(TELL_AFTER, self.on_attend)
        try:
            return await self._attend(account, self._limits[account])
        finally:
            self._attending.discard(account)

    async def _attend(self, account: str, limits: AccountSettings) -> AttendEnd:
        loop = asyncio.get_running_loop()
        # With less room a claim would be small, and the next due at once.
        min_room = max(1, min(self._settings.max_in_flight // 8, MAX_PER_CLAIM))
        idle_since: float | None = None
        cap_poll = CAP_POLL
        while not self.stopping and not self.store_lost:
            while not self.stopping:
                if (pause := self.trouble.pause) > 0:
                    await self._rest(pause)
                elif self._room_left() < self.trouble.bounded(min_room):
                    self._room.clear()
                    await self._room.wait()
                else:
                    break
            if self.stopping:
                break
            self._confirmed_primary()  # what is claimed and cannot be armed would be claimed again at once, and so on
            leaving = idle_since is not None and loop.time() - idle_since > LINGER
            claim = await self._claim(account, limits, leaving=leaving)
            now = loop.time()
            for call in claim.calls:
                if call.suspect:
                    await self._take_suspect(call, now)
                else:
                    self._start(call, now, self._contexts[account])
            if claim.calls:
                idle_since, cap_poll = None, CAP_POLL
            match claim.status:
                case "ok":
                    await self._rest(min(claim.wait, max(MAX_REST, seconds_between(limits.calls_per_second))))
                case "empty" if leaving and not claim.calls and account not in self._woken:
                    return "empty"
                case "empty":
                    self._woken.discard(account)
                    idle_since = idle_since if idle_since is not None and not leaving else now
                    await asyncio.sleep(POLL)
                case "paced":
                    idle_since = None
                    await asyncio.sleep(min(claim.wait + TIMER_STEP, PACED_SLEEP))
                case "cap":
                    await asyncio.sleep(cap_poll)
                    cap_poll = min(cap_poll * 1.5, MAX_CAP_POLL)
                case "moved":
                    await self.follow_primary()
                case "lost":
                    self.store_lost = True
                    log.critical(
                        "store.data_lost",
                        account=account,
                        hint="Redis came back without its data: nothing is submitted; restore it, then restart the workers",
                    )
                    return "lost"
                case other:
                    return other
        return "stopping"

    async def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while True:
            await asyncio.sleep(min(seconds + TIMER_STEP, MAX_SLEEP) if seconds > 0 else 0)
            if self.stopping or (seconds := ends - loop.time()) <= 0:
                return

    async def _claim(self, account: str, limits: AccountSettings, *, leaving: bool) -> call_transitions.Claim:
        """Claims, or asks again for the claim whose answer was lost, with its token: it holds the same calls.

        Lost again (some links drop large answers), its calls are put back and the next claims are smaller. Raises
        StoreUnavailable.
        """
        size = self._claim_size.get(account, MAX_PER_CLAIM)

        def operation(room: int, token: str = "") -> Operation[call_transitions.Claim]:
            attend = 0 if leaving else ATTEND
            return call_transitions.claim(
                self._settings,
                account,
                limits,
                epoch=self._known_store,
                room=room,
                horizon=HORIZON,
                tick=tick_length(limits.calls_per_second, limits.burst_calls),
                attend=attend,
                token=token,
            )

        now = asyncio.get_running_loop().time()
        unanswered = self._unanswered.pop(account, None)
        if unanswered is not None and now - unanswered.asked_at > lease_seconds(self._settings):
            unanswered = None
        if unanswered is None:
            token = secrets.token_hex(8)
            room = min(self._room_left(), size)
            unanswered = _Unanswered(operation(room, token), token, now)
        elif unanswered.repeated:
            self._claim_size[account], self._answered[account] = max(1, size // SHRINK), 0
            unanswered.operation = operation(0, unanswered.token)
        else:
            unanswered.repeated = True
        try:
            claim = await self._store.run(unanswered.operation)
        except StoreUnavailable:
            self._unanswered[account] = unanswered
            raise
        if size < MAX_PER_CLAIM:
            self._answered[account] = self._answered.get(account, 0) + bool(claim.calls)
            if self._answered[account] >= GROW_AFTER:
                self._claim_size[account], self._answered[account] = size * 2, 0
        return claim

    async def _take_suspect(self, call: call_transitions.Claimed, claimed_at: float) -> None:
        """Submits a call that a worker died with, one at a time; returns once it is armed or settled.

        If it is what kills workers, this one dies with no other suspect in hand, and the store knows which it was.
        """
        context = self._contexts[call.account]
        async with self._suspect:
            try:
                confirmed = await self._store.run(call_transitions.confirm(call))
            except StoreUnavailable:
                self._keep(asyncio.create_task(release(call, "store_unavailable", context)))
                return
            if not confirmed:
                return
            past_arm = asyncio.Event()

            async def arm(item: call_transitions.Arming) -> call_transitions.Armed:
                armed = await context.arm(item)
                if armed.outcome == "armed":
                    past_arm.set()
                return armed

            task = self._start(call, claimed_at, replace(context, arm=arm))
            task.add_done_callback(lambda _task: past_arm.set())
            await past_arm.wait()

    def _start(self, call: call_transitions.Claimed, now: float, context: SubmitContext) -> "asyncio.Task[str]":
        return self._keep(asyncio.create_task(submit(call, now, context)))

    def _keep(self, task: "asyncio.Task[str]") -> "asyncio.Task[str]":
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[str]") -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            # The lease runs out, and the sweeper moves the call to the state that is certain.
            log.error("submit.crashed", error=type(exc).__name__, exc_info=exc)

    async def _arm(
        self, account: str, limits: AccountSettings, items: Sequence[call_transitions.Arming]
    ) -> Sequence[call_transitions.Armed]:
        confirmed = self._confirmed_primary()
        try:
            answers = await self._store.run(
                call_transitions.arm(self._settings, limits, items, epoch=self._known_store, worker=self._worker)
            )
            # Armed on a server that is the primary no more, a call could be armed once again on the other one.
            if self._confirmed_primary() != confirmed:
                raise StoreUnavailable("another server became the primary")
        except StoreUnavailable:
            # Confirmed arms are on every replica, with all that went before: a primary that holds this arm as the last one has
            # seen no POST after it. Without confirmation it might have missed that one.
            for item in items if self._settings.durability == "replica" else ():
                self._memory.not_armed(account, item)
            raise
        for item, armed in zip(items, answers, strict=True):
            if armed.outcome == "armed":
                self._memory.armed(account, item)
        return answers

    async def _settle(self, limits: AccountSettings, items: Sequence[call_transitions.Settling]) -> Sequence[str]:
        number = self._primary_number
        answers = await self._store.run(call_transitions.settle(self._settings, limits, items))
        for item in items:
            self._memory.settled(item)
        if self._primary_number != number:
            # What was remembered may have been repeated before this outcome was: it is recorded once more.
            raise StoreUnavailable("another server became the primary")
        return answers

    async def stop(self, grace: float) -> int:
        """Ends new claims and waits at most ``grace`` seconds for the calls in flight; returns how many were left."""
        self.stopping = True
        self._room.set()
        if self._watching is not None:
            self._watching.cancel()
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace
        # A claim may be under way, and its calls are submitted too: the runs of attend are waited for as well.
        while (self._tasks or self._attending) and (left := ends - loop.time()) > 0:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=min(left, STOP_POLL))
            else:
                await asyncio.sleep(min(left, POLL))
        return len(self._tasks)
