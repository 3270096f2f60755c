"""Campaigns and their rows as they stand."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from alodial_schemas.alovoice.result import talk_seconds
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ..settings import Settings
from ..store import campaigns
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..store.find_call import find_records
from ..store.records import CallRecord, iso
from ..wakeup import Waker
from .calendar import hours_of, main_zone, moments, read_request
from .errors import CampaignNotFound
from .eta import expected_end
from .records import Activity, CampaignPage, CampaignRecord, ResultRow
from .row_codec import CHUNK_ROWS, PackedRow, RowProblem, RowSpec, unpack, unpack_problems
from .row_to_call import make_body
from .stored_fields import expander_of, start_ms

LOOKS_AHEAD: Final = (4, 370)
"""Days whose hours are worked out for an estimate: most campaigns are over in four, and a year costs 10 ms."""

SECONDS_PER_CALL: Final = 45.0
"""How long a call holds a channel, for an estimate before there are any results."""

_ENDS: Final = ("completed", "rejected", "failed", "expired", "canceled", "timed_out")
_CALL_STATES: Final = ("scheduled", "queued", "submitting", "submitted", "unconfirmed", *_ENDS)


class CampaignQueries:
    """Reads campaigns. ``name`` may be an id, a beginning of it, or a name that only one campaign has."""

    def __init__(self, store: Store, settings: Settings, waker: Waker) -> None:
        self._store = store
        self.settings = settings
        self._doorbell = waker

    def get(self, name: str) -> CampaignRecord:
        """Raises CampaignNotFound, also when several have that name."""
        return self._record(self._one(name))

    def list(self, *, state: str = "", owner: str = "", cursor: str | None = None, limit: int = 50) -> CampaignPage:
        """Newest first. With ``state`` or ``owner`` a page may be short: go on until the cursor is None."""
        ids = self._store.call(campaigns.page, cursor, limit)
        stored = self._store.call(campaigns.read, ids.ids)
        return CampaignPage(
            [
                self._record(one)
                for one in stored
                if (not state or one.state == state) and (not owner or one.fields.get("ow") == owner)
            ],
            ids.cursor,
        )

    def activity(self, name: str, limit: int = 100) -> Sequence[Activity]:
        """Who did what to it, newest first."""
        stored = self._one(name)
        acts = self._store.call(campaigns.activity, stored.id, limit)
        return [Activity(iso(act.at_ms), act.actor, act.action, act.detail) for act in acts]

    def problems(self, name: str) -> Iterator[RowProblem]:
        """The rows that were not taken, in the file's order."""
        stored = self._one(name)
        for blob in campaigns.problem_blobs(self._store.redis, stored.id, stored.number("nc")):
            yield from unpack_problems(blob)

    def rows(self, name: str) -> Iterator[ResultRow]:
        """Every good row with what became of it, in the file's order, a chunk at a time."""
        stored = self._one(name)
        left = stored.fields.get("left") or ("canceled" if stored.state == CampaignState.CANCELED else "waiting")
        for row, call in self._outcomes(stored):
            yield _result(row, call, left)

    def _outcomes(self, stored: StoredCampaign) -> Iterator[tuple[PackedRow, CallRecord | None]]:
        expander, called = expander_of(stored), stored.number("cur")
        request = expander.request
        batch: list[tuple[int, PackedRow]] = []

        def found() -> Iterator[tuple[PackedRow, CallRecord | None]]:
            names = [expander.extids(place)[0] for place, _ in batch if place < called]
            first = iter(self._store.call(find_records, names))
            for place, row in batch:
                call = next(first) if place < called else None
                if call is not None and not _is_of(call, stored.id, row.spec, request):
                    other = expander.extids(place)[1]
                    (call,) = self._store.call(find_records, [other])
                yield row, call

        for place, row in self._packed(stored):
            batch.append((place, row))
            if len(batch) == CHUNK_ROWS:
                yield from found()
                batch = []
        yield from found()

    def _packed(self, stored: StoredCampaign) -> Iterator[tuple[int, PackedRow]]:
        for index in range(stored.number("nc")):
            chunk = self._store.call(campaigns.chunk, stored.id, index)
            if chunk is not None:
                yield from enumerate(unpack(chunk.blob), start=chunk.base)

    def _one(self, name: str) -> StoredCampaign:
        ids = self._store.call(campaigns.find, name)
        stored = self._store.call(campaigns.read, ids[:2])
        if not stored:
            raise CampaignNotFound(f"no campaign {name}")
        if len(stored) > 1:
            raise CampaignNotFound(f"several campaigns are called {name}; give the id, such as {stored[0].id}")
        return stored[0]

    def _record(self, stored: StoredCampaign) -> CampaignRecord:
        fields, counts = stored.fields, stored.counts
        request = read_request(fields["req"])
        total, cursor = stored.number("tot"), stored.number("cur")
        calls = {state: max(0, counts[state]) for state in _CALL_STATES if counts.get(state)}
        left = fields.get("left") or ("canceled" if stored.state == CampaignState.CANCELED else "waiting")
        if total > cursor:
            calls[left] = calls.get(left, 0) + total - cursor
        ended = sum(calls.get(state, 0) for state in _ENDS)
        waiting, opens_at = self._waiting(stored)
        over = stored.state in (CampaignState.COMPLETED, CampaignState.CANCELED)
        live = total - ended
        expects = not over and stored.state != CampaignState.PAUSED
        expected = self._expected(request, live, stored.now_ms, counts, stored) if expects else None
        return CampaignRecord(
            id=stored.id,
            name=fields["n"],
            state=stored.state,
            waiting=waiting,
            opens_at=opens_at,
            reason=fields.get("why", ""),
            account=fields["a"],
            request=json.loads(fields["req"]),
            columns=json.loads(fields["cols"]),
            source=json.loads(fields["src"]),
            rows=json.loads(fields.get("rows") or f'{{"good":{total}}}'),
            calls=calls,
            dispositions={name[2:]: count for name, count in sorted(counts.items()) if name.startswith("d:")},
            attempts=counts.get("attempts", 0),
            talk_seconds=counts.get("talk", 0),
            created_at=iso(fields["cr"]),
            started_at=iso(fields["st"]) if fields.get("st") else None,
            ended_at=iso(fields["en"]) if fields.get("en") else None,
            created_by=fields.get("by", ""),
            owner=fields.get("ow"),
            expected_end=None if expected is None else iso(expected),
            progress=round(ended / total, 4) if total else 0.0,
        )

    def _waiting(self, stored: StoredCampaign) -> tuple[str, str | None]:
        if stored.state == CampaignState.SCHEDULED:
            return "start", iso(stored.number("start"))
        if stored.state != CampaignState.RUNNING:
            return "", None
        if stored.opens != 0 and not stored.fields.get("nz"):
            return "window", None if stored.opens is None else iso(stored.opens)
        return "", None

    def _expected(
        self,
        request: CampaignRequest,
        calls: int,
        now_ms: int,
        counts: dict[str, int],
        stored: StoredCampaign | None = None,
    ) -> int | None:
        """When it will be over, by rate, channels, hours and what its calls took so far; None when nobody can say."""
        if calls <= 0:
            return now_ms
        limits = self.settings.account(request.call.account)
        rates = [rate for rate in (limits.calls_per_second, request.policy.pace or 0) if rate > 0]
        channels = [n for n in (limits.max_concurrent_calls, request.policy.channels or 0) if n > 0]
        attempts, ended = counts.get("attempts", 0), sum(counts.get(state, 0) for state in _ENDS)
        each = max(1.0, attempts / ended) if ended >= 20 else 1.0
        took = counts.get("talk", 0) / attempts + 20 if attempts >= 20 else SECONDS_PER_CALL
        zone = main_zone(hours_of(request, self.settings), self.settings)
        start = max(now_ms, stored.number("start") if stored else start_ms(request.policy))
        daily = [n for n in (limits.daily_calls, request.policy.daily.calls if request.policy.daily else 0) if n]
        for days in LOOKS_AHEAD:
            end = expected_end(
                calls=calls * each,
                rate=min(rates, default=0.0),
                channels=min(channels, default=0),
                seconds_per_call=took,
                open_from=moments(request, self.settings, (zone,), start, days=days),
                now_ms=start,
                daily_calls=min(daily, default=None),
            )
            if end is not None:
                return end
        return None


