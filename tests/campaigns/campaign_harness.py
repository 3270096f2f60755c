"""Campaigns on the real scripts under a clock that the tests set, with a ledger of every number that was rung."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_harness import EPOCH, START, ClockedStore

from alodial.campaigns.service import CampaignService
from alodial.settings import Settings
from alodial.store import call_transitions, campaigns, do_not_call
from alodial.store.call_transitions import Applying, Arming, Claim, Claimed, NewCall, Settling
from alodial.store.caller import Caller
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial.wakeup import Waker
from alodial_schemas import ENDS, State, new_ids
from alodial_schemas.campaigns import CampaignRequest, parse_campaign
from alodial_workers.hopper import HopperFiller, purge

keys = Keys()

__all__ = ["EPOCH", "START", "Harness", "Rung", "phone", "request"]

TASHKENT = ZoneInfo("Asia/Tashkent")
FIRST_PHONE = 998_901_000_000
NUMBER = re.compile(r'"(\+\d+)"')


class Silent(Waker):
    """Wakes nobody: the tests claim by themselves."""

    def __init__(self) -> None: ...

    def submit(self, accounts: Iterable[str]) -> None: ...


class Rung(NamedTuple):
    """One armed call: what a POST would ring. ``at`` in Unix ms."""

    at: int
    campaign: str
    record: str
    attempt: int
    numbers: tuple[str, ...]


def phone(n: int) -> str:
    """The n-th of the tests' numbers."""
    return f"+{FIRST_PHONE + n}"


def request(name: str = "campaign", *, call: dict[str, Any] | None = None, **policy: Any) -> CampaignRequest:
    """A campaign that puts each number into a menu, unless ``call`` says otherwise; with any hour of the day allowed."""
    plain: dict[str, Any] = {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}
    hours = policy.pop("hours", "daily 00:00-24:00")
    if isinstance(hours, str):
        hours = {"windows": hours}
    given = {"priority": "normal", **policy, **({} if hours is None else {"hours": hours})}
    return parse_campaign({"name": name, "call": call or plain, "policy": given}, allowed=())


