"""What the scripts of campaigns are to do, in plain Python, for comparison with the real ones.

Left out because nothing here depends on it: hours, caps, shares and redials, which have tests of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alodial_schemas import ENDS, State

LETTERS = {"answered": "a", "busy": "b", "canceled": "C", "expired": "E", "rejected": "R"}

KEPT, FOR_A_WHILE = "kept", "for a while"
"""Whether a key of Redis has no expiry."""


@dataclass
class ModelCampaign:
    """One campaign. ``ready`` are its calls that wait, by row; ``under_way`` those that were taken."""

    state: str = "draft"
    start: int = 0
    end: int | None = None
    goal: int = 0
    chunks: list[int] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    cursor: int = 0
    left: str = ""
    calls: dict[int, str] = field(default_factory=dict)
    own_limits: dict[int, int | None] = field(default_factory=dict)
    expires: dict[int, int] = field(default_factory=dict)
    answered: int = 0
    pace: str = ""
    request: str = "r0"
    names: set[str] = field(default_factory=set)
    outcomes: dict[int, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.chunks)

    @property
    def is_over(self) -> bool:
        return self.state in ("completed", "canceled")

    @property
    def live(self) -> int:
        return sum(State(state) not in ENDS for state in self.calls.values())


class CampaignModel:
    """All campaigns, and what names them: files, rows, drafts and idempotency keys. ``ms`` is the time."""

    def __init__(self, ms: int) -> None:
        self.ms = ms
        self.campaigns: dict[str, ModelCampaign] = {}
        self.names: dict[str, str] = {}
        self.digests: dict[str, str] = {}

    def _name(self, name: str, campaign: str, digest: str = "") -> None:
        self.names[name] = campaign
        self.digests[name] = digest
        self.campaigns[campaign].names.add(name)

    def _named(self, name: str) -> str | None:
        campaign = self.names.get(name)
        return campaign if campaign in self.campaigns else None

    def _use_of_key(self, key: str, digest: str) -> tuple[str, str] | None:
        first = self._named(f"gk:{key}") if key else None
        if first is None:
            return None
        if self.digests[f"gk:{key}"] != digest:
            return "conflict", first
        return None if self.campaigns[first].state == "draft" else ("same", first)

    def create(
        self,
        id: str,
        draft: str,
        file: str,
        *,
        again: bool,
        over: bool,
        key: str,
        digest: str,
        start: int,
        end: int | None,
        goal: int,
    ) -> tuple[str, str, int]:
        if used := self._use_of_key(key, digest):
            return *used, 0
        before = self._named(f"gd:{draft}")
        if before is not None:
            there = self.campaigns[before]
            if there.state == "draft":
                if key:
                    self._name(f"gk:{key}", before, digest)
                return "resumed", before, len(there.chunks)
            if over:
                return "same", before, 0
        if file and not again and (first := self._named(f"gf:{file}")):
            return "duplicate", first, 0
        self.campaigns[id] = ModelCampaign(start=start, end=end, goal=goal)
        self.names[f"gd:{draft}"] = id
        if key:
            self._name(f"gk:{key}", id, digest)
        return "created", id, 0

    def append(self, id: str, index: int, rows: int) -> tuple[str, str]:
        there = self.campaigns.get(id)
        if there is None or there.state != "draft":
            return "closed", there.state if there else ""
        if index != len(there.chunks):
            return ("had" if index < len(there.chunks) else "gap"), id
        there.chunks.append(rows)
        return "added", id

    def add(
        self, id: str, chunks: Sequence[int], content: str, *, again: bool, key: str, digest: str
    ) -> tuple[str, str]:
        if used := self._use_of_key(key, digest):
            return used
        there = self.campaigns.get(id)
        if there is None or there.is_over or there.state == "draft":
            return "closed", there.state if there else ""
        if there.left or (there.end is not None and there.end <= self.ms):
            return "closed", "ended"
        if not again and (first := self._named(f"gr:{content}")):
            return "duplicate", first
        self._name(f"gr:{content}", id)
        if key:
            self._name(f"gk:{key}", id, digest)
        there.rows = {name: there.rows.get(name, 0) + sum(chunks) for name in ("file", "good")}
        there.chunks += chunks
        return "added", id

    def finish(
        self, id: str, content: str, file: str, draft: str, good: int, *, again: bool, paused: bool
    ) -> tuple[str, str]:
        there = self.campaigns.get(id)
        first = None if again else self.names.get(f"gr:{content}")
        if there is None:
            return ("duplicate", first) if first and first != id else ("gone", id)
        if there.state != "draft":
            return "had", id
        if first and first != id and first in self.campaigns:
            self.names.pop(f"gd:{draft}", None)
            self._forget(id)
            return "duplicate", first
        if there.total != good:
            if self.names.get(f"gd:{draft}") == id:
                del self.names[f"gd:{draft}"]
            self._forget(id)
            return "gone", id
        there.state = "paused" if paused else "scheduled" if there.start > self.ms else "running"
        there.rows = {"file": there.total, "good": there.total}
        self._name(f"gr:{content}", id)
        if file:
            self._name(f"gf:{file}", id)
        self.names[f"gd:{draft}"] = id
        return ("started" if there.state == "running" else there.state), id

    def _forget(self, id: str) -> None:
        for name in self.campaigns.pop(id).names:
            if self.names.get(name) == id:
                del self.names[name]

    def drop(self, id: str, draft: str) -> tuple[str, str]:
        there = self.campaigns.get(id)
        if there is not None and there.state != "draft":
            return "kept", there.state
        if self.names.get(f"gd:{draft}") == id:
            del self.names[f"gd:{draft}"]
        if there is not None:
            self._forget(id)
        return "dropped", "draft" if there else ""

    def steer(self, id: str, action: str) -> tuple[str, str]:
        there = self.campaigns.get(id)
        if there is None:
            return "unknown", ""
        if action == "pause":
            if there.state == "paused":
                return "same", "paused"
            if there.is_over or there.state == "draft":
                return "refused", there.state
            there.state = "paused"
        elif action == "resume":
            if there.state in ("running", "scheduled"):
                return "same", there.state
            if there.state != "paused":
                return "refused", there.state
            there.state = "scheduled" if there.start > self.ms else "running"
        else:
            if there.is_over:
                return ("same" if there.state == "canceled" else "refused"), there.state
            self._end(there, "canceled", "canceled")
        return "done", there.state

    def change(self, id: str, seen: str, request: str, changes: dict[str, str]) -> tuple[str, str]:
        there = self.campaigns.get(id)
        if there is None:
            return "unknown", ""
        if there.is_over:
            return "refused", there.state
        if there.request != seen:
            now = {"req": there.request, "pace": there.pace, "end": str(there.end or "")}
            same = all(now[name] == value for name, value in (changes | {"req": request}).items())
            return ("same" if same else "stale"), there.state
        passed = there.left or (there.end is not None and there.end <= self.ms)
        if "end" in changes and changes["end"] != str(there.end or "") and passed:
            return "refused", "ended"
        there.request = request
        there.pace = changes.get("pace", there.pace)
        if "end" in changes:
            there.end = int(changes["end"]) if changes["end"] else None
        return "done", there.state

    def fill(self, id: str, cursor: int, limits: Sequence[int | None]) -> bool:
        there = self.campaigns.get(id)
        if there is None or there.state != "running" or there.cursor != cursor or there.left:
            return False
        for row, limit in enumerate(limits, start=cursor):
            there.calls[row] = "queued"
            there.own_limits[row] = limit
            ends = [moment for moment in (limit, there.end) if moment is not None]
            if ends:
                there.expires[row] = min(ends)
        there.cursor += len(limits)
        return True

    def take(self, id: str, row: int) -> None:
        """A claim took this row's call."""
        there = self.campaigns[id]
        assert there.state == "running"
        assert there.calls[row] == "queued"
        assert not self.is_late(id, row)
        there.calls[row] = "submitted"

    def is_late(self, id: str, row: int) -> bool:
        """Whether a call may no longer go: at the campaign's end as it is now, or the row's own."""
        there = self.campaigns[id]
        ends = [moment for moment in (there.own_limits[row], there.end) if moment is not None]
        return bool(ends) and min(ends) <= self.ms

    def row_ends(self, id: str, row: int, outcome: str) -> None:
        there = self.campaigns[id]
        there.outcomes[row] = LETTERS[outcome]
        there.calls[row] = outcome if outcome in ("canceled", "expired", "rejected") else "completed"
        there.answered += outcome == "answered"
        self._look_after(there)

    def pace(self) -> None:
        for there in self.campaigns.values():
            if there.state not in ("scheduled", "running", "paused"):
                continue
            if there.state == "scheduled" and there.start <= self.ms:
                there.state = "running"
            if there.end is not None and there.end <= self.ms and not there.left:
                there.left = "expired"
            self._look_after(there)

    def _look_after(self, there: ModelCampaign) -> None:
        if there.state not in ("running", "paused"):
            return
        if there.goal and there.answered >= there.goal:
            self._end(there, "completed", "canceled")
        elif there.live == 0 and (there.left or there.cursor >= there.total):
            self._end(there, "completed", "")

    def _end(self, there: ModelCampaign, state: str, left: str) -> None:
        there.state = state
        if left and there.cursor < there.total and not there.left:
            there.left = left

    def lifetime(self, id: str) -> str:
        """Whether the keys of a campaign are kept without an expiry."""
        state = self.campaigns[id].state
        return FOR_A_WHILE if state in ("draft", "completed", "canceled") else KEPT

    def name_is_kept(self, name: str) -> bool:
        return self.lifetime(self.names[name]) == KEPT
