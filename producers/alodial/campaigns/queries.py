"""Reads campaigns, their rows and their activity."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from alodial_schemas import ENDS, FieldProblem, State
from alodial_schemas.alovoice.result import talk_seconds
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ..settings import Settings
from ..store import campaigns, row_outcomes
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..store.find_call import find_records
from ..store.new_calls import daily_calls_of
from ..store.records import CallRecord, iso
from ..store.row_outcomes import RowOutcome
from ..store.workers import any_alive
from .archived_calls import archived_records
from .calendar import main_zone, opening_moments
from .errors import CampaignNotFound, DamagedRows, InvalidCampaign
from .eta import expected_end
from .records import Activity, CampaignPage, CampaignRecord, ResultRow
from .row_codec import CHUNK_ROWS, PackedRow, RowProblem, RowSpec, unpack, unpack_problems
from .row_search import MAX_SCANNED, RowPage, RowSearch, read_cursor
from .row_to_call import make_body
from .stored_fields import expander_of, read_request

LOOKAHEAD_DAYS: Final = (4, 370)
"""Days whose hours an estimate considers: most campaigns end within four, and a year costs 10 ms."""

UNKNOWN: Final = "unknown"
"""The state of a row whose call's record has expired, when its campaign was made before outcomes were kept."""

SECONDS_PER_CALL: Final = 45.0
"""How long a call occupies a channel, for an estimate before there are results."""


