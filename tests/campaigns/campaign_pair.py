"""The scripts of campaigns and their model side by side: every answer and all that is kept is the same.

Some answers are lost: then the script runs twice, and must say the same and change nothing more.
"""

import json
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from campaign_harness import EPOCH, START, ClockedStore
from campaign_model import KEPT, CampaignModel, ModelCampaign

from alodial.store import call_transitions, campaign_transitions
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.campaign_transitions import HopperRow, NewChunk, RequestKey
from alodial.store.client import Operation
from alodial.store.keys import Keys
from alodial_schemas import State

keys = Keys()

T = TypeVar("T")

MINUTE = 60_000
PREFIX_LENGTH = len(keys.PREFIX)

NAMES = ("a", "b")
TENANTS = ("", "shop", "crm")
KEYS = ("", "", "k", "l")
DIGESTS = ("d", "d", "d", "e")


STEPS = {
    "create": 3,
    "append": 4,
    "add": 2,
    "finish": 4,
    "drop": 0.5,
    "steer": 2,
    "change": 2,
    "fill": 6,
    "call": 5,
    "result": 4,
    "cancel_call": 0.5,
    "time_passes": 2,
}
"""How often each step is taken in a random life."""


class CampaignPair:
    """Chooses operations by a seed, runs them on both, and compares after each."""

    def __init__(self, store: ClockedStore, seed: int, seen: Counter[str]) -> None:
        self.store = store
        self.random = Random(seed)
        self.seen = seen
        store.begin(START)
        self.model = CampaignModel(START // 1000)
        self.limits = store.settings.account("default")
        self.ids: list[str] = []
        self.under_way: list[tuple[str, int, str]] = []

    def live(self, steps: int) -> None:
        """Takes so many steps."""
        for _ in range(steps):
            (name,) = self.random.choices(list(STEPS), list(STEPS.values()))
            getattr(self, name)()

    def choose(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def run(self, op: Operation[Any], expected: Any) -> Any:
        said = self.store.run(op)
        if self.random.random() < 0.25:
            assert self.again(op, said) == said, op.script
        label = said[0] if isinstance(said, tuple) else "filled" if said is not None else "stale"
        self.seen[f"{op.script} {label}"] += 1
        assert said == expected, (op.script, op.args[:9])
        self.compare()
        return said

    def again(self, op: Operation[Any], said: Any) -> Any:
        """What a second run of the same operation says, where that is meant to be the same."""
        repeated = self.store.run(op)
        same = {"append": ("had",), "finish": ("had",), "steer": ("same",), "drop": ("dropped",), "create": ("same",)}
        if isinstance(said, tuple) and repeated != said and repeated[0] in same.get(op.script, ()):
            return said
        return said if op.script == "fill" else repeated

    def some_id(self) -> str:
        return self.choose([*self.ids[-4:] * 3, *self.ids, "nobody"])

    def create(self) -> None:
        draft, file, again = self.choose(NAMES), self.choose(("", "f", "g")), self.choose((False, True))
        key, digest = self.choose(KEYS), self.choose(DIGESTS)
        id = f"campaign{len(self.ids)}"
        start = self.model.ms + self.choose((0, 0, 5)) * MINUTE
        end = self.choose((None, None, self.model.ms + 10 * MINUTE))
        goal, over = self.choose((0, 0, 2)), self.choose((False, False, True))
        fields = {"n": id, "a": "default", "p": "n", "w": 1, "sd": "00", "req": "r0", "nz": 1, "start": start}
        fields |= {name: value for name, value in (("end", end), ("goal", goal or None)) if value is not None}
        if tenant := TENANTS[len(self.ids) % len(TENANTS)]:
            fields |= {"ow": tenant, "tn": tenant}
        op = campaign_transitions.create(
            id,
            fields,
            draft=draft,
            file=file,
            again=again,
            keep=3600,
            actor="test",
            over=over,
            key=RequestKey(key, digest) if key else RequestKey(),
        )
        expected = self.model.create(
            id, draft, file, again=again, over=over, key=key, digest=digest, start=start, end=end, goal=goal
        )
        if expected[0] == "created":
            self.ids.append(id)
        self.run(op, expected)

    def append(self) -> None:
        index, rows = self.random.randrange(3), self.random.randrange(4)
        drafts = [id for id, there in self.model.campaigns.items() if there.state == "draft"]
        id = self.choose(drafts) if drafts and self.random.random() < 0.7 else self.some_id()
        there = self.model.campaigns.get(id)
        if there is not None and self.random.random() < 0.8:
            index = len(there.chunks)
        chunk = NewChunk(rows, b"rows" if rows else b"")
        self.run(campaign_transitions.append(id, index, [chunk]), self.model.append(id, index, rows))

    def add(self) -> None:
        rows, content, again = self.choose((1, 2)), self.choose(NAMES), self.choose((False, True))
        key, digest = self.choose(KEYS), self.choose(DIGESTS)
        id = self.some_id()
        op = campaign_transitions.add(
            id,
            [NewChunk(rows, b"rows")],
            content=content,
            again=again,
            actor="test",
            totals=json.dumps({"file": rows, "good": rows}),
            key=RequestKey(key, digest) if key else RequestKey(),
        )
        self.run(op, self.model.add(id, [rows], content, again=again, key=key, digest=digest))

    def finish(self) -> None:
        content, file, draft = self.choose(NAMES), self.choose(("", "f")), self.choose(NAMES)
        again = self.choose((False, True, True))
        id, paused = self.some_id(), self.choose((False, False, True))
        there = self.model.campaigns.get(id)
        good = (there.total if there else 0) - self.choose((0, 0, 0, 0, 0, 1))
        op = campaign_transitions.finish(
            id,
            content=content,
            file=file,
            draft=draft,
            again=again,
            actor="test",
            totals=json.dumps({"file": good, "good": good}),
            how="pause" if paused else "start",
        )
        self.run(op, self.model.finish(id, content, file, draft, good, again=again, paused=paused))

    def drop(self) -> None:
        draft = self.choose(NAMES)
        id = self.some_id()
        self.run(campaign_transitions.drop(id, draft), self.model.drop(id, draft))

    def steer(self) -> None:
        action: Any = self.choose(("pause", "resume", "resume", "resume", "cancel"))
        id = self.some_id()
        self.run(campaign_transitions.steer(id, action, actor="test"), self.model.steer(id, action))

    def change(self) -> None:
        pace, minutes = self.choose(("", "1", "2")), self.choose((None, 0, 3, 20))
        id = self.some_id()
        there = self.model.campaigns.get(id, ModelCampaign())
        seen = self.choose((there.request, "r0"))
        changes = {"pace": pace}
        if self.choose((False, True)):
            changes["end"] = "" if minutes is None else str(self.model.ms + minutes * MINUTE)
        request = f"{seen[:20]}+{len(seen)}"
        fields = {"req": request} | changes
        op = campaign_transitions.steer(id, "change", actor="test", request=seen, changes=fields)
        self.run(op, self.model.change(id, seen, request, changes))

    def fill(self) -> None:
        running = [id for id, there in self.model.campaigns.items() if there.state == "running"]
        id = self.choose(running) if running and self.random.random() < 0.8 else self.some_id()
        there = self.model.campaigns.get(id, ModelCampaign())
        cursor = self.choose((there.cursor, there.cursor, 0))
        count = min(2, there.total - cursor)
        if count <= 0:
            return
        limits = [self.choose((None, None, self.model.ms + 7 * MINUTE)) for _ in range(count)]
        rows = []
        for row, limit in enumerate(limits, start=cursor):
            own: int | str = ""
            expires: int | str = "" if limit is None else limit
            if there.end is not None and (limit is None or there.end < limit):
                own, expires = "-" if limit is None else limit, there.end
            extid, call = self.extid(id, row), f"call-{id}-{row}"
            rows.append(HopperRow(extid, call, '{"callto":"+998901000000"}', "", "", expires, "", "9", "x", own))
        op = campaign_transitions.fill(id, cursor, rows, chunk=0, offset=0)
        said = self.store.run(op)
        self.seen[f"fill {said.outcome}"] += 1
        assert (said.outcome == "filled") == self.model.fill(id, cursor, limits)
        assert self.store.run(op).outcome == "stale", "the cursor has moved on"
        self.compare()

    def extid(self, id: str, row: int) -> str:
        return str((int(id.removeprefix("campaign")) + 1) * 10_000 + row)

    def place(self, extid: str) -> tuple[str, int]:
        return f"campaign{int(extid) // 10_000 - 1}", int(extid) % 10_000

    def call(self) -> None:
        """Takes what may go, POSTs it, and leaves it on its way. What is late ends instead."""
        claim = self.store.run(
            call_transitions.claim(
                self.store.settings, "default", self.limits, epoch=EPOCH, room=2, horizon=0, attend=0
            )
        )
        for one in claim.calls:
            self.model.take(*self.place(one.record))
        self.expire_what_redis_expired()
        if claim.calls:
            arms = [Arming(one.record, one.token, one.slot) for one in claim.calls]
            armed = self.store.run(
                call_transitions.arm(self.store.settings, self.limits, arms, epoch=EPOCH, worker="w")
            )
            assert {arm.outcome for arm in armed} == {"armed"}
            taken = [Settling(one.record, one.token, "taken", 0, 0, "{}", "") for one in claim.calls]
            self.store.run(call_transitions.settle(self.store.settings, self.limits, taken))
        self.under_way += [(*self.place(one.record), one.extid) for one in claim.calls]
        self.seen["taken"] += len(claim.calls)
        self.compare()

    def expire_what_redis_expired(self) -> None:
        """Calls that a claim or a sweep found late are late in the model, too."""
        for id, there in self.model.campaigns.items():
            for row, state in list(there.calls.items()):
                if state == "queued":
                    value: Any = self.store.redis.hget(keys.record(self.extid(id, row)), "s")
                    if value == b"expired":
                        assert self.model.is_late(id, row), "nobody expires before the end as it is now"
                        self.model.row_ends(id, row, "expired")
                        self.seen["expired"] += 1

    def result(self) -> None:
        disposition = self.choose(("answered", "busy"))
        if not self.under_way:
            return
        id, row, extid = self.under_way.pop(self.random.randrange(len(self.under_way)))
        self.store.run(call_transitions.apply_results([Applying(extid, "{}", f"{extid}{disposition}", disposition, 5)]))
        self.model.row_ends(id, row, disposition)
        self.seen[disposition] += 1
        self.compare()

    def cancel_call(self) -> None:
        """What an operator does to one call, and the sweeper to those of a campaign that has ended."""
        waiting = [
            (id, row)
            for id, there in self.model.campaigns.items()
            for row, state in there.calls.items()
            if state == "queued"
        ]
        if waiting:
            id, row = self.choose(waiting)
            self.store.run(call_transitions.cancel([self.extid(id, row)]))
            self.model.row_ends(id, row, "canceled")
            self.compare()

    def time_passes(self) -> None:
        minutes = self.choose((1, 4, 8))
        self.model.ms += minutes * MINUTE
        self.store.set_clock(self.model.ms * 1000)
        self.store.run(call_transitions.sweep(self.store.settings))
        self.expire_what_redis_expired()
        for id, there in self.model.campaigns.items():
            for row, state in there.calls.items():
                if state == "queued" and there.expires.get(row, self.model.ms + 1) <= self.model.ms:
                    assert not self.model.is_late(id, row), "what is late was not swept up"
        self.store.run(call_transitions.pace({"default": 100}))
        self.model.pace()
        self.compare()

    # What is kept

    def compare(self) -> None:
        client: Any = self.store.redis
        assert {id.decode() for id in client.zrange(keys.CAMPAIGNS, 0, -1)} == set(self.model.campaigns)
        live = {id for id, there in self.model.campaigns.items() if not there.is_over and there.state != "draft"}
        kept_live = {id.decode() for id in client.smembers(keys.CAMPAIGNS_LIVE)}
        assert kept_live == live, [self.model.campaigns[id] for id in kept_live ^ live]
        for id, there in self.model.campaigns.items():
            self.compare_campaign(client, id, there)
        turns = [owner.decode() for owner in client.lrange(f"{keys.PREFIX}turns:default:n", 0, -1)]
        assert len(turns) == len(set(turns)), "a tenant has one turn"
        assert {name for name in TENANTS[1:] if client.exists(f"{keys.PREFIX}fair:default:n:{name}")} <= set(turns)
        there = self.model.campaigns
        for kind in ("gd", "gf", "gr", "gk"):
            found = {}
            for key in client.keys(f"{keys.PREFIX}{kind}:*"):
                campaign = client.get(key).decode().partition(" ")[0]
                if campaign in there:
                    found[key.decode()[PREFIX_LENGTH:]] = campaign
            wanted = {name: id for name, id in self.model.names.items() if name.startswith(kind) and id in there}
            assert found == wanted
            for name in wanted if kind != "gd" else ():
                kept = client.pttl(keys.PREFIX + name) == -1
                assert kept == self.model.name_is_kept(name), (name, there[wanted[name]].state)

    def compare_campaign(self, client: Any, id: str, there: ModelCampaign) -> None:
        fields = {name.decode(): value.decode() for name, value in client.hgetall(keys.campaign(id)).items()}
        counts = {name.decode(): int(value) for name, value in client.hgetall(keys.campaign_counts(id)).items()}
        assert (fields["s"], int(fields["nc"]), int(fields["tot"]), int(fields["cur"])) == (
            there.state,
            len(there.chunks),
            there.total,
            there.cursor,
        )
        assert (fields.get("left", ""), fields["req"], fields.get("pace", "")) == (
            there.left,
            there.request,
            there.pace,
        )
        assert fields.get("end", "") == str(there.end or "")
        assert json.loads(fields.get("rows", "{}")) == there.rows
        assert {s.value: counts.get(s.value, 0) for s in State if counts.get(s.value)} == dict(
            Counter(there.calls.values())
        )
        assert (counts.get("live", 0), counts.get("d:answered", 0)) == (there.live, there.answered)
        kept: bytes = client.getrange(keys.campaign_outcomes(id), 0, -1)
        assert {row: chr(byte) for row, byte in enumerate(kept) if byte} == there.outcomes
        names = [keys.campaign(id), keys.campaign_outcomes(id), f"{keys.PREFIX}names:{id}", keys.campaign_rows(id)]
        lasting = {client.pttl(name) == -1 for name in names if client.exists(name)}
        assert lasting == {self.model.lifetime(id) == KEPT}
