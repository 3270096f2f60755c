"""Drives the process's one event loop: claims in batches, keeps many POSTs in flight, settles in batches.

A doorbell makes it attend to an account until there is nothing left that it may take. Many calls share each round trip
to Redis (:class:`alodial.store.coalesce.Batcher`), so that a call costs about a tenth of a millisecond of the store's time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import structlog

from alodial.errors import StoreUnavailable
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions
from alodial.store.client import Arg, AsyncStore
from alodial.store.coalesce import Coalescer
from alodial_schemas import numbers_of, request_from_body

from .alovoice.client import AloVoiceClient
from .submit import Collaborators, submit

log = structlog.get_logger("alodial.engine")

HORIZON = 0.05
"""Seconds ahead that slots are reserved: more would let bulk stand before an urgent call, less would miss slots."""

ATTEND = 1.0
"""Seconds that one claim keeps producers from ringing; a crashed worker is missed at most that long."""

LINGER = 0.25
"""Seconds that an idle engine still looks for work before it leaves."""

POLL = 0.004
MAX_SLEEP = 0.5
"""Seconds: at a slow rate the next slot is far off, and a stop or a resume must not wait for it."""

PACED_SLEEP = 0.02
STOP_LOOK = 0.25
CAP_POLL = 0.02
MAX_PER_CLAIM = 128

Left = Literal["empty", "hold", "stop", "lost", "stopping"]


class Engine:
    """One for a worker process, on its loop. ``attend`` is what the submit actor runs."""

    def __init__(
        self, settings: Settings, store: AsyncStore, client: AloVoiceClient, *, worker: str, epoch: str
    ) -> None:
        self._settings = settings
        self._store = store
        self._worker = worker
        self._epoch = epoch
        # Calls of an account without a token wait; a claimed one could only be given back.
        every = {name: settings.account(name) for name in settings.account_names}
        self._limits = {name: account for name, account in every.items() if account.token is not None}
        self._armers = {name: Coalescer(self._arm(limits), apart=True) for name, limits in self._limits.items()}
        self._settlers = {name: Coalescer(self._settle(limits), apart=True) for name, limits in self._limits.items()}
        self._work = {
            name: Collaborators(settings, client, self._armers[name].ask, self._settlers[name].ask, self._refuses)
            for name in self._limits
        }
        self._attending: set[str] = set()
        self._asked: set[str] = set()
        self._tasks: set[asyncio.Task[str]] = set()
        self._room = asyncio.Event()
        self._wait = _durable_command(settings)
        self.stopping = False
        self.store_lost = False

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def attend(self, account: str) -> Left:
        """Submits what the account may submit until there is nothing left; answers why it left.

        Raises StoreUnavailable; what is under way goes on.
        """
        if account not in self._limits:
            return "empty"
        if account in self._attending:
            # Whoever is just leaving looks once more: this doorbell was rung after his last claim, perhaps.
            self._asked.add(account)
            return "empty"
        self._attending.add(account)
        try:
            return await self._attend(account, self._limits[account])
        finally:
            self._attending.discard(account)

    async def _attend(self, account: str, limits: AccountSettings) -> Left:
        limit, loop = self._settings.max_in_flight, asyncio.get_running_loop()
        # Below an eighth of room a claim would be small and the next one due at once.
        enough = max(1, limit // 8)
        idle_since: float | None = None
        cap_poll = CAP_POLL
        while not self.stopping and not self.store_lost:
            while limit - len(self._tasks) < enough and not self.stopping:
                self._room.clear()
                await self._room.wait()
            if self.stopping:
                break
            leaving = idle_since is not None and loop.time() - idle_since > LINGER
            claim = await self._store.run(
                call_transitions.claim(
                    self._settings,
                    account,
                    limits,
                    epoch=self._epoch,
                    room=min(limit - len(self._tasks), MAX_PER_CLAIM),
                    horizon=HORIZON,
                    attend=0 if leaving else ATTEND,
                )
            )
            now = loop.time()
            for call in claim.calls:
                self._start(call, now)
            if claim.calls:
                idle_since, cap_poll = None, CAP_POLL
            match claim.status:
                case "ok":
                    await asyncio.sleep(min(claim.wait, MAX_SLEEP))
                case "empty" if leaving and not claim.calls and account not in self._asked:
                    return "empty"
                case "empty":
                    self._asked.discard(account)
                    idle_since = idle_since if idle_since is not None and not leaving else now
                    await asyncio.sleep(POLL)
                case "paced":
                    idle_since = None
                    # Only campaigns wait: a single call that comes meanwhile must not wait with them.
                    await asyncio.sleep(min(claim.wait, PACED_SLEEP))
                case "cap":
                    await asyncio.sleep(cap_poll)
                    cap_poll = min(cap_poll * 1.5, 0.1)
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

    def _start(self, call: call_transitions.Claimed, now: float) -> None:
        task = asyncio.create_task(submit(call, now, self._work[call.account]))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[str]") -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            # The lease runs out and the sweeper says honestly what is known of the call.
            log.error("submit.crashed", error=type(exc).__name__, exc_info=exc)

    def _arm(
        self, limits: AccountSettings
    ) -> Callable[[Sequence[call_transitions.Arming]], Awaitable[Sequence[call_transitions.Armed]]]:
        async def flush(items: Sequence[call_transitions.Arming]) -> Sequence[call_transitions.Armed]:
            op = call_transitions.arm(self._settings, limits, items, epoch=self._epoch, worker=self._worker)
            if self._wait is None:
                return await self._store.run(op)
            answers, copies = await self._store.run_durable(op, self._wait)
            if copies < 1:
                raise StoreUnavailable(f"arm is not durable yet ({self._settings.durability})")
            return answers

        return flush

    def _settle(
        self, limits: AccountSettings
    ) -> Callable[[Sequence[call_transitions.Settling]], Awaitable[Sequence[str]]]:
        async def flush(items: Sequence[call_transitions.Settling]) -> Sequence[str]:
            return await self._store.run(call_transitions.settle(self._settings, limits, items))

        return flush

    def _refuses(self, body: str) -> str | None:
        """The allowlist once more, right before the call: what is in Redis may not have come through our front door."""
        allowed = self._settings.allowed_prefixes
        if not allowed:
            return None
        try:
            numbers = numbers_of(request_from_body(body))
        except ValueError:
            return "record_unreadable"
        return None if all(number.startswith(allowed) for number in numbers) else "phone_not_allowed"

    async def stop(self, grace: float) -> int:
        """No new claims; waits for what is in flight, at most ``grace`` seconds. Answers how many were left."""
        self.stopping = True
        self._room.set()
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace
        # A claim may be on its way back: what it brings is submitted too, so whoever attends is waited for as well.
        while (self._tasks or self._attending) and (left := ends - loop.time()) > 0:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=min(left, STOP_LOOK))
            else:
                await asyncio.sleep(min(left, POLL))
        return len(self._tasks)


def _durable_command(settings: Settings) -> tuple[Arg, ...] | None:
    """What makes Redis wait until an arm is safe.

    None for ``fast``, and for ``fsync``, where ``appendfsync always`` (checked at start-up) already answers after the fsync.
    """
    return ("WAIT", 1, int(settings.redis_timeout * 500)) if settings.durability == "replica" else None
