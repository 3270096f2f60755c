"""The same steps on the model of rows and on a real store, with all that both keep compared after each."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from campaign_harness import Harness, phone
from row_model import ENDS, MINUTE, REDIAL, Place, RowModel

from alodial.campaigns.errors import CampaignNotAllowed, CampaignRetried, InvalidCampaign
from alodial.store.call_transitions import Claimed
from alodial.store.keys import Keys
from alodial.store.row_outcomes import LETTERS
from alodial_schemas.campaigns import CampaignState

keys = Keys()

Step = tuple[Any, ...]
"""The name of a method of :class:`RowPair` and its arguments."""

LETTER = {"do_not_call": LETTERS["rejected:do_not_call"]}
LETTER |= {name: LETTERS[f"completed:{name}"] for name in ("answered", "busy")}
LETTER |= {name: LETTERS[name] for name in ("canceled", "expired", "rejected")}
POLICY = {"redial": {"max_attempts": 2, "delays": {"busy": [REDIAL // 1000]}}}
MOST = 3
"""Campaigns of one life."""


class RowPair:
    """A model, a store, and what connects them: the ids of campaigns and the extids of rows."""

    def __init__(self, harness: Harness, seen: Counter[str] | None = None) -> None:
        self.harness = harness
        self.seen: Counter[str] = Counter() if seen is None else seen
        self.model = RowModel(harness.ms)
        self.ids: list[str] = []
        self.claims: dict[Place, Claimed] = {}
        self.extids: dict[Place, str] = {}
        self.history: list[Step] = []

    def keep(self) -> Callable[[], None]:
        """Remembers everything; what is returned brings it back."""
        model, ids, claims, extids = self.model.copy(), list(self.ids), dict(self.claims), dict(self.extids)
        store, now, length = self.harness.store.save(), self.harness.now, len(self.history)

        def back() -> None:
            self.model, self.ids, self.claims, self.extids = model.copy(), list(ids), dict(claims), dict(extids)
            self.harness.store.restore(store)
            self.harness.now = now
            del self.history[length:]

        return back

    def run(self, step: Step) -> None:
        name, *args = step
        self.history.append(step)
        try:
            said = getattr(self, name)(*args)
            self.compare()
        except AssertionError as exc:
            raise AssertionError(f"{exc}\nafter {self.history}") from exc
        self.seen[f"{name} {said}" if said else name] += 1

    def steps(self) -> list[Step]:
        """All that may happen next in a small world. What cannot differ from a step beside it is left out."""
        model = self.model
        steps: list[Step] = [("claim", 2), ("time", 1), ("time", 4), ("forbid", 0, None)]
        if len(self.ids) < MOST:
            steps += [("submit", False, 1), ("submit", True, 0)]
        for n, there in enumerate(model.campaigns):
            steps += [("pause", n), ("resume", n), ("cancel", n), ("end", n, None), ("end", n, 3), ("forbid", 1, n)]
            if len(there.rows) < 3:
                steps.append(("add", n))
            if len(self.ids) < MOST or not there.is_over or there.retry is not None:
                steps.append(("retry", n))
        for place in model.held[:1]:
            steps += [("post", place, outcome) for outcome in ("taken", "rejected", "retry")]
        for place in model.out[:1]:
            steps += [("result", place, disposition) for disposition in ("answered", "busy")]
        if any(row.state == "ended" for there in model.campaigns for row in there.rows):
            steps.append(("forget",))
        return steps

    # What people do

    def submit(self, paused: bool, channels: int, minutes: int | None = None) -> None:
        end = None if minutes is None else self.model.ms + minutes * MINUTE
        numbers = [phone(0), phone(1)]
        policy = POLICY | ({"channels": channels} if channels else {}) | ({"ends_at": _moment(end)} if end else {})
        self.ids.append(self.harness.submit(numbers, f"campaign {len(self.ids)}", paused=paused, **policy))
        self.model.submit(numbers, paused=paused, channels=channels, end=end)

    def _may(self, expected: bool, act: Callable[[], object]) -> str:
        try:
            act()
            allowed = True
        except CampaignNotAllowed:
            allowed = False
        assert allowed == expected, f"allowed: {allowed}"
        return "done" if allowed else "refused"

    def pause(self, n: int) -> str:
        return self._may(self.model.pause(n), lambda: self.harness.pause(self.ids[n]))

    def resume(self, n: int) -> str:
        return self._may(self.model.resume(n), lambda: self.harness.resume(self.ids[n]))

    def cancel(self, n: int) -> str:
        return self._may(self.model.cancel(n), lambda: self.harness.cancel(self.ids[n]))

    def add(self, n: int) -> str:
        number = phone(10 * n + 20 + len(self.model.campaigns[n].rows))
        add = self.harness.front.add
        return self._may(self.model.add(n, number), lambda: add(self.ids[n], [number], actor="test", again=True))

    def end(self, n: int, minutes: int | None) -> str:
        end = None if minutes is None else self.model.ms + minutes * MINUTE
        change = self.harness.front.change
        return self._may(self.model.move_end(n, end), lambda: change(self.ids[n], actor="test", ends_at=_moment(end)))

    def retry(self, n: int) -> str:
        expected = self.model.retry(n)
        earlier = None
        try:
            self.ids.append(self.harness.front.retry_failed(self.ids[n], actor="test").id)
            said = "made"
        except CampaignRetried as exc:
            said, earlier = "retried", exc.id
        except CampaignNotAllowed:
            said = "not_allowed"
        except InvalidCampaign:
            said = "no_rows"
        assert said == expected
        there = self.model.campaigns[n].retry
        assert earlier in (None, None if there is None else self.ids[there])
        return said

    def forbid(self, number: int, n: int | None) -> None:
        self.harness.forbid(phone(number), scope="" if n is None else self.ids[n])
        self.model.forbid(phone(number), n)

    # What workers do

    def claim(self, room: int) -> str:
        self._learn_extids()
        claim = self.harness.claim(room)
        places = {extid: place for place, extid in self.extids.items()}
        taken = [places[call.record] for call in claim.calls]
        self.claims |= dict(zip(taken, claim.calls, strict=True))
        waiting = [(n, i) for n, there in enumerate(self.model.campaigns) for i in there.rows_in("queued")]
        now = {place: self._state(place) for place in waiting}
        refused = [
            (place, "expired" if state == "expired" else "do_not_call")
            for place, state in now.items()
            if state in ("expired", "rejected")
        ]
        self.model.claimed(room, taken, refused)
        return claim.status

    def post(self, place: Place, outcome: Any) -> str:
        said = self.harness.post(self.claims[place], outcome, delay=REDIAL / 1000)
        assert said == self.model.post(place, outcome)
        return said

    def result(self, place: Place, disposition: str) -> str:
        self.harness.result(self.claims[place].extid, disposition)
        self.model.result(place, disposition)
        return disposition

    # What time does

    def time(self, minutes: int) -> None:
        """No lease runs out: workers finish what they hold. Then the pacer, the hopper and the sweeper have their turn."""
        for place in list(self.model.held):
            self.post(place, "taken")
        self.model.ms += minutes * MINUTE
        self.harness.at_ms(self.model.ms)
        self.harness.sweep()
        self.model.sweep()
        self.pace()
        for _ in range(3):
            self.harness.clean()
        self.model.clean()

    def pace(self) -> None:
        for _ in range(2):  # what has begun in the first round is filled in the second
            self.harness.pace()
            self.model.pace()
            self.model.fill()

    def forget(self) -> None:
        """The records of calls that have ended expire before their campaigns."""
        for n, there in enumerate(self.model.campaigns):
            for i in there.rows_in("ended"):
                self.harness.store.redis.delete(keys.record(self.extids[n, i]))

    # What is kept

    def _state(self, place: Place) -> str:
        return self.harness.state(self.extids[place])

    def _learn_extids(self) -> dict[Place, dict[str, str]]:
        found = {}
        for x, record in self.harness.records().items():
            place = (self.ids.index(record["g"]), int(record["ri"]))
            self.extids[place] = x
            found[place] = record
        return found

    def compare(self) -> None:
        records = self._learn_extids()
        client: Any = self.harness.store.redis
        live = {self.ids[n] for n, there in enumerate(self.model.campaigns) if not there.is_over}
        assert {id.decode() for id in client.smembers(keys.CAMPAIGNS_LIVE)} == live
        for n, there in enumerate(self.model.campaigns):
            stored = self.harness.campaign(self.ids[n])
            assert stored.state == CampaignState(there.state)
            assert (stored.number("tot"), stored.number("cur")) == (
                len(there.rows),
                len(there.rows) - len(there.rows_in("packed")),
            )
            states = {"out": "submitted", "claimed": "queued"}
            expected = {
                i: ENDS.get(row.outcome, row.outcome) if row.state == "ended" else states.get(row.state, row.state)
                for i, row in enumerate(there.rows)
                if row.state != "packed"
            }
            kept = {i: record["s"] for (campaign, i), record in records.items() if campaign == n}
            assert kept == {i: state for i, state in expected.items() if i in kept}, f"campaign {n}"
            assert all(there.rows[i].state == "ended" for i in expected if i not in kept)
            counts = {s: k for s, k in Counter(expected.values()).items() if k}
            assert {s: k for s, k in stored.counts.items() if k and s in set(expected.values()) | {"queued"}} == counts
            assert stored.counts.get("live", 0) == len(there.rows_in("queued", "claimed", "scheduled", "out"))
            bytes_kept: bytes = client.getrange(keys.campaign_outcomes(self.ids[n]), 0, -1)
            outcomes = {i: LETTER[row.outcome] for i, row in enumerate(there.rows) if row.state == "ended"}
            assert {i: chr(byte) for i, byte in enumerate(bytes_kept) if byte} == outcomes
            ready = [x for x in self.harness.ready(self.ids[n]) if records_queued(records, n, x, self.extids)]
            assert sorted(ready) == sorted(self.extids[n, i] for i in there.rows_in("queued"))


def records_queued(records: dict[Place, dict[str, str]], n: int, extid: str, extids: dict[Place, str]) -> bool:
    """Whether an entry of a ready list is more than the trace of a call that went elsewhere."""
    return any(
        place[0] == n and extids[place] == extid and record["s"] == "queued" and "tok" not in record
        for place, record in records.items()
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def begin(harness: Harness, seen: Counter[str]) -> RowPair:
    """A new life: one campaign that runs, its rows in the hopper."""
    harness.store.begin(harness.now)
    pair = RowPair(harness, seen)
    pair.submit(False, 0)
    pair.pace()
    pair.compare()
    return pair


def explore(harness: Harness, depth: int, seen: Counter[str], names: Sequence[str] = ()) -> int:
    """Runs every sequence of ``depth`` steps of these names (or all), equal states once; returns how many states there were."""
    pair = begin(harness, seen)
    reached: dict[Any, int] = {pair.model.key(): depth}

    def go(left: int) -> None:
        back = pair.keep()
        for step in pair.steps():
            if names and step[0] not in names:
                continue
            pair.run(step)
            key = pair.model.key()
            if reached.get(key, -1) < left - 1:
                reached[key] = left - 1
                if left > 1:
                    go(left - 1)
            back()

    go(depth)
    return len(reached)


OFTEN = {"claim": 4, "post": 5, "result": 5, "cancel": 0.3, "submit": 0.5}
"""How often a random life takes such a step, where 1 is usual."""


def live(harness: Harness, seed: int, steps: int, seen: Counter[str]) -> None:
    """One random life of so many steps."""
    pair, random = begin(harness, seen), Random(seed)
    for _ in range(steps):
        choices = pair.steps()
        alike = Counter(step[0] for step in choices)
        weights = [OFTEN.get(step[0], 1) / alike[step[0]] for step in choices]
        if not any(there.rows_in("queued") for there in pair.model.campaigns):
            weights[0] = 0.2  # a claim that finds nothing
        pair.run(random.choices(choices, weights)[0])
