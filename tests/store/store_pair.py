"""The model and the real Lua side by side, with the ledger of what was POSTed and the invariants between steps."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from model import Limits, ModelStore, Rules
from store_harness import EPOCH, START, ClockedStore, Picture, modelled, picture, spares_of

from alodial.settings import Settings
from alodial.store import call_transitions, channels, holds
from alodial.store.call_transitions import Applying, Arming, Claim, Claimed, NewCall, Settling
from alodial.store.client import Operation
from alodial.store.keys import Keys
from alodial.store.primary import Posted, repeat_posts
from alodial_schemas import ENDS, State

keys = Keys()

Choose = Callable[[Sequence[Any]], Any]

EXTIDS = [str(n) for n in range(101, 110)]
ACCOUNTS = ("default", "second")
OWNERS = (("", ""), ("", ""), ("shop", ""), ("shop", "1"), ("crm", "1"))
REDIAL = json.dumps({"max_attempts": 2, "delays": {"busy": [1, 5], "no_answer": [60]}})
LAST_WORDS = dict.fromkeys(("rejected", "failed", "timed_out"), "completed")
"""Ends that a late result may correct."""

OUTCOMES = ("taken", "taken", "rejected", "unconfirmed", "retry", "unsent", "auth", "address", "release")

OF_THIS_RUN = {"pace", "sweep"}
"""The answers of these tell what this run moved; a second run finds it done."""


def worlds(url: str) -> list[Settings]:
    """Installations with different limits and times."""
    quick: dict[str, Any] = {
        "_env_file": None,
        "redis_url": url,
        "max_tries": 2,
        "unconfirmed_redial_delay": 1,
        "provider_timeout": 2,
    }
    return [
        Settings(**quick, calls_per_second=0, max_concurrent_calls=0, accounts={"second": {"max_concurrent_calls": 1}}),
        Settings(**quick, calls_per_second=3, max_concurrent_calls=2, accounts={"second": {"calls_per_second": 0.5}}),
        Settings(
            **quick,
            calls_per_second=50,
            max_concurrent_calls=0,
            channel_timeout=3,
            result_timeout=20,
            accounts={"second": {"calls_per_second": 7, "burst": 1, "max_concurrent_calls": 3}},
        ),
    ]


def _words(answer: Any) -> list[str]:
    """The outcomes in an answer, to see that the tries reached them all."""
    if isinstance(answer, call_transitions.Claim):
        return [f"claim:{answer.status}"]
    if isinstance(answer, call_transitions.Pace):
        return ["paced"] if answer.moved else []
    if isinstance(answer, bool):
        return [f"confirm:{answer}"]
    rows = answer[1] if isinstance(answer, tuple) else answer or []
    if isinstance(rows, bool):
        return [f"stop:{rows}"]
    if rows and isinstance(rows[0], bool):
        return [f"archived:{row}" for row in rows]
    return [row if isinstance(row, str) else f"{type(row).__name__.lower()}:{row[0]}" for row in rows]


class Pair:
    """The model, the Lua, and a ledger of what was POSTed. ``choose`` decides all that is left open."""

    def __init__(self, store: ClockedStore, choose: Choose, seen: Counter[str]) -> None:
        self.store = store
        self.config = store.settings
        self.choose = choose
        self.seen = seen
        store.begin(START)
        self.model = ModelStore(Rules.of(self.config), START, EPOCH, seen=START // 1000)
        self.held: list[Claimed] = []
        self.taken = ""
        self.left: Counter[str] = Counter()
        self.posted: Counter[str] = Counter()
        self.sent: set[tuple[str, str]] = set()
        self.outcome_of: dict[tuple[str, str], call_transitions.SettleOutcome] = {}
        self.owner: dict[str, str] = {}
        self.extids = list(EXTIDS)
        self.now: Picture = modelled(self.model)
        # A life in which everything may happen seldom gets far in any one direction.
        self.outcomes = [self.choose(OUTCOMES) for _ in range(3)]

    def limits(self, account: str) -> Limits:
        return Limits.of(self.config.account(account))

    def agree(self, op: Operation[Any], real: Any, expected: Any, *, counts_anew: bool = False) -> None:
        """Also when it is asked again, but for starts that are counted once more then: too many rather than too few."""
        self.seen.update([op.script, *_words(real)])
        assert real == expected, (real, expected)
        after = picture(self.store.redis, self.extids, ACCOUNTS)
        assert after == modelled(self.model)
        if op.script == "arm":
            expected = [
                armed._replace(slot=min(armed.slot, 1)) if armed.outcome == "armed" else armed for armed in expected
            ]
        if (op.script != "claim" or real.calls) and not counts_anew:
            again = self.store.run(op)
            if op.script == "enqueue":
                assert again[1] == expected[1]  # but for the wake-ups: no worker is woken twice for one request
            elif op.script not in OF_THIS_RUN:
                assert again == expected
            assert picture(self.store.redis, self.extids, ACCOUNTS) == after
        self.check_moves(self.now, after)
        self.check(after)
        self.now = after

    # What callers, workers, AloVoice and time may do

    def enqueue(self, calls: list[NewCall] | None = None) -> None:
        calls = calls or [self.new_call() for _ in range(self.choose((1, 2, 3)))]
        keyed = self.choose(range(len(calls)))  # no batch of ours carries a key twice
        calls = [call if i == keyed else call._replace(key="") for i, call in enumerate(calls)]
        self.model.full = self.choose((True, *[False] * 7))
        self.store.set_full(self.model.full)
        op = call_transitions.enqueue(calls, self.config)
        accounts, rows = self.store.run(op)
        self.agree(op, (accounts, rows), self.model.enqueue(calls))
        for call, row in zip(calls, rows, strict=True):
            if call.key and row.outcome not in ("conflict", "full", "limit"):
                self.owner.setdefault(call.key, row.extid)
            assert row.outcome in ("full", "limit") or row.extid == self.owner.get(call.key, row.extid), (
                "one key, one call for ever"
            )

    def listen(self) -> None:
        """A worker takes the accounts that enqueue handed over and waits for more, or none waits any more."""
        self.model.listening = self.choose((True, True, False))
        if self.model.listening:
            self.store.redis.set(keys.LISTENING, "1")
            taken: Any = self.store.redis.lpop(keys.WOKEN, 1000)
            assert [name.decode() for name in taken or ()] == self.model.woken
            self.model.woken.clear()
        else:
            self.store.redis.delete(keys.LISTENING)
        self.now["woken"] = list(self.model.woken)

    def new_call(self) -> NewCall:
        extid, choose = self.choose(EXTIDS), self.choose

        def moment() -> int | str:
            wait = choose(("", "", "", -1000, 500, 2000, 60_000))
            return "" if wait == "" else self.model.ms + int(wait)

        owner, tenant = choose(OWNERS)
        digest = choose(("", "d1", "d2"))
        spare = ""
        if digest:
            self.extids.append(str(10_000 + len(self.extids)))
            spare = f"{self.extids[-1]} id-{self.extids[-1]}"
        return NewCall(
            extid,
            f"id-{extid}-{choose('aab')}",
            "{}",
            account=choose(("default", "default", "second")),
            priority=choose("nnub"),
            reference=choose(("", 'an "order"')),
            not_before=moment(),
            expires_at=moment(),
            on_unconfirmed=choose(("", "redial")),
            redial=choose(("", REDIAL)),
            digest=digest,
            key="" if tenant else choose(("", "", "k1", "k2")),
            owner=owner,
            tenant=tenant,
            spare=spare,
        )

    def claim(self, account: str = "", *, usual: bool = False, sure: bool = False, tick: int = 0) -> None:
        account = account or self.choose(ACCOUNTS)
        room = 3 if usual else self.choose((1, 2, 4))
        horizon = 0.05 if usual else self.choose((0, 0.05, 1))
        attend = 1 if usual else self.choose((0, 1))
        epoch = EPOCH if usual else self.choose((EPOCH, EPOCH, EPOCH, "another"))
        op = call_transitions.claim(
            self.config,
            account,
            self.config.account(account),
            epoch=epoch,
            room=room,
            horizon=horizon,
            attend=attend,
            tick=tick,
        )
        real = self.store.run(op)
        expected = self.model.claim(
            account,
            self.limits(account),
            str(op.args[2]),
            epoch=epoch,
            room=room,
            horizon=round(horizon * 1_000_000),
            attend=attend * 1000,
            tick=tick,
        )
        self.agree(op, real, expected)
        self.held += real.calls
        for call in real.calls:
            if call.suspect:
                assert len(real.calls) == 1, "a suspect takes others along"
                self.confirm(call, sure=sure)
        self.taken = str(op.args[2])

    def confirm(self, call: Claimed, *, sure: bool = False) -> None:
        """A worker that was given a suspect says that it has it, or dies before."""
        if sure or self.choose((True, False)):
            op = call_transitions.confirm(call)
            self.agree(op, self.store.run(op), self.model.confirm(call.record, call.token))

    def confirm_late(self) -> None:
        """A worker that was slow says that it has a suspect, which somebody else may have by now."""
        suspects = [call for call in self.held[-8:] if call.suspect]
        if suspects:
            self.confirm(self.choose(suspects), sure=True)

    def claim_again(self, room: int | None = None) -> None:
        """The answer of the last claim was lost: it is asked for again, or put back."""
        if not self.taken:
            return
        room = self.choose((0, 1, 4)) if room is None else room
        account = self.choose(ACCOUNTS)
        asked: dict[str, Any] = {"epoch": EPOCH, "room": room}
        limits = self.config.account(account)
        op = call_transitions.claim(self.config, account, limits, horizon=0, attend=1, token=self.taken, **asked)
        if room and self.taken not in self.model.claims:
            return  # a worker repeats only what it asked for before
        expected = self.model.claim(account, self.limits(account), self.taken, horizon=0, attend=1000, **asked)
        real = self.store.run(op)
        expected = Claim(expected.status, expected.wait, [call._replace(account=account) for call in expected.calls])
        self.agree(op, real, expected)
        self.held += [call for call in real.calls if call.account == self.model.calls[call.record].new.account]

    def work(self) -> None:
        """A worker's usual round: what is due, claimed and armed."""
        self.pace()
        self.claim(usual=True)
        if self.held:
            self.arm(usual=True)

    def die(self) -> None:
        """Workers claim and are never seen again, as often as it takes to blame the call."""
        account, sure = self.choose(ACCOUNTS), self.choose((True, True, False))
        for _ in range(self.choose((1, 2, 1 + self.model.rules.poison))):
            self.claim(account, usual=True, sure=sure)
            self.pass_time(self.model.rules.lease + 1)
            self.sweep()
        if fresh := [extid for extid in EXTIDS if extid not in self.model.calls]:
            # A more urgent call comes before the suspect that was put back.
            self.enqueue([NewCall(fresh[0], f"id-{fresh[0]}-a", "{}", account=account, priority="u")])
            self.claim(account, usual=True, sure=sure)

    def halt(self) -> None:
        """The emergency stop falls between claim and arm."""
        self.claim(usual=True)
        self.stop()
        if self.held:
            self.arm(usual=True)

    def give_up(self) -> None:
        """AloVoice cannot be reached for as long as a call may be tried."""
        for _ in range(3):
            self.work()
            for _ in range(3 if self.held else 0):
                self.settle("retry")
            self.pass_time(31_000)

    def out_of_reach(self) -> None:
        """No connection to AloVoice comes about, for a while or for longer than calls wait."""
        self.outcomes = ["unsent"]
        for _ in range(self.choose((4, 8))):
            self.pace()
            self.claim(usual=True)
            for _ in range(3 if self.held else 0):
                self.settle("unsent")
            self.pass_time(self.choose((1001, 60_001)))
        self.pass_time(self.choose((1, 1_800_000, self.model.rules.patience + 1)))

    def refuse_one(self) -> None:
        """One call is refused again and again, while others are taken."""
        odd = ""
        for _ in range(4):
            self.enqueue()
            before = len(self.held)
            self.work()
            mine = [call for call in self.held[before:] if call.account == "default"]
            if mine:
                odd = odd or mine[0].record
            for call in mine:
                self.settle("auth" if call.record == odd else "taken", call)
            self.pass_time(901_000)

    def refuse(self) -> None:
        """The account's token is wrong for whatever is under way."""
        self.work()
        self.claim(usual=True)
        if self.held:
            for _ in range(3):
                self.settle("auth")
            self.arm(usual=True)

    def misaddress(self) -> None:
        """The address is wrong for whatever is under way, and is corrected or not."""
        self.outcomes = ["address"]
        for _ in range(self.choose((2, 7))):
            self.enqueue()
            self.work()
            for _ in range(3 if self.held else 0):
                self.settle("address")
            self.pass_time(self.choose((5001, 61_001)))
            self.pace()
        self.outcomes = [self.choose(("taken", "address", "auth"))]

    def cut_off(self) -> None:
        """A worker cannot reach Redis for longer than its lease; then it comes back with what it knows."""
        self.work()
        if not self.held:
            return
        self.pass_time(self.model.rules.lease + 1)
        self.sweep()
        if self.choose((True, False)):
            self.pass_time(1001)
            self.pace()
        self.settle()

    def learn_late(self) -> None:
        """A person was reached by an attempt that had another outcome, or none, when a later one was made."""
        self.work()
        if self.held:
            self.settle(self.choose(("taken", "unconfirmed")))
            extid = self.held[-1].extid
            self.apply(self.choose(("busy", "no_answer")), extid)
            self.pass_time(self.choose((300, 1001)))
            if self.choose((True, False)):
                self.work()
            self.apply("answered", extid)

    def fail(self) -> None:
        """A call goes out and comes back, perhaps busy."""
        self.work()
        if self.held:
            self.settle("taken")
            self.apply("busy")

    def arm(self, *, usual: bool = False) -> None:
        first = self.choose(self.held[-4:])
        lie = "" if usual else self.choose(("", "", "token", "epoch"))
        several = [call for call in self.held if call.account == first.account][-3:]
        mine = several if usual else [first]
        late = not usual and self.now["calls"][first.record]["state"] == "submitting" and self.choose((False, True))
        items = [
            Arming(call.record, "stranger" if lie == "token" else call.token, -call.slot if late else call.slot)
            for call in mine
        ]
        epoch = "another" if lie == "epoch" else EPOCH
        op = call_transitions.arm(self.config, self.config.account(first.account), items, epoch=epoch, worker="worker")
        was = {call.record: self.now["calls"][call.record]["state"] for call in mine}
        real = self.store.run(op)
        self.agree(op, real, self.model.arm(self.limits(first.account), items, epoch=epoch), counts_anew=bool(late))
        for call, armed in zip(mine, real, strict=True):
            assert not (lie and armed.outcome == "armed")
            if armed.outcome == "armed" and was[call.record] == "queued":
                was[call.record] = "submitting"
                self.posted[call.extid] += 1
                self.sent.add((call.record, call.token))
                assert self.posted[call.extid] == 1, "the same attempt rings twice"

    def repeat(self, call: Claimed | None = None) -> None:
        """Redis may have forgotten what is under way: the worker says it again."""
        call = call or self.choose(self.held[-4:])
        if not self.posted[call.extid]:
            return
        items = [Posted(call.record, call.token, call.attempt)]
        op = repeat_posts(self.config, self.config.account(call.account), "worker", items)
        self.agree(op, self.store.run(op), self.model.repeat(self.limits(call.account), items))

    def forget(self) -> None:
        """A power failure takes the last second: claim and arm are gone, the worker and its POSTs are not."""
        self.pass_time(61_000)
        model, saved, already = self.model.copy(), self.store.save(), set(self.sent)
        self.work()
        model.now = self.model.now
        self.model = model
        self.store.restore(saved)
        self.store.set_clock(model.now)
        self.model.seen = self.model.ms
        self.now = picture(self.store.redis, self.extids, ACCOUNTS)
        assert self.now == modelled(self.model)
        # Nothing is claimed until every worker had its say: again what is under way, or what has become of it meanwhile.
        for call in [call for call in self.held if (call.record, call.token) in self.sent - already]:
            if self.choose((True, False)):
                self.repeat(call)
                assert self.now["calls"][call.record]["state"] == "submitting"
            else:
                self.settle(self.choose(("taken", "unconfirmed", "rejected")), call)
                assert self.now["calls"][call.record]["state"] not in ("queued", "submitting")

    def settle(self, outcome: call_transitions.SettleOutcome | None = None, call: Claimed | None = None) -> None:
        self._settle([call or self.choose(self.held[-4:])], outcome)

    def settle_together(self) -> None:
        """Outcomes of several calls by one script, each call once: no worker holds it twice at a time."""
        account = self.choose(self.held[-4:]).account
        each = {call.record: call for call in self.held if call.account == account}
        self._settle(list(each.values())[-4:])

    def _settle(self, calls: Sequence[Claimed], outcome: call_transitions.SettleOutcome | None = None) -> None:
        items = []
        for call in calls:
            holder = (call.record, call.token)
            said = self.outcome_of.setdefault(holder, outcome or self.choose(self.outcomes))  # one POST, one outcome
            answer = self.choose(("", '{"status":200}'))
            delay, hold = self.choose((0, 0.5, 30)), self.choose((0, 0, 2, -1))
            code = self.choose(("code", "status_308")) if said == "unconfirmed" else "code"
            attempt = call.attempt if holder in self.sent else 0
            items.append(Settling(call.record, call.token, said, delay, hold, answer, code, attempt))
        op = call_transitions.settle(self.config, self.config.account(calls[0].account), items)
        before = self.now["calls"]
        real = self.store.run(op)
        self.agree(op, real, self.model.settle(self.limits(calls[0].account), items, spares_of(op)))
        for call, item, state in zip(calls, items, real, strict=True):
            settled = before[call.record]["settled"]
            if state != "kept" and (settled is None or settled[0] != call.token):
                self._note_settled(call, item.outcome, state)

    def _note_settled(self, call: Claimed, outcome: str, state: str) -> None:
        holder = (call.record, call.token)
        if holder not in self.sent and outcome in ("taken", "unconfirmed"):
            self.sent.add(holder)
            self.posted[call.extid] += 1  # a failover forgot the arm of this POST
            assert self.posted[call.extid] == 1
        elif (
            holder in self.sent and outcome in ("retry", "unsent", "auth", "address", "release") and state != "rejected"
        ):
            self.posted[call.extid] -= 1  # it provably did not ring

    def apply(self, disposition: str = "", extid: str = "") -> None:
        extid = extid or self.choose([*EXTIDS[:1], *(+self.posted), *(+self.posted), *self.model.aliases, "999999"])
        disposition = disposition or self.choose(("answered", "busy", "no_answer", "unknown"))
        items = [Applying(extid, '{"call_ids":[1]}', self.choose("ABC"), disposition)]
        op = call_transitions.apply_results(items)
        real = self.store.run(op)
        before = self.now["calls"]
        self.agree(op, real, self.model.apply(items, spares_of(op)))
        touched = {x for x, record in self.now["calls"].items() if record != before[x]}
        assert touched <= {real[0].record}, "a result changed a call of another extid"

    def cancel(self) -> None:
        names = [*EXTIDS[:2], *self.model.calls, *self.model.aliases]
        extids = [self.choose(names) for _ in range(self.choose((1, 2)))]
        op = call_transitions.cancel(extids)
        self.agree(op, self.store.run(op), self.model.cancel(extids))

    def release(self) -> None:
        op = channels.release([self.choose([*EXTIDS[:2], *self.model.calls]) for _ in range(self.choose((1, 2)))])
        self.agree(op, self.store.run(op), self.model.release([str(arg) for arg in op.args]))

    def pace(self) -> None:
        op = call_transitions.pace()
        real = self.store.run(op)
        self.agree(op, real._replace(accounts=sorted(real.accounts)), self.model.pace())

    def sweep(self) -> None:
        op = call_transitions.sweep(self.config, limit=20)
        self.agree(op, self.store.run(op), (False, self.model.sweep(spares_of(op))))

    def resume(self) -> None:
        account = self.choose(("", "default"))
        op = call_transitions.resume(account)
        self.store.run(op)
        self.model.resume(account)
        self.agree(op, None, None)

    def stop(self) -> None:
        op = holds.stop("a wrong list", "operator")
        was, real = self.model.stopped, self.store.run(op)
        self.model.stop()
        self.agree(op, real, (real[0], not was))

    def time_passes(self) -> None:
        self.pass_time(self.choose((0.3, 5, 20, 200, 1000, 1500, 7001, 61_000, 3_700_000)))

    def pass_unattended(self) -> None:
        """Nobody looks at the clock: Redis is away, or its clock is set, forward or back."""
        if self.choose((True, False)):
            self.work()
            if self.held and self.choose((True, False)):
                self.settle("taken", self.held[-1])
        self.pass_time(self.choose((1500, 2500, 15_000, 100_000, -900, -5000, -3_600_000)), attended=False)
        if self.choose((True, False)):
            self.sweep()
        if self.choose((True, False)):
            self.pace()
            self.sweep()

    def pass_time(self, ms: float, *, attended: bool = True) -> None:
        self.model.now += round(ms * 1000)
        self.store.set_clock(self.model.now, attended=attended)
        if attended:
            self.model.seen = self.model.ms
        for account, until in list(self.model.bells.items()):
            if until <= self.model.ms:
                del self.model.bells[account]
                self.store.redis.delete(f"{keys.PREFIX}bell:{account}")

    # What must hold whatever happened

    def check_moves(self, before: Picture, after: Picture) -> None:
        for x, old in before["calls"].items():
            new = after["calls"][x]
            if State(old["state"]) in ENDS and new["state"] != old["state"]:
                assert new["state"] == LAST_WORDS.get(old["state"]), "an end was left"
            if old["state"] in ("submitting", "unconfirmed") and new["state"] == "queued":
                assert new["timeline"][-1][2] == "code", "back to queued without an answer that proves it unsent"
        for account, used in after["channels"].items():
            cap, had = self.config.account(account).max_concurrent_calls, before["channels"].get(account, {})
            claimed = [x for x in used if x not in had and after["calls"][x]["state"] == "queued"]
            # Only what is known late to be out goes beyond the cap: a claim never does.
            assert not (cap and claimed) or len(used) <= cap, "a claim took more channels than there are"

    def check(self, after: Picture) -> None:
        by_call: dict[str, list[tuple[Any, ...]]] = {}
        for event in after["events"]:
            by_call.setdefault(event[2], []).append(event)
        for x, record in after["calls"].items():
            state = State(record["state"])
            self.check_place(x, record, after)
            name = self.model.calls[x].new.id
            events = by_call.get(name, [])
            assert [event[0].rpartition("-h")[0] or event[0] for event in events] == [
                f"{name}-{i + 1}" for i in range(record["version"])
            ]
            ends = [event for event in events if event[1] in ENDS]
            assert len(ends) == (1 if state in ENDS else 0), "each end has one event"
        assert self.left + Counter(record["state"] for record in after["calls"].values()) == after["counts"]

    def check_place(self, x: str, record: Picture, after: Picture) -> None:
        """Nothing is stranded: whatever has not ended waits in one place from which somebody takes it."""
        places = {name for name in ("due", "lease", "await") if x in after[name]}
        if record["state"] == "queued" and not record["token"]:
            assert any(x in queue for queue in after["ready"].values())
            assert not places
        elif State(record["state"]) in ENDS:
            assert not places
            out = record["attempt"] > 1 and record["attempts"][-1][1] and not record["attempts"][-1][3]
            assert out or not any(x in used for used in after["channels"].values())
        else:
            waits = {"scheduled": "due", "submitted": "await", "unconfirmed": "await"}
            assert places == {waits.get(record["state"], "lease")}


STEPS = (
    *("enqueue", "enqueue", "work", "work", "work", "claim", "arm", "arm", "settle", "settle", "settle", "settle"),
    *("apply", "apply", "cancel", "release", "pace", "sweep", "time_passes", "time_passes", "time_passes"),
    *("die", "resume", "halt", "fail", "refuse", "refuse", "give_up", "claim_again", "confirm_late"),
    *("forget", "cut_off", "learn_late", "pass_unattended", "out_of_reach", "refuse_one", "misaddress", "listen"),
)


def live(store: ClockedStore, seed: int, seen: Counter[str], steps: int = 70, settle: str = "settle") -> None:
    """One random life of a store, which settles by this step. Raises AssertionError that names the seed."""
    rng = random.Random(seed)
    pair = Pair(store, rng.choice, seen)
    mix = [
        settle if step == "settle" else step
        for step in ("enqueue", "work", "settle", "time_passes", *rng.choices(STEPS, k=8))
    ]
    for _ in range(steps):
        step = rng.choice(mix)
        if pair.held or step not in ("arm", settle):
            try:
                getattr(pair, step)()
            except AssertionError as exc:
                raise AssertionError(f"seed {seed}, step {step}: {exc}") from exc
