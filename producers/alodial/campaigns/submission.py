"""Checks files and stores their rows as campaigns."""

import json
import secrets
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from alodial_schemas import FieldProblem, new_ids
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ..settings import Settings
from ..store import campaign_transitions, campaigns, do_not_call
from ..store.campaign_transitions import Created, Finished, NewChunk
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..store.server_clock import server_ms
from ..wakeup import Waker
from .calendar import main_zone, opening_moments, write_calendar
from .errors import CampaignDuplicate, CampaignNotAllowed, InvalidCampaign
from .importing.files import RowSource, open_source
from .importing.row_check import CheckReport, OnProblem, OnProgress, RowChecker
from .queries import CampaignQueries
from .records import CampaignRecord
from .row_codec import CHUNK_ROWS, PackedRow, pack, pack_problems
from .stored_fields import fields_of, hash_of, read_request, request_json

MAX_STORED_PROBLEMS = 100_000
"""Rejected rows that the store keeps; ``on_problem`` receives all of them."""

MAX_ADDED = 200_000
"""Rows added to a running campaign at once: a single script adds all of them or none."""


class CampaignSubmission:
    """The submitting half of :class:`~alodial.campaigns.service.CampaignService`."""

    def __init__(self, store: Store, settings: Settings, waker: Waker, queries: CampaignQueries) -> None:
        self._store = store
        self._settings = settings
        self._waker = waker
        self._queries = queries

    def check(
        self,
        source: Any,
        request: CampaignRequest,
        *,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CheckReport:
        """What a submission would accept and reject, and how long it would last. Stores nothing.

        ``source`` is a path, an iterable of mappings or numbers, or a RowSource. Raises BadFile and InvalidCampaign.
        """
        self._check_request(request)
        checker = self._checker(_open(source), request, progress, on_problem)
        for _ in checker.chunks(CHUNK_ROWS):
            pass
        report = checker.report
        now_ms = self._store.call(server_ms)
        starts_at = request.policy.starts_at
        start_ms = 0 if starts_at is None else int(starts_at.timestamp() * 1000)
        report.expected_end = self._queries.expected_end(request, report.good, now_ms, {}, start_ms)
        if report.expected_end is not None:
            report.seconds = max(0.0, (report.expected_end - now_ms) / 1000)
        return report

    def submit(
        self,
        source: Any,
        request: CampaignRequest,
        *,
        actor: str,
        again: bool = False,
        paused: bool = False,
        owner: str = "",
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CampaignRecord:
        """Stores the good rows and starts dialling at the campaign's start; ``paused`` waits for a resume instead.

        After an interruption the same call with the same file continues where it stopped. Raises BadFile, InvalidCampaign
        (also without a good row), and CampaignDuplicate, unless ``again``, for a file or rows that were submitted before.
        """
        self._check_request(request)
        opened = _open(source)
        # An owner's key must not learn what others have submitted.
        owned = (owner,) if owner else ()
        draft = hash_of(opened.fingerprint, request_json(request), opened.name, *owned)
        file = hash_of(opened.fingerprint, *owned)
        description = {
            "file": opened.name,
            "kind": opened.kind,
            "encoding": opened.encoding,
            "fingerprint": opened.fingerprint[:16],
            "size": opened.size,
        }
        for _ in range(2):
            checker = self._checker(opened, request, progress, on_problem)
            fields = {"src": json.dumps(description), "cols": json.dumps(list(checker.columns))}
            created = self._create(request, fields, draft=draft, file=file, again=again, actor=actor, owner=owner)
            if self._append_chunks(checker, created):
                break
            # The interrupted submission had other rows, perhaps as a number is on the do-not-call list since. Start over:
            # a draft has called nobody yet.
            self._store.call(campaigns.drop_draft, created.id, draft)
        report = checker.report
        if report.good == 0:
            self._store.call(campaigns.drop_draft, created.id, draft)
            raise InvalidCampaign([_no_good_rows(report)])
        content = hash_of(report.content, owner) if owner else report.content
        how: Literal["start", "pause"] = "pause" if paused else "start"
        finished = self._finish(
            created.id, report.totals(), content=content, file=file, draft=draft, again=again, actor=actor, how=how
        )
        if finished.outcome == "duplicate":
            raise self._duplicate(finished.id)
        self._waker.submit([request.call.account])
        return self._queries.get(created.id)

    def add(
        self,
        name: str,
        source: Any,
        *,
        actor: str,
        again: bool = False,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CampaignRecord:
        """Adds a file's good rows, all or none, to a campaign that has not ended.

        Raises CampaignNotFound, CampaignNotAllowed for one that has ended, and what :meth:`submit` raises.
        """
        stored = self._queries.find(name)
        if stored.state in (CampaignState.DRAFT, CampaignState.COMPLETED, CampaignState.CANCELED):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {stored.state}: rows cannot be added")
        checker = self._checker(_open(source), read_request(stored), progress, on_problem)
        if list(checker.columns) != json.loads(stored.fields["cols"]):
            problem = "has other columns than the campaign"
            raise InvalidCampaign([FieldProblem("file", "other_columns", problem, "use the same columns")])
        chunks = [
            NewChunk(len(rows), pack(rows) if rows else b"", pack_problems(rejected) if rejected else b"")
            for rows, rejected in checker.chunks(CHUNK_ROWS)
        ]
        report, keep = checker.report, self._settings.call_retention
        if report.good == 0:
            raise InvalidCampaign([_no_good_rows(report)])
        if report.good > MAX_ADDED:
            remedy = "submit it as a new campaign"
            raise InvalidCampaign([FieldProblem("file", "too_many_rows", f"has more than {MAX_ADDED} rows", remedy)])
        added = self._store.run(
            campaign_transitions.append(stored.id, -1, chunks, content=report.content, again=again, keep=keep)
        )
        if added.outcome == "duplicate":
            raise self._duplicate(added.id)
        if added.outcome != "added":
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} has ended meanwhile: rows cannot be added")
        before = json.loads(stored.fields.get("rows") or "{}")
        totals = {key: before.get(key, 0) + count for key, count in report.totals().items()}
        self._finish(
            stored.id, totals, content=report.content, again=again, actor=actor, how="add", detail=str(report.good)
        )
        return self._queries.get(stored.id)

    def copy(
        self, stored: StoredCampaign, title: str, rows: Iterator[PackedRow], *, actor: str, owner: str, paused: bool
    ) -> CampaignRecord:
        """A new campaign of these rows under the stored one's policy, without its start and end.

        Raises InvalidCampaign without rows.
        """
        old = read_request(stored)
        policy = old.policy.model_copy(update={"starts_at": None, "ends_at": None})
        request = old.model_copy(update={"name": title, "policy": policy})
        fields = {"src": stored.fields["src"], "cols": stored.fields["cols"], "from": stored.id}
        draft = secrets.token_hex(16)
        created = self._create(request, fields, draft=draft, file="", again=True, actor=actor, owner=owner)
        total = index = 0
        while chunk := list(islice(rows, CHUNK_ROWS)):
            self._store.run(campaign_transitions.append(created.id, index, [NewChunk(len(chunk), pack(chunk))]))
            total, index = total + len(chunk), index + 1
        if total == 0:
            self._store.call(campaigns.drop_draft, created.id, "")
            raise InvalidCampaign([FieldProblem("rows", "no_rows", "are none", "every row was answered")])
        totals = {"file": total, "good": total, "bad": 0, "duplicate": 0, "suppressed": 0}
        how: Literal["start", "pause"] = "pause" if paused else "start"
        self._finish(created.id, totals, content=hash_of(created.id), again=True, actor=actor, how=how)
        return self._queries.get(created.id)

    def _checker(
        self, source: RowSource, request: CampaignRequest, progress: OnProgress | None, on_problem: OnProblem | None
    ) -> RowChecker:
        def suppressed(numbers: list[str]) -> list[bool]:
            return self._store.call(do_not_call.is_listed, numbers)

        return RowChecker(
            source, request, self._settings, suppressed=suppressed, progress=progress, on_problem=on_problem
        )

    def _check_request(self, request: CampaignRequest) -> None:
        """Checks what depends on this installation: its accounts, its own numbers, hours that never come."""
        problems = []
        settings, policy = self._settings, request.policy
        names = settings.account_names
        if request.call.account not in names:
            remedy = f"use one of {', '.join(names)}"
            problems.append(FieldProblem("call.account", "account_unknown", "is not configured", remedy))
        initiator = request.call.callfrom
        if settings.frequency_caps and initiator and initiator not in settings.own_numbers:
            problem = "would ring for every row, and has a frequency cap"
            remedy = "add it to ALODIAL_OWN_NUMBERS if it is your own phone"
            problems.append(FieldProblem("call.callfrom", "frequency_cap", problem, remedy))
        now_ms = self._store.call(server_ms)
        if policy.ends_at is not None and policy.ends_at.timestamp() * 1000 <= now_ms:
            problems.append(FieldProblem("policy.ends_at", "in_the_past", "has passed", "give a later time"))
        if not opening_moments(request, settings, (main_zone(request, settings),), now_ms):
            remedy = "extend them; no campaign calls outside of ALODIAL_COURTESY_HOURS"
            problems.append(FieldProblem("policy.hours", "never_open", "never come within 40 days", remedy))
        if problems:
            raise InvalidCampaign(problems)

    def _create(
        self,
        request: CampaignRequest,
        fields: dict[str, str],
        *,
        draft: str,
        file: str,
        again: bool,
        actor: str,
        owner: str,
    ) -> Created:
        """A draft for the rows, new or of an interrupted submission, with its calendar."""
        stored_fields = fields_of(request, owner) | fields
        keep = self._settings.call_retention
        created = self._store.run(
            campaign_transitions.create(
                new_ids()[0], stored_fields, draft=draft, file=file, again=again, keep=keep, actor=actor
            )
        )
        if created.outcome == "duplicate":
            raise self._duplicate(created.id)
        write_calendar(self._store, self._settings, request, created.id, self._store.call(server_ms))
        return created

    def _append_chunks(self, checker: RowChecker, created: Created) -> bool:
        """Appends the rows of the file; False when the draft already holds other rows."""
        stored_problems = 0
        for index, (rows, rejected) in enumerate(checker.chunks(CHUNK_ROWS)):
            blob = pack(rows) if rows else b""
            if index < created.chunks:
                stored = self._store.call(campaigns.chunk, created.id, index)
                if (stored.blob if stored else b"") != blob:
                    return False
                continue
            problems = rejected[: max(0, MAX_STORED_PROBLEMS - stored_problems)]
            stored_problems += len(problems)
            chunk = NewChunk(len(rows), blob, pack_problems(problems) if problems else b"")
            self._store.run(campaign_transitions.append(created.id, index, [chunk]))
        return True

    def _finish(
        self,
        campaign: str,
        totals: dict[str, int],
        *,
        content: str,
        again: bool,
        actor: str,
        how: Literal["start", "pause", "add"],
        file: str = "",
        draft: str = "",
        detail: str = "",
    ) -> Finished:
        return self._store.run(
            campaign_transitions.finish(
                campaign,
                content=content,
                file=file,
                draft=draft,
                again=again,
                keep=self._settings.call_retention,
                actor=actor,
                totals=json.dumps(totals),
                how=how,
                detail=detail,
            )
        )

    def _duplicate(self, id: str) -> CampaignDuplicate:
        stored = self._store.call(campaigns.read, [id])
        return CampaignDuplicate(id, stored[0].fields["n"] if stored else "")


def _open(source: Any) -> RowSource:
    return source if hasattr(source, "fingerprint") else open_source(source)


def _no_good_rows(report: CheckReport) -> FieldProblem:
    counts = f"{report.rows} rows: {report.bad} bad, {report.duplicate} duplicate, {report.suppressed} suppressed"
    problem = f"has no row that can be called ({counts})"
    return FieldProblem("file", "no_good_rows", problem, "correct the rows and submit again")
