"""Drives the process's event loop: claims in batches, keeps many POSTs in flight, arms and settles in batches.

A wake-up makes it attend to an account until there is nothing left that it may take. Many calls share each round trip
to Redis (:class:`alodial.store.coalesce.Coalescer`), so that a call costs about 0.1 ms of the store's time.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Literal

import structlog

from alodial.errors import StoreUnavailable
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions
from alodial.store.client import Arg, AsyncStore
from alodial.store.coalesce import Coalescer
from alodial_schemas import numbers_of, request_from_body

from .alovoice.client import AloVoiceClient
from .submit import SubmitContext, submit

log = structlog.get_logger("alodial.engine")

HORIZON = 0.05
"""Seconds ahead that slots are reserved: more would let bulk calls delay an urgent one, less would miss slots."""

ATTEND = 1.0
"""Seconds that one claim keeps producers from waking; a crashed worker is missed at most that long."""

LINGER = 0.25
"""Seconds that an idle engine still looks for work before it leaves."""

POLL = 0.004
"""Seconds between claims while there is nothing to take."""

MAX_SLEEP = 0.5
"""Seconds: at a slow rate the next slot is far off, and a stop or a resume must not wait for it."""

PACED_SLEEP = 0.02
"""Seconds: longest sleep while only campaigns wait, so that a single call does not wait with them."""

STOP_POLL = 0.25
CAP_POLL, MAX_CAP_POLL = 0.02, 0.1
"""Seconds between claims while all channels are in use."""

MAX_PER_CLAIM = 128

AttendEnd = Literal["empty", "hold", "stop", "lost", "stopping"]


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
        # Calls of an account without a token wait; a claimed one could only be given back.
        accounts = {name: settings.account(name) for name in settings.account_names}
        self._limits = {name: account for name, account in accounts.items() if account.token is not None}
        self._contexts = {
            name: SubmitContext(
                settings,
                client,
                Coalescer(partial(self._arm, limits), isolate=True).submit,
                Coalescer(partial(self._settle, limits), isolate=True).submit,
                self._refusal,
            )
            for name, limits in self._limits.items()
        }
        self._attending: set[str] = set()
        self._woken: set[str] = set()
        self._tasks: set[asyncio.Task[str]] = set()
        self._room = asyncio.Event()
        self._wait = _durable_command(settings)
        self.stopping = False
        self.store_lost = False

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

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
        try:
            return await self._attend(account, self._limits[account])
        finally:
            self._attending.discard(account)

    async def _attend(self, account: str, limits: AccountSettings) -> AttendEnd:
        limit, loop = self._settings.max_in_flight, asyncio.get_running_loop()
        # With less than an eighth of room a claim would be small, and the next due at once.
        min_room = max(1, limit // 8)
        idle_since: float | None = None
        cap_poll = CAP_POLL
        while not self.stopping and not self.store_lost:
            while limit - len(self._tasks) < min_room and not self.stopping:
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
                case "empty" if leaving and not claim.calls and account not in self._woken:
                    return "empty"
                case "empty":
                    self._woken.discard(account)
                    idle_since = idle_since if idle_since is not None and not leaving else now
                    await asyncio.sleep(POLL)
                case "paced":
                    idle_since = None
                    await asyncio.sleep(min(claim.wait, PACED_SLEEP))
                case "cap":
                    await asyncio.sleep(cap_poll)
                    cap_poll = min(cap_poll * 1.5, MAX_CAP_POLL)
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
        task = asyncio.create_task(submit(call, now, self._contexts[call.account]))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[str]") -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            # The lease runs out, and the sweeper moves the call to the state that is certain.
            log.error("submit.crashed", error=type(exc).__name__, exc_info=exc)

    async def _arm(
        self, limits: AccountSettings, items: Sequence[call_transitions.Arming]
    ) -> Sequence[call_transitions.Armed]:
        operation = call_transitions.arm(self._settings, limits, items, epoch=self._epoch, worker=self._worker)
        if self._wait is None:
            return await self._store.run(operation)
        answers, copies = await self._store.run_durable(operation, self._wait)
        if copies < 1:
            raise StoreUnavailable(f"arm is not durable yet ({self._settings.durability})")
        return answers

    async def _settle(self, limits: AccountSettings, items: Sequence[call_transitions.Settling]) -> Sequence[str]:
        return await self._store.run(call_transitions.settle(self._settings, limits, items))

    def _refusal(self, body: str) -> str | None:
        """Checks the allowlist again right before the call: a record may be in Redis without the API's checks."""
        allowed = self._settings.allowed_prefixes
        if not allowed:
            return None
        try:
            numbers = numbers_of(request_from_body(body))
        except ValueError:
            return "record_unreadable"
        return None if all(number.startswith(allowed) for number in numbers) else "phone_not_allowed"

    async def stop(self, grace: float) -> int:
        """Ends new claims and waits at most ``grace`` seconds for the calls in flight; returns how many were left."""
        self.stopping = True
        self._room.set()
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace
        # A claim may be under way, and its calls are submitted too: the runs of attend are waited for as well.
        while (self._tasks or self._attending) and (left := ends - loop.time()) > 0:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=min(left, STOP_POLL))
            else:
                await asyncio.sleep(min(left, POLL))
        return len(self._tasks)


def _durable_command(settings: Settings) -> tuple[Arg, ...] | None:
    """Returns the command that makes Redis wait until an arm is safe.

    None for ``fast``, and for ``fsync``, where ``appendfsync always`` (checked at start-up) already answers after the fsync.
    """
    return ("WAIT", 1, int(settings.redis_timeout * 500)) if settings.durability == "replica" else None