class CampaignQueries:
    """The reading half of :class:`~alodial.campaigns.service.CampaignService`."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def get(self, name: str, *, owner: str = "") -> CampaignRecord:
        """One campaign with its figures, among those of ``owner`` where it is not "".

        Raises CampaignNotFound, also when several campaigns have that name.
        """
        record = self._record(self.find(name, owner))
        return replace(record, attended=self._store.call(any_alive))

    def list(self, *, state: str = "", owner: str = "", cursor: str | None = None, limit: int = 50) -> CampaignPage:
        """A page, newest first. With ``state`` or ``owner`` it may be short: continue until the cursor is None.

        Raises InvalidCampaign for a cursor of another list.
        """
        if cursor and not owner and not (cursor.isascii() and cursor.isdecimal()):
            remedy = "send the cursor of the page before as it is, or none for the first page"
            raise InvalidCampaign([FieldProblem("cursor", "invalid", "is not the cursor of such a list", remedy)])
        if owner:
            page = self._store.call(campaigns.page_of_owner, owner, cursor or "", limit)
        else:
            page = self._store.call(campaigns.page, cursor, limit)
        matching = [
            self._record(stored)
            for stored in self._store.call(campaigns.read, page.ids)
            if (not state or stored.state == state) and (not owner or stored.fields.get("ow") == owner)
        ]
        return CampaignPage(matching, page.cursor)

    def activity(self, name: str, limit: int = 100) -> Sequence[Activity]:
        """The activity log, newest first. Raises CampaignNotFound."""
        entries = self._store.call(campaigns.activity, self.find(name).id, limit)
        return [Activity(iso(entry.at_ms), entry.actor, entry.action, entry.detail) for entry in entries]

    def problems(self, name: str) -> Iterator[RowProblem]:
        """The rejected rows, in the file's order. Raises CampaignNotFound."""
        stored = self.find(name)
        for blob in campaigns.problem_blobs(self._store.redis, self._store.keys, stored.id, stored.number("nc")):
            yield from unpack_problems(blob)

    def rows(self, name: str) -> Iterator[ResultRow]:
        """Every good row with its outcome, in the file's order, read chunk by chunk. Raises CampaignNotFound."""
        stored = self.find(name)
        uncalled = _uncalled_state(stored)
        for row, call, kept in self.outcomes(stored):
            yield _result(row, call, kept or RowOutcome(uncalled))

    def find(self, name: str, owner: str = "") -> StoredCampaign:
        """The stored campaign of this id, start of an id, or name, among those of ``owner`` where it is not "".

        Raises CampaignNotFound for none or several.
        """
        ids = self._store.call(campaigns.find, name, owner)
        matching = self._store.call(campaigns.read, ids[:2])
        if not matching:
            raise CampaignNotFound(f"no campaign {name}")
        if len(matching) > 1:
            raise CampaignNotFound(f"several campaigns are called {name}; give the id, such as {matching[0].id}")
        return matching[0]

    def packed_rows(self, stored: StoredCampaign) -> Iterator[tuple[int, PackedRow]]:
        """Every good row with its index in the campaign. Raises DamagedRows."""
        next_row = 0
        for index in range(stored.number("nc")):
            chunk = self._store.call(campaigns.chunk, stored.id, index)
            if chunk is not None:
                rows = unpack(chunk.blob)
                if chunk.base != next_row:
                    break
                yield from enumerate(rows, start=chunk.base)
                next_row += len(rows)
        if next_row < stored.number("tot"):
            raise DamagedRows(f"rows of campaign {stored.fields['n']!r} are missing from number {next_row + 1} on")

    def outcomes(self, stored: StoredCampaign) -> Iterator[tuple[PackedRow, CallRecord | None, RowOutcome | None]]:
        """Every good row with its call, or with what the campaign keeps of a call whose record is gone.

        Both are None for a row that is not a call yet. The outcome's state is "unknown" where nothing was kept.
        """
        rows = self.packed_rows(stored)
        while batch := list(islice(rows, CHUNK_ROWS)):
            yield from self._outcomes_of(stored, batch)

    def find_rows(self, name: str, search: RowSearch, *, cursor: str = "", limit: int = 50) -> RowPage:
        """Rows that match, in the file's order. One call reads a bounded part of a large campaign: with few matches a page may
        be short, and its cursor goes on. Raises CampaignNotFound.
        """
        stored = self.find(name)
        uncalled = _uncalled_state(stored)
        index, offset = read_cursor(cursor)
        matching: list[ResultRow] = []
        scanned = 0
        for number in range(index, stored.number("nc")):
            chunk = self._store.call(campaigns.chunk, stored.id, number)
            if chunk is None:
                continue
            rows = list(enumerate(unpack(chunk.blob)))[offset if number == index else 0 :]
            batch = [(chunk.base + at, row) for at, row in rows if search.may_match(row)]
            for row, call, kept in self._outcomes_of(stored, batch) if batch else ():
                result = _result(row, call, kept or RowOutcome(uncalled))
                if search.matches_outcome(result):
                    if len(matching) == limit:
                        at = next(at for at, other in rows if other is row)
                        return RowPage(matching, f"{number}-{at}", scanned)
                    matching.append(result)
            scanned += len(rows)
            if scanned >= MAX_SCANNED and number + 1 < stored.number("nc"):
                return RowPage(matching, f"{number + 1}-0", scanned)
        return RowPage(matching, None, scanned)

    def matching_rows(self, name: str, search: RowSearch) -> Iterator[ResultRow]:
        """All rows that match, for an export. Raises CampaignNotFound."""
        stored = self.find(name)
        uncalled = _uncalled_state(stored)
        rows = ((index, row) for index, row in self.packed_rows(stored) if search.may_match(row))
        while batch := list(islice(rows, CHUNK_ROWS)):
            for row, call, kept in self._outcomes_of(stored, batch):
                result = _result(row, call, kept or RowOutcome(uncalled))
                if search.matches_outcome(result):
                    yield result

    def _outcomes_of(
        self, stored: StoredCampaign, batch: Sequence[tuple[int, PackedRow]]
    ) -> Iterator[tuple[PackedRow, CallRecord | None, RowOutcome | None]]:
        """As :meth:`outcomes`, for rows with their index; not more than some hundreds."""
        expander, called = expander_of(stored), stored.number("cur")
        if batch:
            extids = [expander.extids(index)[0] for index, _ in batch if index < called]
            calls = iter(self._records(extids))
            first = batch[0][0]
            kept = self._store.call(row_outcomes.read, stored.id, first, batch[-1][0] + 1 - first)
            for index, row in batch:
                call = next(calls) if index < called else None
                if call is not None and not _is_call_of(call, stored.id, row.spec, expander.request):
                    # The first extid belongs to another call, so the row took its second one.
                    (call,) = self._records([expander.extids(index)[1]])
                gone = index < called and call is None
                yield row, call, (kept[index - first] or RowOutcome(UNKNOWN)) if gone else None

    def _records(self, extids: Sequence[str]) -> Sequence[CallRecord | None]:
        """The records of calls: those in Redis, else those in the archive. Raises ArchiveUnavailable."""
        records = self._store.call(find_records, extids)
        gone = [extid for extid, record in zip(extids, records, strict=True) if record is None]
        if not gone or self._settings.archive_url is None:
            return records
        archived = archived_records(self._settings.archive_url.get_secret_value(), self._settings.namespace, gone)
        return [record or archived.get(extid) for extid, record in zip(extids, records, strict=True)]

    def expected_end(
        self,
        request: CampaignRequest,
        calls: int,
        now_ms: int,
        counts: dict[str, int],
        start_ms: int,
        quota: str = "",
    ) -> int | None:
        """When this many further calls will have ended, Unix ms; None when that cannot be estimated.

        ``counts`` are the campaign's calls by state so far: their attempts and talk time refine the estimate.
        ``quota``: as in NewCall.
        """
        if calls <= 0:
            return now_ms
        limits, policy = self._settings.account(request.call.account), request.policy
        rates = [rate for rate in (limits.calls_per_second, policy.pace or 0) if rate > 0]
        channels = [n for n in (limits.max_concurrent_calls, policy.channels or 0) if n > 0]
        daily = [n for n in (limits.daily_calls, policy.daily.calls if policy.daily else 0, daily_calls_of(quota)) if n]
        attempts, ended = counts.get("attempts", 0), sum(counts.get(state, 0) for state in ENDS)
        attempts_per_call = max(1.0, attempts / ended) if ended >= 20 else 1.0
        seconds_per_call = counts.get("talk", 0) / attempts + 20 if attempts >= 20 else SECONDS_PER_CALL
        zone = main_zone(request, self._settings)
        start = max(now_ms, start_ms)
        for days in LOOKAHEAD_DAYS:
            end = expected_end(
                calls=calls * attempts_per_call,
                rate=min(rates, default=0.0),
                channels=min(channels, default=0),
                seconds_per_call=seconds_per_call,
                boundaries=opening_moments(request, self._settings, (zone,), start, days=days),
                now_ms=start,
                daily_calls=min(daily, default=None),
            )
            if end is not None:
                return end
        return None

    def _record(self, stored: StoredCampaign) -> CampaignRecord:
        fields, counts = stored.fields, stored.counts
        total, called = stored.number("tot"), stored.number("cur")
        calls = {state.value: max(0, counts[state]) for state in State if counts.get(state)}
        if total > called:
            uncalled = _uncalled_state(stored)
            calls[uncalled] = calls.get(uncalled, 0) + total - called
        ended = sum(calls.get(state, 0) for state in ENDS)
        waiting, opens_at = _waiting(stored)
        expected = None
        if stored.state not in (CampaignState.COMPLETED, CampaignState.CANCELED, CampaignState.PAUSED):
            start_ms = stored.number("start")
            request, quota = read_request(stored), fields.get("qt", "")
            expected = self.expected_end(request, total - ended, stored.now_ms, counts, start_ms, quota)
            redial_ms = stored.number("re")
            if expected is not None and counts.get("scheduled") and redial_ms > stored.now_ms:
                last = self.expected_end(request, 1, stored.now_ms, counts, max(start_ms, redial_ms), quota)
                expected = None if last is None else max(expected, last)
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