class Harness:
    """A store, its clock, and what callers, workers, AloVoice and operators do."""

    def __init__(
        self, server: EmbeddedRedis, *, plant: Callable[[ClockedStore], Any] | None = None, **given: Any
    ) -> None:
        usual: dict[str, Any] = {
            "calls_per_second": 0,
            "max_concurrent_calls": 0,
            "courtesy_hours": "off",
            "closing_margin": 0,
        }
        self.settings = Settings(_env_file=None, redis_url=server.url, **{**usual, **given})
        self.limits = self.settings.account("default")
        self.store = ClockedStore(self.settings)
        if plant is not None:
            plant(self.store)
        self.store.begin(START)
        self.now = START
        # What is not a script asks Redis for its time too.
        self.store.redis.time = lambda: (self.now // 1_000_000, self.now % 1_000_000)  # type: ignore[method-assign]
        self.front = CampaignService(self.store, self.settings, Silent())
        self.filler = HopperFiller(self.store, self.settings)
        self.rung: list[Rung] = []
        self.results = 0

    # Time

    @property
    def ms(self) -> int:
        return self.now // 1000

    def at(self, moment: int) -> None:
        """``moment`` in Unix microseconds."""
        self.now = moment
        self.store.set_clock(moment)

    def at_ms(self, moment: int) -> None:
        self.at(moment * 1000)

    def later(self, seconds: float) -> None:
        self.at(self.now + round(seconds * 1_000_000))

    def until(self, text: str, zone: str = "Asia/Tashkent") -> None:
        """To a local time such as "2027-01-16 09:00"."""
        local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
        self.at(round(local.timestamp() * 1_000_000))

    def clock(self, moment_ms: int | None = None, zone: str = "Asia/Tashkent") -> datetime:
        return datetime.fromtimestamp((self.ms if moment_ms is None else moment_ms) / 1000, UTC).astimezone(
            ZoneInfo(zone)
        )

    # Callers and operators

    def submit(
        self,
        rows: int | Sequence[Any],
        name: str = "campaign",
        *,
        paused: bool = False,
        call: Any = None,
        quota: str = "",
        owner: str = "",
        tenant: bool = False,
        **policy: Any,
    ) -> str:
        """A campaign of so many numbers, or of these rows; answers its id."""
        source = [phone(n) for n in range(rows)] if isinstance(rows, int) else list(rows)
        wanted = request(name, call=call, **policy)
        caller = Caller(owner, tenant, quota)
        record = self.front.submit(source, wanted, actor="test", again=True, paused=paused, caller=caller)
        return record.id

    def enqueue(self, *numbers: str, **options: Any) -> str:
        """A single call that rings these numbers."""
        call_id, extid = new_ids()
        body = json.dumps({"callfrom": {"phone": numbers[0]}, "callto": [{"phone": n} for n in numbers[1:]]})
        self.store.run(
            call_transitions.enqueue([NewCall(extid, call_id, body.replace(" ", ""), **options)], self.settings)
        )
        return extid

    def pause(self, campaign: str) -> None:
        self.front.pause(campaign, actor="test")

    def resume(self, campaign: str) -> None:
        self.front.resume(campaign, actor="test")

    def cancel(self, campaign: str) -> None:
        self.front.cancel(campaign, actor="test")

    def forbid(self, *numbers: str, scope: str = "") -> None:
        entry = do_not_call.entry_json("asked", "test", self.ms)
        self.store.run(do_not_call.add_entries(scope, [(number, entry) for number in numbers]))

    def forget(self, *numbers: str) -> None:
        self.store.run(do_not_call.forget_numbers(numbers, do_not_call.entry_json("erased", "test", self.ms)))

    # Workers

    def pace(self, *, fill: bool = True) -> call_transitions.Pace:
        said = self.store.run(call_transitions.pace(self.filler.rooms()))
        for hopper in said.hoppers if fill else ():
            self.filler.fill(hopper)
        return said

    def claim(self, room: int = 1, horizon: float = 0) -> Claim:
        return self.store.run(
            call_transitions.claim(
                self.settings, "default", self.limits, epoch=EPOCH, room=room, horizon=horizon, attend=0
            )
        )

    def take(self) -> Claimed:
        claim = self.claim()
        assert len(claim.calls) == 1, claim
        return claim.calls[0]

    def arm(self, *calls: Claimed) -> list[str]:
        """The outcomes; what is armed is written into the ledger."""
        items = [Arming(call.record, call.token, call.slot) for call in calls]
        was = [self.state(call.record) for call in calls]
        said = self.store.run(call_transitions.arm(self.settings, self.limits, items, epoch=EPOCH, worker="w"))
        for call, before, one in zip(calls, was, said, strict=True):
            if one.outcome == "armed" and before != "submitting":
                line = re.search(r'"fromline":"(\+\d+)"', call.body)
                numbers = tuple(n for n in NUMBER.findall(call.body) if line is None or n != line[1])
                self.rung.append(Rung(self.ms, call.campaign, call.record, call.attempt, numbers))
        return [one.outcome for one in said]

    def settle(
        self,
        call: Claimed,
        outcome: call_transitions.SettleOutcome = "taken",
        *,
        delay: float = 0,
        hold: float = 0,
        code: str = "code",
    ) -> str:
        item = Settling(call.record, call.token, outcome, delay, hold, "{}", code)
        return self.store.run(call_transitions.settle(self.settings, self.limits, [item]))[0]

    def result(self, extid: str, disposition: str = "answered", talk: int = 0) -> call_transitions.Applied:
        self.results += 1
        return self.store.run(
            call_transitions.apply_results([Applying(extid, "{}", f"d{self.results}", disposition, talk)])
        )[0]

    def post(self, call: Claimed, outcome: call_transitions.SettleOutcome = "taken", **more: Any) -> str:
        """Arms and settles as a worker does; answers the state or what arm said."""
        (armed,) = self.arm(call)
        if armed == "armed":
            return self.settle(call, outcome, **more)
        if armed != "lost":
            self.settle(call, "release", code=armed)
        return armed

    def ring(self, disposition: str = "answered", talk: int = 0) -> Claimed:
        """The next call, all the way to its result."""
        call = self.take()
        assert self.post(call) == "submitted"
        self.result(call.extid, disposition, talk)
        return call

    def ring_all(
        self,
        disposition: str | Callable[[Claimed], str] = "answered",
        *,
        talk: int = 0,
        room: int = 50,
        limit: int = 10_000,
    ) -> list[Claimed]:
        """Paces, claims and rings until nothing more can go at this moment."""
        done: list[Claimed] = []
        while len(done) < limit:
            self.pace()
            calls = self.claim(room).calls
            if not calls:
                return done
            said = [self.post(call) for call in calls]
            for call, state in zip(calls, said, strict=True):
                if state == "submitted":
                    self.result(call.extid, disposition if isinstance(disposition, str) else disposition(call), talk)
                    done.append(call)
            if "hold" in said:
                return done
        return done

    def sweep(self) -> None:
        self.store.run(call_transitions.sweep(self.settings))

    def clean(self) -> int:
        """What the sweeper does for campaigns that have ended, until no more comes of it."""
        gone = 0
        for campaign in campaigns.purging(self.store.redis, keys):
            while some := purge(self.store, campaign):
                gone += some
        return gone

    # What is in the store

    def state(self, record: str) -> str:
        value: Any = self.store.redis.hget(keys.record(record), "s")
        return value.decode() if value else ""

    def reason(self, record: str) -> str:
        value: Any = self.store.redis.hget(keys.record(record), "why")
        return value.decode() if value else ""

    def due(self, record: str) -> int:
        """When a scheduled call is due, Unix ms."""
        score: Any = self.store.redis.zscore(keys.DUE, record)
        return int(score)

    def campaign(self, id: str) -> campaigns.StoredCampaign:
        return campaigns.read(self.store.redis, keys, [id])[0]

    def records(self, campaign: str = "") -> dict[str, dict[str, str]]:
        """All call records, those of one campaign when given, by extid."""
        names: Any = self.store.redis.keys(keys.record("*"))
        with self.store.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            rows = pipe.execute()
        found = {}
        for name, row in zip(names, rows, strict=True):
            fields = {key.decode(): value.decode() for key, value in row.items()}
            if not campaign or fields.get("g") == campaign:
                found[name.decode().rpartition(":")[2]] = fields
        return found

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        rows: Any = self.store.redis.xrange(keys.EVENTS)
        found = [json.loads(fields[b"event"]) for _, fields in rows]
        return [event for event in found if not kind or event["type"] == f"alodial.{kind}"]

    def campaign_events(self, campaign: str) -> list[str]:
        """The kinds of a campaign's own events, in order."""
        return [
            event["type"].rpartition(".")[2]
            for event in self.events()
            if event["subject"] == campaign and event["type"].startswith("alodial.campaign.")
        ]

    def ready(self, campaign: str) -> list[str]:
        rows: Any = self.store.redis.lrange(keys.campaign_ready(campaign), 0, -1)
        return [row.decode() for row in rows]

    # What must hold whatever happened

    def check(self, *ids: str) -> None:
        """Counters equal a recount, events follow states, nothing is stranded, no number was rung twice for an attempt."""
        every = self.records()
        total = Counter(record["s"] for record in every.values())
        counted: Any = self.store.redis.hgetall(keys.COUNTS)
        assert {s.decode(): int(n) for s, n in counted.items() if int(n)} == dict(total)
        for id in ids:
            self._check_campaign(id, {x: record for x, record in every.items() if record.get("g") == id})
        for x, record in every.items():
            self._check_place(x, record)
        twice = [key for key, n in Counter((row.record, row.attempt, row.at) for row in self.rung).items() if n > 1]
        assert not twice

    def _check_campaign(self, id: str, calls: dict[str, dict[str, str]]) -> None:
        stored = self.campaign(id)
        by_state = Counter(record["s"] for record in calls.values())
        counts = {
            state.value: stored.counts.get(state.value, 0) for state in State if stored.counts.get(state.value, 0)
        }
        assert counts == dict(by_state), f"{stored.fields['n']}: counters {counts}, records {dict(by_state)}"
        live = sum(n for state, n in by_state.items() if State(state) not in ENDS)
        assert stored.counts.get("live", 0) == live
        assert len(calls) == stored.number("cur"), "every row that left its chunk is one call"
        ended = Counter(record["dp"] for record in calls.values() if record["s"] == "completed")
        told = {name[2:]: n for name, n in stored.counts.items() if name.startswith("d:") and n}
        assert told == dict(ended)
        attempts = sum(1 for record in calls.values() for name in record if re.fullmatch(r"a\d+", name))
        assert stored.counts.get("attempts", 0) == attempts
        ends = [kind for kind in self.campaign_events(id) if kind in ("completed", "canceled")]
        assert len(ends) == (1 if stored.state in ("completed", "canceled") else 0), "each end has one event"

    def _check_place(self, x: str, record: dict[str, str]) -> None:
        client: Any = self.store.redis
        places = {
            name
            for name, key in (("due", keys.DUE), ("lease", keys.LEASE), ("await", keys.AWAIT))
            if client.zscore(key, x) is not None
        }
        state = record["s"]
        if state == "queued" and "tok" not in record:
            assert not places
            name = (
                keys.campaign_ready(record["g"]) if "g" in record else f"{keys.PREFIX}q:default:{record.get('p', 'n')}"
            )
            assert client.lpos(name, x) is not None, "a queued call is in no list"
        elif State(state) in ENDS:
            assert not places
        else:
            waits = {"scheduled": "due", "submitted": "await", "unconfirmed": "await"}
            assert places == {waits.get(state, "lease")}
