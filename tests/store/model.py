"""A model of the store's transitions in plain Python, without Redis.

The scripts in ``store/lua`` are what runs. ``store_pair.py`` runs both side by side and compares every answer, record,
queue and event; ``test_exhaustive.py`` walks through every order of events that a small world allows. Where the two
differ, one of them is wrong.

Left out because nothing depends on it: what expires in Redis (ended records, their idempotency keys, old events), the
trimming of very long timelines, and the bound on entries of ended calls that one claim skips.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from model_past import Past
from model_quotas import Quotas, turn_of
from model_values import Account, Attempt, Call, Emitted, Limits, Rules, Seen, event_id

from alodial.store.archiving import EndedCall
from alodial.store.call_transitions import (
    SLOTS_SECOND,
    STARTS_SECOND,
    Applied,
    Applying,
    ApplyOutcome,
    Armed,
    Arming,
    Canceled,
    Claim,
    Claimed,
    Enqueued,
    NewCall,
    Pace,
    Settling,
    Swept,
)
from alodial.store.primary import Posted
from alodial_schemas import ENDS, TRANSITIONS, State

PRIORITIES = {"u": "urgent", "n": "normal", "b": "bulk"}
TIMER_ERROR = 5000
LONGEST_TURN = 400_000
MAX_ATTEMPTS_UNCONFIRMED = 3
CLOCK_STEP, CLOCK_BACK, CLOCK_DRAIN = 2000, 1000, 60_000
FULL_FIGURES = "94 100"
"""What scripts say of a full Redis as ``store_harness.set_full`` makes it: bytes used, and the limit."""

OUT_OF_REACH = 3
OWN_REFUSALS = 3


def _is_mine(c: Call, new: NewCall) -> bool:
    return c.new.owner == new.owner if new.tenant else not c.new.tenant


@dataclass(slots=True)
class ModelStore:
    """The whole store at the moment ``now``, Unix microseconds. Methods answer as the operations of ``ops.py``."""

    rules: Rules
    now: int
    epoch: str = "epoch"
    stopped: bool = False
    full: bool = False
    calls: dict[str, Call] = field(default_factory=dict)
    aliases: dict[str, tuple[str, int]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    own_extids: dict[tuple[str, str], str] = field(default_factory=dict)
    ready: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    turns: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    exp: dict[str, int] = field(default_factory=dict)
    lease: dict[str, int] = field(default_factory=dict)
    awaiting: dict[str, int] = field(default_factory=dict)
    channels: dict[str, dict[str, int]] = field(default_factory=dict)
    starts: dict[str, list[int]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    bells: dict[str, int] = field(default_factory=dict)
    listening: bool = False
    woken: list[str] = field(default_factory=list)
    refused: dict[str, dict[str, int]] = field(default_factory=dict)
    claims: dict[str, tuple[str, int, tuple[tuple[str, int], ...]]] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    past: Past = field(default_factory=Past)
    counts: Counter[str] = field(default_factory=Counter)
    events: list[Emitted] = field(default_factory=list)
    seen: int | None = None
    drain: int = 0

    @property
    def ms(self) -> int:
        return self.now // 1000

    def copy(self) -> Self:
        return replace(
            self,
            calls={x: replace(c, attempts=dict(c.attempts)) for x, c in self.calls.items()},
            aliases=dict(self.aliases),
            keys=dict(self.keys),
            own_extids=dict(self.own_extids),
            ready={name: list(queue) for name, queue in self.ready.items()},
            turns={level: list(owners) for level, owners in self.turns.items()},
            due=dict(self.due),
            exp=dict(self.exp),
            lease=dict(self.lease),
            awaiting=dict(self.awaiting),
            channels={name: dict(used) for name, used in self.channels.items()},
            starts={name: list(starts) for name, starts in self.starts.items()},
            accounts={name: replace(account) for name, account in self.accounts.items()},
            known=set(self.known),
            bells=dict(self.bells),
            woken=list(self.woken),
            refused={name: dict(waiting) for name, waiting in self.refused.items()},
            claims=dict(self.claims),
            quotas=self.quotas.copy(),
            past=self.past.copy(),
            counts=self.counts.copy(),
            events=list(self.events),
        )

    # Parts of every transition

    def _make_ready(self, c: Call, *, first: bool = False) -> None:
        """Into its list: the account's for its priority, or its tenant's line there, at the end or as the first."""
        level, owner = (c.new.account, c.new.priority), c.new.owner if c.new.tenant else ""
        queue = self.ready.setdefault((*level, owner) if owner else level, [])
        if owner and not queue:
            turns = self.turns.setdefault(level, [])
            turns.insert(0 if first else len(turns), owner)
        queue.insert(0 if first else len(queue), c.new.extid)

    def _next_ready(self, account: str, after: set[str], priorities: str = "unb", above: str = "") -> Call | None:
        """The next call of an account: tenants take turns, and between two goes one of the installation, or of less priority.

        ``after`` are the priorities of which a tenant had the last call; who has more in those ``above`` waits.
        """
        if not priorities:
            return None
        p, lower = priorities[0], priorities[1:]
        turns, queue = self.turns.get((account, p), []), self.ready.get((account, p), [])
        busy = {owner for higher in above for owner in self.turns.get((account, higher), [])}
        of_tenants = [owner for owner in turns if owner not in busy]
        if of_tenants and p not in after:
            after.add(p)
            return self._next_of(account, p, of_tenants[0])
        if queue:
            after.discard(p)
            return self.calls[queue.pop(0)]
        is_turn = bool(turns) and p in after
        passed = above + p if is_turn else above
        if c := self._next_ready(account, after, lower, passed):
            after.discard(p)
            return c
        return self._next_of(account, p, of_tenants[0]) if is_turn and of_tenants else None

    def _next_of(self, account: str, p: str, owner: str) -> Call:
        turns, line = self.turns[account, p], self.ready[account, p, owner]
        x = line.pop(0)
        turns.remove(owner)
        if line:
            turns.append(owner)
        return self.calls[x]

    def _account(self, name: str) -> Account:
        return self.accounts.setdefault(name, Account())

    def _free_channel(self, c: Call) -> None:
        self.channels.get(c.new.account, {}).pop(c.new.extid, None)

    def _await_expiry(self, c: Call) -> None:
        if c.new.expires_at != "":
            self.exp[c.new.extid] = int(c.new.expires_at)

    def _emit(self, c: Call, kind: str, attempt: int | None = None, result: str = "") -> None:
        c.version += 1
        n = attempt or c.attempt
        extid = c.attempts[n].extid
        extid = c.shown if extid == c.new.extid else extid
        name = f"{c.new.id}-1"
        if kind != "queued" or c.version > 1:
            name = event_id(c.new.id, c.version, kind, c.state.value, c.disposition or "", n, extid, result)
        self.events.append(Emitted(name, kind, c.new.id, extid, c.state.value, c.disposition, n))

    def _move(self, c: Call, to: State, note: str = "") -> None:
        if to not in TRANSITIONS[c.state]:
            raise AssertionError(f"no way from {c.state} to {to}")
        self.counts[c.state.value] -= 1
        self.counts[to.value] += 1
        if to in ENDS and c.state not in ENDS:
            self.quotas.hold(c.new.quota, -1)
        c.state = to
        c.timeline += ((to.value, self.ms, note),)
        if to in ENDS:
            c.token, c.settled = "", None
            for waiting in (self.due, self.lease, self.awaiting, self.exp):
                waiting.pop(c.new.extid, None)
            self._free_channel(c)

    def _end(self, c: Call, to: State, note: str = "") -> None:
        self._move(c, to, note)
        self._emit(c, to.value)

    def _unsuspect(self, c: Call) -> None:
        if c.crashes is not None:
            c.crashes, c.alone = None, ""

    def _give_back(self, c: Call) -> None:
        c.token = ""
        self.lease.pop(c.new.extid, None)
        self._free_channel(c)
        self._await_expiry(c)
        self._make_ready(c, first=True)

    def _schedule(self, c: Call, delay: int, note: str, spare: str = "") -> None:
        self.lease.pop(c.new.extid, None)
        self.awaiting.pop(c.new.extid, None)
        self._free_channel(c)
        if spare and c.state is State.UNCONFIRMED and c.token:
            c.unknown = (c.token, c.attempt)
        c.token = ""
        self.due[c.new.extid] = self.ms + delay
        self._await_expiry(c)
        if c.state is State.SCHEDULED:
            c.timeline += ((State.SCHEDULED.value, self.ms, note),)
        else:
            self._move(c, State.SCHEDULED, note)
        if spare:
            c.attempt += 1
            c.tries = 0
            c.attempts[c.attempt] = Attempt(spare)
            self.aliases[spare] = (c.new.extid, c.attempt)

    def _unconfirm(self, c: Call, note: str, spare: str, *, holds_channel: bool) -> None:
        self._move(c, State.UNCONFIRMED, note)
        self._await_result(c, holds_channel=holds_channel)
        self._emit(c, "unconfirmed")
        after = self.rules.redial_after
        if c.new.on_unconfirmed == "redial" and c.attempt < MAX_ATTEMPTS_UNCONFIRMED and not c.over(self.ms + after):
            attempt = c.attempt
            self._schedule(c, after, "on_unconfirmed", spare)
            self._emit(c, "redial_scheduled", attempt)

    def _await_result(self, c: Call, *, holds_channel: bool) -> None:
        self.lease.pop(c.new.extid, None)
        self.awaiting[c.new.extid] = self.ms + self.rules.result
        if holds_channel:
            self.channels.setdefault(c.new.account, {})[c.new.extid] = self.ms + self.rules.channel

    def _bell(self, account: str) -> bool:
        if self.bells.get(account, 0) > self.ms:
            return False
        self.bells[account] = self.ms + 1000
        if not self.listening:
            return True
        self.woken.append(account)
        return len(self.woken) > 1

    # The operations, each one script

    def enqueue(self, calls: Iterable[NewCall]) -> tuple[list[str], list[Enqueued]]:
        rows: list[Enqueued] = []
        ring: dict[str, bool] = {}
        for call in calls:
            new = call
            named = self.remembered(self.keys.get(new.key, ""), lasting=bool(new.digest)) if new.key else None
            shown, (spare, spare_id) = new.extid, (new.spare.split() or ["", ""])
            space = new.owner if new.tenant else ""
            x = self.own_extids.get((space, shown), shown) if spare else shown
            old = named or self.remembered(x, lasting=bool(new.digest))
            theirs = False
            if old is not None and old.new.extid == x and not _is_mine(old, new):
                old, theirs = None, True
            elif old is None and new.digest and x in self.aliases:
                theirs = True
                if _is_mine(self.calls[self.aliases[x][0]], new):
                    spare = ""
            if old is not None:
                again = old.new.id == new.id or (bool(spare) and (old.new.extid, old.new.id) == (spare, spare_id))
                same = again or (new.digest != "" and old.new.digest == new.digest)
                if same and new.key:
                    self.keys.setdefault(new.key, old.new.extid)
                rows.append(
                    Enqueued(
                        "created" if again else "same" if same else "conflict",
                        old.new.extid,
                        old.new.id,
                        old.state,
                        old.shown,
                    )
                )
            elif theirs and not spare:
                rows.append(Enqueued("conflict", x, "", None, x))
            elif self.full:
                rows.append(Enqueued("full", x, FULL_FIGURES, None, x))
            elif new.quota and (refused := self.quotas.take(new.quota, new.body, self.ms)):
                rows.append(Enqueued("limit", x, refused[0], None, str(refused[1])))
            else:
                if theirs:
                    new = new._replace(extid=spare, id=spare_id)
                    self.own_extids[space, shown] = spare
                c = self._store(new, shown)
                if c.state is State.QUEUED:
                    ring[new.account] = True
                rows.append(Enqueued("created", new.extid, new.id, c.state, shown))
        return [name for name in ring if self._bell(name)], rows

    def remembered(self, x: str, *, lasting: bool) -> Call | None:
        """The call of an extid; ``lasting`` finds it too when its record has left for the archive."""
        return self.calls.get(x) or (self.past.get(x, self.ms) if lasting else None)

    def archive(self, calls: Iterable[EndedCall], retain: int, keep: int) -> list[bool]:
        """``retain`` and ``keep`` in ms, as ``retention_ms`` has them."""
        done = []
        for call in calls:
            c = self.calls.get(call.extid)
            done.append(c is None or (c.state in ENDS and c.version == call.version))
            if c is not None and done[-1] and c.new.digest:
                self.past.remember(c, call.ended_at, retain, keep)
        return done

    def restore(self, calls: Iterable[Call]) -> list[bool]:
        """Calls that left for the archive, as they left."""
        rows = []
        for c in calls:
            x = c.new.extid
            rows.append(True)
            if x not in self.calls:
                self.calls[x] = c
                self.aliases |= {attempt.extid: (x, n) for n, attempt in c.attempts.items() if n > 1}
        return rows

    def _store(self, new: NewCall, shown: str) -> Call:
        later = new.not_before != "" and int(new.not_before) > self.ms
        turn, due = turn_of(new), int(new.not_before or 0)
        if turn and not later:
            due = self.quotas.next_turn(turn, self.now)
            later, turn = due > self.ms, None
        self.quotas.hold(new.quota, 1)
        state = State.SCHEDULED if later else State.QUEUED
        c = self.calls[new.extid] = Call(new, state, {1: Attempt(new.extid)}, ((state.value, self.ms, ""),), shown)
        self.counts[state.value] += 1
        self.known.add(new.account)
        if new.key:
            self.keys[new.key] = new.extid
        self._await_expiry(c)
        c.turn = turn
        if later:
            self.due[new.extid] = due
        else:
            self._make_ready(c)
            self._emit(c, "queued")
        return c

    def claim(
        self,
        account: str,
        limits: Limits,
        token: str,
        *,
        epoch: str,
        room: int,
        horizon: int,
        attend: int,
        tick: int = 0,
    ) -> Claim:
        """``horizon`` and ``tick`` in microseconds, ``attend`` in ms."""
        if epoch != self.epoch:
            return Claim("lost", 0, [])
        if token in self.claims:
            return self._claim_again(token, put_back=room == 0)
        if room == 0:
            return Claim("ok", 0, [])
        if self.stopped:
            return Claim("stop", 0, [])
        paced = self.accounts.get(account, Account())
        if paced.hold > self.ms:
            return Claim("hold", (paced.hold - self.ms) / 1000, [])
        probing = paced.refusals > 0
        room = min(room, 1) if probing else room
        used = self.channels.setdefault(account, {})
        free = room
        if limits.cap:
            for x in [x for x, until in used.items() if until <= self.ms]:
                del used[x]
            free = limits.cap - len(used)
        self._attend(account, attend)
        if limits.cap and free <= 0:
            return Claim("cap", 0, [])
        taken: list[Claimed] = []
        gap = SLOTS_SECOND / limits.rate if limits.rate else 0
        tat: float = min(paced.tat, self.now + max(horizon, SLOTS_SECOND) + gap) if limits.rate else paced.tat
        oldest = self.now - 2 * tick if tick and paced.turn > self.now - 2 * tick else self.now
        ahead = horizon / 10 if tick > horizon else horizon
        reach = math.ceil((self.now + ahead) / tick) * tick if tick else self.now + horizon
        after = set(paced.after_tenants)
        wait = 0.0
        status = "ok"
        while len(taken) < min(room, free):
            slot = max(tat, oldest) if limits.rate else self.now
            if slot > reach:
                first = (math.ceil(slot / tick) - 1) * tick + 1 if tick else slot
                step = max(gap, tick)
                lead = tick - horizon / 2 if tick > horizon else horizon / 2
                wait = self._wait_for_turn(paced, first - ahead, lead, max(step, horizon / 2), step)
                break
            c = self._next_ready(account, after)
            if c is None:
                status = "empty"
                break
            if taken and c.crashes is not None and c.state is State.QUEUED and not c.token:
                self._make_ready(c, first=True)
                break
            if not self._may_go(c) or self._hopeless(c, paced):
                continue
            c.token = token
            self.lease[c.new.extid] = self.ms + self.rules.lease
            if limits.cap:
                used[c.new.extid] = self.ms + self.rules.lease + self.rules.channel
            tat = slot + gap if limits.rate else tat
            taken.append(self._claimed(c, round(slot)))
            if c.crashes is not None:
                break
        if after != set(paced.after_tenants):
            self._account(account).after_tenants = "".join(p for p in PRIORITIES if p in after)
        if wait or (taken and (limits.rate or probing)):
            paced = self._account(account)
            paced.tat = round(tat)
            paced.turn = round(self.now + wait) if wait else paced.turn
            if taken and probing:
                paced.hold, paced.probe = self.ms + self.rules.lease, token
        if status == "empty" and paced.turn:
            self._account(account).turn = 0
        if limits.cap and status == "ok" and free <= len(taken) < room:
            status = "cap"
        if taken or wait:
            self.claims[token] = (status, round(self.now + wait), tuple((call.record, call.slot) for call in taken))
        return Claim(status, round(wait) / 1_000_000, taken)  # type: ignore[arg-type]  # one of ClaimStatus

    def _wait_for_turn(self, paced: Account, first: float, lead: float, apart: float, step: float) -> float:
        """Microseconds; ``first`` is when a slot comes within reach again, ``step`` a slot's length or a tick's."""
        turn = max(first + lead, paced.turn + apart)
        return min(turn, max(first, self.now + math.ceil(LONGEST_TURN / step) * step)) - self.now

    def _claim_again(self, token: str, *, put_back: bool) -> Claim:
        status, ends, taken = self.claims[token]
        mine = [(self.calls[x], slot) for x, slot in taken]
        mine = [(c, slot) for c, slot in mine if c.state is State.QUEUED and c.token == token]
        if put_back:
            for c, _ in reversed(mine):
                self._give_back(c)
            del self.claims[token]
            return Claim("ok", 0, [])
        wait = max(0, ends - self.now) / 1_000_000
        return Claim(status, wait, [self._claimed(c, slot) for c, slot in mine])  # type: ignore[arg-type]  # as above

    def confirm(self, record: str, token: str) -> bool:
        c = self.calls[record]
        if c.state is not State.QUEUED or c.token != token:
            return False
        c.alone = token
        return True

    def _attend(self, account: str, attend: int) -> None:
        if attend:
            self.bells[account] = self.ms + attend
        else:
            self.bells.pop(account, None)

    def _may_go(self, c: Call) -> bool:
        """Whether a popped extid is a call to take, and not the trace of one that is elsewhere by now."""
        if c.state is not State.QUEUED or c.token:
            return False
        if c.over(self.ms):
            self._end(c, State.EXPIRED, "expires_at")
            return False
        return True

    def _hopeless(self, c: Call, paced: Account) -> bool:
        """Fails a call that waited too long for an AloVoice out of reach."""
        patience = self.rules.patience
        lasting = paced.kind == "unsent" and self.ms - paced.unreached_since >= patience
        stale = self.ms - patience if lasting else paced.stale
        if not stale or c.new.expires_at != "" or c.timeline[-1][1] > stale or self.ms - stale > patience + 604_800_000:
            return False
        c.reason = "provider_unreachable"
        self._end(c, State.FAILED, c.reason)
        return True

    def _claimed(self, c: Call, slot: int) -> Claimed:
        new = c.new
        return Claimed(
            record=new.extid,
            id=new.id,
            body=new.body,
            delay=(slot - self.now) / 1_000_000,
            attempt=c.attempt,
            tries=c.tries,
            extid=c.current.extid,
            priority=PRIORITIES[new.priority],
            campaign=new.campaign,
            reference=new.reference,
            slot=slot,
            token=c.token,
            account=new.account,
            suspect=c.crashes is not None,
        )

    def arm(self, limits: Limits, items: Sequence[Arming], *, epoch: str) -> list[Armed]:
        waiting: list[str] = []
        return [self._arm(limits, item, epoch, waiting) for item in items]

    def _arm(self, limits: Limits, item: Arming, epoch: str, waiting: list[str]) -> Armed:
        """``waiting`` are the calls before it that found the second full."""
        c = self.calls.get(item.record)
        if epoch != self.epoch or c is None or c.token != item.token:
            return Armed("lost", 0, 0)
        if c.state is State.SUBMITTING and (item.slot >= 0 or not limits.rate):
            return Armed("armed", 0, 1 if limits.rate else 0)
        if c.state is not State.QUEUED and c.state is not State.SUBMITTING:
            return Armed("lost", 0, 0)
        if self.stopped:
            return Armed("stop", 0, 0)
        if c.state is State.SUBMITTING:
            starts = self.starts.setdefault(c.new.account, [])
            if -item.slot in starts:
                starts.remove(-item.slot)
            free = self._count_start(limits, c, waiting)
            return Armed("wait", (free - self.now) / 1_000_000, free) if free else Armed("armed", 0, self.now)
        if self.lease.get(item.record, 0) <= self.ms:
            return Armed("lost", 0, 0)
        if c.over(self.ms):
            self._end(c, State.EXPIRED, "expires_at")
            return Armed("lost", 0, 0)
        paced = self.accounts.get(c.new.account, Account())
        if paced.hold > self.ms and paced.probe != item.token:
            return Armed("hold", 0, 0)
        if limits.rate and (slot := self._too_soon(limits, c, item.slot, waiting)):
            return Armed("wait", (slot - self.now) / 1_000_000, slot)
        self.lease[item.record] = self.ms + self.rules.lease
        used = self.channels.get(c.new.account, {})
        if item.record in used:
            used[item.record] = self.ms + self.rules.lease + self.rules.channel
        self._unsuspect(c)
        self._move(c, State.SUBMITTING, "worker")
        c.note(armed=self.ms)
        return Armed("armed", 0, self.now if limits.rate else 0)

    def _too_soon(self, limits: Limits, c: Call, slot: int, waiting: list[str]) -> int | None:
        """When to ask again; None when it may start now, which is then written down."""
        if self.now < slot - min(1_000_000 / limits.rate, TIMER_ERROR):
            return slot
        return self._count_start(limits, c, waiting)

    def _count_start(self, limits: Limits, c: Call, waiting: list[str]) -> int | None:
        """When to ask again where the second is full; None when the start was counted."""
        limit, starts = max(1, math.ceil(limits.rate)), self.starts.setdefault(c.new.account, [])
        if len(starts) >= limit and self.now - starts[limit - 1] < STARTS_SECOND:
            free = starts[max(0, limit - 1 - len(waiting))] + STARTS_SECOND
            waiting.append(c.new.extid)
            paced = self._account(c.new.account)
            paced.tat = max(paced.tat, free - 100_000)
            return free
        starts.insert(0, self.now)
        if len(starts) > 2 * limit:
            del starts[limit:]
        return None

    def repeat(self, limits: Limits, items: Sequence[Posted]) -> list[str]:
        return [self._repeat(limits, item) for item in items]

    def _repeat(self, limits: Limits, item: Posted) -> str:
        c = self.calls.get(item.record)
        if c is None:
            return "unknown"
        if c.attempt != item.attempt:
            return "kept"
        if c.state is State.SUBMITTING:
            return "armed" if c.token == item.token else "kept"
        if c.settled is not None and c.settled[0] == item.token:
            return "kept"
        if c.state not in (State.QUEUED, State.SCHEDULED):
            return "kept"
        self.due.pop(item.record, None)
        if c.state is State.SCHEDULED:
            self._move(c, State.QUEUED, "arm_forgotten")
        self.lease[item.record] = self.ms + self.rules.lease
        if limits.cap:
            self.channels.setdefault(c.new.account, {})[item.record] = self.ms + self.rules.lease + self.rules.channel
        self._move(c, State.SUBMITTING, "arm_forgotten")
        c.token = item.token
        c.note(armed=self.ms)
        return "armed"

    def settle(self, limits: Limits, items: Sequence[Settling], spares: Sequence[str]) -> list[str]:
        return [self._settle(limits, item, spare) for item, spare in zip(items, spares, strict=True)]

    def _settle(self, limits: Limits, item: Settling, spare: str) -> str:
        c = self.calls.get(item.record)
        if c is None:
            return "kept"
        if c.settled is not None and c.settled[0] == item.token:
            return c.settled[1]
        if item.outcome == "address" and self._account(c.new.account).taken:
            item = item._replace(outcome="rejected")
        if not self._is_heard(c, item):
            self._keep_answer(c, item)
            return "kept"
        answer = self._record(limits, c, item, spare)
        c.settled = (item.token, answer)
        return answer

    def _keep_answer(self, c: Call, item: Settling) -> None:
        n = item.attempt or (c.attempt if c.attempt == 1 or c.token == item.token else 0)
        over = c.state in ENDS or c.state is State.UNCONFIRMED
        if item.answer and 0 < n <= c.attempt and (n < c.attempt or over) and c.attempts[n].answer is None:
            c.attempts[n] = c.attempts[n]._replace(answer=item.answer)
        if c.state in ENDS and item.attempt == c.attempt and item.outcome not in ("taken", "unconfirmed"):
            self._free_channel(c)

    def _is_heard(self, c: Call, item: Settling) -> bool:
        """Whether this holder's word counts, though the record may not say that it holds the call any more."""
        if c.token == item.token and c.state in (State.SUBMITTING, State.QUEUED):
            return True
        certain = item.outcome != "unconfirmed"
        if c.state is State.UNCONFIRMED:
            return certain and c.token == item.token
        if c.state not in (State.QUEUED, State.SCHEDULED):
            return False
        if item.attempt == c.attempt and item.outcome in ("taken", "unconfirmed", "rejected"):
            self.due.pop(c.new.extid, None)
            self.lease.pop(c.new.extid, None)
            if c.state is State.SCHEDULED:
                self._move(c, State.QUEUED, "arm_forgotten")
            c.token = item.token
            return True
        if (
            certain
            and c.attempt > 1
            and c.unknown == (item.token, c.attempt - 1)
            and not c.attempts[c.attempt - 1].first
        ):
            self._withdraw_redial(c)
            return True
        return False

    def _withdraw_redial(self, c: Call) -> None:
        del self.aliases[c.current.extid], c.attempts[c.attempt]
        self.due.pop(c.new.extid, None)
        self.lease.pop(c.new.extid, None)
        self._free_channel(c)
        c.attempt -= 1
        c.token, c.unknown = "", None
        if c.state is State.SCHEDULED:
            self._move(c, State.QUEUED, "redial_withdrawn")
        self._move(c, State.SUBMITTING, "redial_withdrawn")

    def _record(self, limits: Limits, c: Call, item: Settling, spare: str) -> str:
        paced = self._account(c.new.account)
        armed = c.state in (State.SUBMITTING, State.UNCONFIRMED)
        if c.state is State.UNCONFIRMED:
            del self.awaiting[c.new.extid]
        self._unsuspect(c)
        if item.outcome == "auth":
            self._reached(paced)
            if paced.kind == "address":
                self._close_breaker(paced)
            return self._refuse(c, paced, item)
        if c.state is State.QUEUED and item.outcome in ("taken", "unconfirmed"):
            self._move(c, State.SUBMITTING, "arm_forgotten")
            c.note(armed=self.ms)
            armed = True
        if armed and item.outcome not in ("unsent", "release"):
            self._reached(paced)
            if item.outcome in ("taken", "rejected"):
                self._accepted(c.new.account, paced, taken=item.outcome == "taken")
            paced.taken |= item.outcome == "taken"
        if item.outcome == "unsent":
            return self._out_of_reach(c, paced, item)
        if item.outcome == "address":
            return self._misaddressed(c, paced, item)
        if item.outcome == "release":
            if armed:
                self._move(c, State.QUEUED, item.code)
            self._give_back(c)
            return c.state.value
        if item.answer or item.outcome != "retry":
            c.note(answer=item.answer)
        if item.outcome == "taken":
            self._move(c, State.SUBMITTED)
            self._await_result(c, holds_channel=limits.cap > 0)
            self._emit(c, "submitted")
        elif item.outcome == "unconfirmed":
            self._unconfirm(c, item.code, spare, holds_channel=limits.cap > 0)
            if not paced.taken and item.code.startswith("status_3"):
                self._doubt_address(paced, item)
        elif item.outcome == "rejected":
            c.reason = item.code
            self._end(c, State.REJECTED, item.code)
        else:
            self._retry(paced, c, item)
        return c.state.value

    def _retry(self, paced: Account, c: Call, item: Settling) -> None:
        if item.hold:
            self._pause(paced, item.hold, item.code)
        delay = round(item.delay * 1000)
        c.tries += 1
        if c.tries >= self.rules.max_tries:
            c.reason = item.code
            self._end(c, State.FAILED, item.code)
        else:
            self._schedule(c, delay, item.code)

    def _pause(self, paced: Account, hold: float, code: str) -> None:
        ms = round(hold * 1000)
        if ms < 0:
            if paced.hold > self.ms:
                return
            paced.slowed += 1
            ms = min(1000 * 2 ** min(paced.slowed - 1, 5), 30_000)
        if self.ms + ms > paced.hold:
            paced.hold, paced.why = self.ms + ms, code

    def _close_breaker(self, paced: Account) -> None:
        paced.hold, paced.why, paced.refusals, paced.probe, paced.kind = 0, "", 0, "", ""

    def _reached(self, paced: Account) -> None:
        if paced.unsent and paced.kind == "unsent" and self.ms - paced.unreached_since >= self.rules.patience:
            paced.stale = self.ms - self.rules.patience
        paced.unsent, paced.unreached_since = 0, 0
        if paced.refusals and paced.kind == "unsent":
            self._close_breaker(paced)

    def _accepted(self, name: str, paced: Account, *, taken: bool) -> None:
        if taken:
            paced.slowed = 0
        if paced.refusals or paced.refused:
            paced.proofs += 1
            paced.refused = ""
            if paced.refusals:
                self._close_breaker(paced)
                self._let_refused_go(name)

    def _let_refused_go(self, name: str) -> None:
        for x, until in self.refused.pop(name, {}).items():
            if self.due.get(x) == until:
                self.due[x] = self.ms

    def _refuse(self, c: Call, paced: Account, item: Settling) -> str:
        at, counted, total = c.refusals or (-1, 0, 0)
        counted += at != paced.proofs
        c.refusals = (paced.proofs, counted, total + 1)
        if item.answer:
            c.note(answer=item.answer)
        if counted >= OWN_REFUSALS and c.state is not State.QUEUED:
            if paced.refused == c.new.extid:
                paced.refused = ""
            c.reason = "token_refused_repeatedly"
            self._end(c, State.REJECTED, c.reason)
            return c.state.value
        opened = False
        if paced.refusals:
            if paced.probe == item.token or paced.hold <= self.ms:
                paced.refusals += 1
                paced.hold = self.ms + min(60_000 * 2 ** min(paced.refusals - 1, 4), 900_000)
                paced.why, paced.probe = item.code, ""
        elif paced.refused not in ("", c.new.extid):
            opened = True
            paced.refusals, paced.kind, paced.probe = 1, "", ""
            paced.hold, paced.why = self.ms + 60_000, item.code
            waiting = self.refused.get(c.new.account, {})
            due = waiting.get(paced.refused)
            if due is not None and self.due.get(paced.refused) == due <= paced.hold:
                self.due[paced.refused] = waiting[paced.refused] = paced.hold + 1000
        else:
            paced.refused = c.new.extid
        delay = min(60_000 * 2 ** min(total, 4), 900_000)
        if paced.refusals:
            delay = max(delay, paced.hold - self.ms + 1000)
        self._schedule(c, delay, item.code)
        self.refused.setdefault(c.new.account, {})[c.new.extid] = self.ms + delay
        return "auth:opened" if opened else "auth"

    def _doubt_address(self, paced: Account, item: Settling) -> bool:
        probe = paced.probe == item.token or paced.hold <= self.ms
        if paced.refusals and not probe:
            return False
        opened = paced.kind != "address"
        paced.refusals = 1 if opened else paced.refusals + 1
        paced.kind, paced.why, paced.probe = "address", item.code, ""
        paced.hold = self.ms + min(5000 * 2 ** min(paced.refusals - 1, 4), 60_000)
        return opened

    def _misaddressed(self, c: Call, paced: Account, item: Settling) -> str:
        if item.answer:
            c.note(answer=item.answer)
        opened = self._doubt_address(paced, item)
        delay = paced.hold - self.ms + 1000
        self._schedule(c, delay, item.code)
        self.refused.setdefault(c.new.account, {})[c.new.extid] = self.ms + delay
        return "address:opened" if opened else c.state.value

    def _out_of_reach(self, c: Call, paced: Account, item: Settling) -> str:
        if item.answer:
            c.note(answer=item.answer)
        opened = False
        if paced.refusals:
            if paced.probe == item.token or paced.hold <= self.ms:
                first, longest = 60_000, 900_000
                if paced.kind == "unsent":
                    paced.refusals += 1
                    first, longest = 1000, 60_000
                paced.hold = self.ms + min(first * 2 ** min(paced.refusals - 1, 6), longest)
                paced.why, paced.probe = item.code, ""
        else:
            paced.unsent += 1
            paced.unreached_since = paced.unreached_since or self.ms
            if paced.unsent < OUT_OF_REACH:
                self._schedule(c, round(item.delay * 1000), item.code)
                return c.state.value
            opened = True
            paced.refusals, paced.kind, paced.probe = 1, "unsent", ""
            paced.hold, paced.why = self.ms + 1000, item.code
        if c.state is not State.QUEUED:
            self._move(c, State.QUEUED, item.code)
        self._give_back(c)
        return "unsent:opened" if opened else c.state.value

    def apply(self, items: Sequence[Applying], spares: Sequence[str]) -> list[Applied]:
        return [self._apply(item, spare) for item, spare in zip(items, spares, strict=True)]

    def _apply(self, item: Applying, spare: str) -> Applied:
        x, n = (item.extid, 1) if item.extid in self.calls else self.aliases.get(item.extid, ("", 0))
        c = self.calls.get(x)
        if c is None or c.attempts[n].armed is None:
            return Applied("unknown", "", "", "", 0, "")
        outcome: ApplyOutcome
        here = c.attempts[n]
        known = next(
            (seen for seen in (here.first, here.other) if seen is not None and seen.digest == item.digest), None
        )
        if known is not None:
            outcome = known.outcome if known.nonce == spare[-8:] else "duplicate"
        elif here.first is not None:
            outcome = "corrected"
            c.attempts[n] = here._replace(other=Seen(item.digest, spare[-8:], outcome))
            if item.disposition == "answered" and here.disposition != "answered":
                c.attempts[n] = c.attempts[n]._replace(disposition="answered")
                if c.state in ENDS:
                    self._correct_outcome(c, "answered")
                else:
                    self._complete(c, n, item)
            if c.state in ENDS:
                self._emit(c, "corrected", n, item.result)
        else:
            c.attempts[n] = here._replace(disposition=item.disposition)
            outcome = self._first_result(c, n, item, spare)
            c.attempts[n] = c.attempts[n]._replace(first=Seen(item.digest, spare[-8:], outcome))
        return Applied(outcome, c.new.id, c.state.value, c.new.account, n, x)

    def _correct_outcome(self, c: Call, disposition: str) -> None:
        if State.COMPLETED in TRANSITIONS[c.state]:
            c.disposition = disposition
            self._move(c, State.COMPLETED, "late_result")
        elif c.state is State.COMPLETED and disposition == "answered" and c.disposition != "answered":
            c.disposition = disposition
            c.timeline += ((State.COMPLETED.value, self.ms, "late_result"),)

    def _complete(self, c: Call, n: int, item: Applying) -> None:
        out = n < c.attempt and c.state in (State.SUBMITTING, State.SUBMITTED, State.UNCONFIRMED)
        used = self.channels.get(c.new.account, {})
        until = used.get(c.new.extid) if out else None
        c.disposition = item.disposition
        self._move(c, State.COMPLETED, item.disposition)
        if until is not None:
            used[c.new.extid] = until
        self._emit(c, "completed", n, item.result)

    def _first_result(self, c: Call, n: int, item: Applying, spare: str) -> ApplyOutcome:
        disposition = item.disposition
        if c.state in ENDS:
            if n == c.attempt:
                self._free_channel(c)
            self._correct_outcome(c, disposition)
            self._emit(c, "corrected", n, item.result)
            return "corrected"
        if n < c.attempt and disposition != "answered":
            return "kept"
        delay = self._redial_delay(c, disposition) if n == c.attempt else None
        if delay is not None:
            c.disposition = disposition
            self._schedule(c, delay, disposition, spare)
            self._emit(c, "redial_scheduled", n, item.result)
            return "redial"
        self._complete(c, n, item)
        return "completed"

    def _redial_delay(self, c: Call, disposition: str) -> int | None:
        if not c.new.redial or disposition == "answered":
            return None
        policy = json.loads(c.new.redial)
        delays = policy["delays"].get(disposition)
        if c.attempt >= policy["max_attempts"] or not delays:
            return None
        used = sum(attempt.disposition == disposition for attempt in c.attempts.values())
        delay = int(delays[min(used, len(delays)) - 1]) * 1000
        return None if c.over(self.ms + delay) else delay

    def cancel(self, extids: Iterable[str], reason: str = "canceled_by_caller") -> list[Canceled]:
        rows: list[Canceled] = []
        for extid in extids:
            c = self.calls.get(extid) or self.calls.get(self.aliases.get(extid, ("", 0))[0])
            if c is None:
                rows.append(Canceled("unknown", "", "", extid))
                continue
            if c.state in (State.SCHEDULED, State.QUEUED):
                self._end(c, State.CANCELED, reason)
            rows.append(
                Canceled("canceled" if c.state is State.CANCELED else "late", c.new.id, c.state.value, c.new.extid)
            )
        return rows

    def _past(self, waiting: dict[str, int]) -> list[Call]:
        found = sorted((until, x) for x, until in waiting.items() if until <= self.ms)
        for _, x in found:
            del waiting[x]
        return [self.calls[x] for _, x in found]

    def clock_step(self) -> int:
        step = self.ms - (self.ms if self.seen is None else self.seen)
        return step if step > CLOCK_STEP or step < -CLOCK_BACK else 0

    def _keep_time(self) -> int:
        step = self.clock_step()
        self.seen = self.ms
        if step:
            self.lease = {x: until + step for x, until in self.lease.items()}
            self.drain = self.ms + min(step, CLOCK_DRAIN) if step > 0 else 0
        if step < 0:
            self._clamp(step)
        return step

    def _clamp(self, step: int) -> None:
        for name in self.known:
            if name in self.accounts:
                paced = self.accounts[name]
                paced.hold = max(self.ms, paced.hold + step) if paced.hold > self.ms else paced.hold
                paced.tat = max(self.now, paced.tat + step * 1000) if paced.tat > self.now else paced.tat
            self.starts.pop(name, None)
            self.bells.pop(name, None)
            used = self.channels.get(name, {})
            self.channels[name] = {x: until + step for x, until in used.items()}

    def pace(self) -> Pace:
        step = self._keep_time()
        due = self._past(self.due)
        for c in due:
            if c.state is State.SCHEDULED:
                turn, c.turn = c.turn, None
                if turn and (at := self.quotas.next_turn(turn, self.now)) > self.ms:
                    self.due[c.new.extid] = at
                    continue
                if c.attempt > c.counted and (c.new.redial or c.new.on_unconfirmed):
                    at, counted = self.quotas.redial(c.new, self.now)
                    c.counted = c.attempt if counted else c.counted
                    if at > self.ms:
                        self.due[c.new.extid] = at
                        continue
                self._move(c, State.QUEUED)
                self._emit(c, "queued")
                self._make_ready(c)
        nearest = min(self.due.values(), default=None)
        ready = [
            n for n in sorted(self.known) if any(self.ready.get((n, p)) or self.turns.get((n, p)) for p in PRIORITIES)
        ]
        ring = [n for n in ready if not self.stopped and self.accounts.get(n, Account()).hold <= self.ms]
        wait = None if nearest is None else max(0, nearest - self.ms) / 1000
        return Pace(len(due), wait, ring, [], step / 1000, bool(ready))

    def sweep(self, spares: Sequence[str]) -> list[Swept]:
        rows: list[Swept] = []
        unused = iter(spares)
        if self.clock_step():
            return rows
        for c in self._past(self.lease):
            what, attempt = "given_back", c.attempt
            if c.state is State.SUBMITTING:
                counted = c.new.extid in self.channels.get(c.new.account, {})
                self._unconfirm(c, "worker_lost", next(unused), holds_channel=counted)
                what = "unconfirmed"
            else:
                lone = c.crashes is not None and c.alone == c.token
                c.crashes = (c.crashes or 0) + lone
                if c.crashes >= self.rules.poison:
                    c.reason = what = "poison"
                    self._end(c, State.FAILED, "poison")
                    what = "failed"
                else:
                    self._give_back(c)
            rows.append(Swept(what, c.new.id, c.new.extid, c.new.account, attempt))
        for c in self._past(self.awaiting) if self.drain <= self.ms else ():
            self._end(c, State.TIMED_OUT)
            rows.append(Swept("timed_out", c.new.id, c.new.extid, c.new.account, c.attempt))
        for c in self._past(self.exp):
            if c.state in (State.SCHEDULED, State.QUEUED):
                self._end(c, State.EXPIRED, "expires_at")
                rows.append(Swept("expired", c.new.id, c.new.extid, c.new.account, c.attempt))
        return rows

    def release(self, extids: Iterable[str]) -> list[str]:
        rows = []
        for extid in extids:
            c = self.calls.get(extid)
            waits = c is not None and c.state in (State.SUBMITTED, State.UNCONFIRMED)
            if c is not None and waits:
                self._free_channel(c)
            rows.append("released" if waits else "kept")
        return rows

    def stop(self) -> None:
        self.stopped = True

    def resume(self, account: str = "") -> None:
        self.stopped = self.stopped and account != ""
        for name in self.known:
            if account in ("", name):
                if name in self.accounts:
                    was = self.accounts[name]
                    self.accounts[name] = Account(
                        tat=was.tat,
                        turn=was.turn,
                        proofs=was.proofs,
                        stale=was.stale,
                        taken=was.taken,
                        after_tenants=was.after_tenants,
                    )
                self._let_refused_go(name)


__all__ = ["Account", "Call", "Emitted", "Limits", "ModelStore", "Rules", "Seen"]