def _uncalled_state(stored: StoredCampaign) -> str:
    """The state of rows that are not calls yet."""
    return stored.fields.get("left") or ("canceled" if stored.state == CampaignState.CANCELED else "waiting")


def _waiting(stored: StoredCampaign) -> tuple[str, str | None]:
    """Why no row is dialled although the campaign has not ended, and until when."""
    if stored.state == CampaignState.SCHEDULED:
        return "start", iso(stored.number("start"))
    if stored.state == CampaignState.RUNNING and stored.opens != 0 and not stored.fields.get("nz"):
        return "window", None if stored.opens is None else iso(stored.opens)
    return "", None


def _is_call_of(call: CallRecord, campaign: str, spec: RowSpec, request: CampaignRequest) -> bool:
    return call.campaign_id == campaign and call.request == json.loads(make_body(spec, request))


def _result(row: PackedRow, call: CallRecord | None, kept: RowOutcome) -> ResultRow:
    if call is None:
        return ResultRow(
            row.number,
            row.cells,
            kept.state,
            row.spec.to,
            kept.disposition,
            reference=row.spec.reference,
            reason=kept.reason,
        )
    submitted = [attempt for attempt in call.attempts if attempt["submitted_at"]]
    last = submitted[-1] if submitted else {}
    answered = next((attempt for attempt in reversed(call.attempts) if attempt["result"]), None) or {}
    result = answered.get("result") or {}
    return ResultRow(
        number=row.number,
        cells=row.cells,
        state=call.state,
        phones=row.spec.to,
        disposition=call.disposition,
        dialstatus=result.get("dialstatus"),
        attempts=len(submitted),
        extid=call.extid,
        id=call.id,
        reference=call.reference,
        last_attempt_at=last.get("submitted_at"),
        answered_at=result.get("answer_time"),
        talk_seconds=_talk_seconds(result, answered["talk_limited_to"])
        if result and call.disposition == "answered"
        else None,
        record=result.get("record"),
        reason=call.reason,
        attempts_at=[attempt["submitted_at"] for attempt in submitted],
    )


def _talk_seconds(result: dict[str, Any], limit: int | None) -> int:
    answered, ended = (
        datetime.fromisoformat(text) if (text := result.get(name)) else None for name in ("answer_time", "end_time")
    )
    seconds = talk_seconds(answered, ended, result.get("duration"))
    return seconds if limit is None else min(seconds, limit)