def _is_of(call: CallRecord, campaign: str, spec: RowSpec, request: CampaignRequest) -> bool:
    return call.campaign_id == campaign and call.request == json.loads(make_body(spec, request))


def _result(row: PackedRow, call: CallRecord | None, left: str) -> ResultRow:
    if call is None:
        return ResultRow(row.number, row.cells, left, row.spec.to, reference=row.spec.reference)
    tried = [attempt for attempt in call.attempts if attempt["submitted_at"]]
    last = tried[-1] if tried else {}
    result = next((a["result"] for a in reversed(call.attempts) if a["result"]), None) or {}
    return ResultRow(
        number=row.number,
        cells=row.cells,
        state=call.state,
        phones=row.spec.to,
        disposition=call.disposition,
        dialstatus=result.get("dialstatus"),
        attempts=len(tried),
        extid=call.extid,
        id=call.id,
        reference=call.reference,
        last_attempt_at=last.get("submitted_at"),
        answered_at=result.get("answer_time"),
        talk_seconds=_talk_seconds(result) if result and call.disposition == "answered" else None,
        record=result.get("record"),
        reason=call.reason,
        attempts_at=[attempt["submitted_at"] for attempt in tried],
    )


def _talk_seconds(result: dict[str, Any]) -> int:
    answered, ended = (
        datetime.fromisoformat(text) if (text := result.get(name)) else None for name in ("answer_time", "end_time")
    )
    return talk_seconds(answered, ended, result.get("duration"))
