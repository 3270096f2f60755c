"""From a file to a campaign: check it, submit it, add to it."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from alodial_schemas import FieldProblem, new_ids
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ..store import campaign_transitions, campaigns, do_not_call
from ..store.server_clock import server_ms
from .calendar import hours_of, main_zone, moments, read_request, write_calendar
from .errors import CampaignDuplicate, CampaignNotAllowed, InvalidCampaign
from .importing.files import Source, open_source
from .importing.row_check import CheckReport, Progress, RowChecker
from .queries import CampaignQueries
from .records import CampaignRecord
from .row_codec import CHUNK_ROWS, RowProblem, pack, pack_problems
from .stored_fields import fields_of, hash_of, owned_by, request_json

OnProgress = Callable[[Progress], None]
OnProblem = Callable[[RowProblem], None]

MAX_KEPT_PROBLEMS = 100_000
"""Bad rows that the store keeps to be shown again; what was told while the file was read is not bounded."""

MAX_ADDED = 200_000
"""Rows added to a running campaign at once: they go in by one script, all or none."""


class CampaignSubmission(CampaignQueries):
    """Checks and submits."""

    def check(
        self,
        source: Any,
        request: CampaignRequest,
        *,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CheckReport:
        """What a submission would take and refuse, and how long it would last. Nothing is stored, nobody is called.

        ``source`` is a path, an iterable of mappings or numbers, or an opened Source. Raises BadFile, InvalidCampaign.
        """
        self._check_request(request)
        judge = self._judge(_opened(source), request, progress, on_problem)
        for _ in judge.chunks(CHUNK_ROWS):
            pass
        now_ms = self._store.call(server_ms)
        judge.report.expected_end = self._expected(request, judge.report.good, now_ms, {})
        judge.report.seconds = (
            None if judge.report.expected_end is None else max(0.0, (judge.report.expected_end - now_ms) / 1000)
        )
        return judge.report

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
        """Stores the good rows and starts dialling when its time comes; ``paused`` waits for a resume.

        Broken off, the same call with the same file goes on where it stopped. Raises BadFile, InvalidCampaign (also when
        no row is good) and CampaignDuplicate for a file, or the same rows in another one, that was submitted before.
        """
        self._check_request(request)
        opened = _opened(source)
        # Whoever has a name of their own learns nothing of what others have submitted.
        mine = (owner,) if owner else ()
        draft = hash_of(opened.fingerprint or secrets.token_hex(16), request_json(request), opened.name, *mine)
        file = hash_of(opened.fingerprint, *mine) if opened.fingerprint else ""
        for _ in range(2):
            judge = self._judge(opened, request, progress, on_problem)
            created = self._create(
                opened, request, judge, draft=draft, file=file, again=again, actor=actor, owner=owner
            )
            if self._load(judge, created):
                break
            # Begun with other rows: a number came onto the do-not-call list meanwhile, perhaps. Nobody was called yet.
            self._store.call(campaigns.drop_draft, created.id, draft)
        report = judge.report
        if report.good == 0:
            self._store.call(campaigns.drop_draft, created.id, draft)
            raise InvalidCampaign([_no_good_rows(report)])
        finished = self._store.run(
            campaign_transitions.finish(
                created.id,
                content=hash_of(report.content, owner) if owner else report.content,
                file=file,
                draft=draft,
                again=again,
                keep=self.settings.call_retention,
                actor=actor,
                totals=json.dumps(report.totals()),
                how="pause" if paused else "start",
            )
        )
        if finished.outcome == "duplicate":
            raise self._duplicate(finished.id)
        self._doorbell.submit([request.call.account])
        return self.get(created.id)

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
        """Adds a file's good rows to a campaign that has not ended; all of them or none. Raises as :meth:`submit`."""
        stored = self._one(name)
        if stored.state in (CampaignState.DRAFT, CampaignState.COMPLETED, CampaignState.CANCELED):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {stored.state}: rows cannot be added")
        request = read_request(stored.fields["req"])
        judge = self._judge(_opened(source), request, progress, on_problem)
        if list(judge.columns) != json.loads(stored.fields["cols"]):
            raise InvalidCampaign(
                [FieldProblem("file", "other_columns", "has other columns than the campaign", "use the same columns")]
            )
        chunks = [
            campaign_transitions.NewChunk(len(rows), pack(rows) if rows else b"", pack_problems(bad) if bad else b"")
            for rows, bad in judge.chunks(CHUNK_ROWS)
        ]
        report = judge.report
        if report.good == 0:
            raise InvalidCampaign([_no_good_rows(report)])
        if report.good > MAX_ADDED:
            remedy = "submit it as a campaign of its own"
            raise InvalidCampaign([FieldProblem("file", "too_many_rows", f"has more than {MAX_ADDED} rows", remedy)])
        added = self._store.run(
            campaign_transitions.append(
                stored.id, -1, chunks, content=report.content, again=again, keep=self.settings.call_retention
            )
        )
        if added.outcome == "duplicate":
            raise self._duplicate(added.id)
        if added.outcome != "added":
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} has ended meanwhile: rows cannot be added")
        before = json.loads(stored.fields.get("rows") or "{}")
        totals = {key: before.get(key, 0) + count for key, count in report.totals().items()}
        self._store.run(
            campaign_transitions.finish(
                stored.id,
                content=report.content,
                file="",
                draft="",
                again=again,
                keep=self.settings.call_retention,
                actor=actor,
                totals=json.dumps(totals),
                how="add",
                detail=str(report.good),
            )
        )
        return self.get(stored.id)

    def _judge(
        self, source: Source, request: CampaignRequest, progress: OnProgress | None, on_problem: OnProblem | None
    ) -> RowChecker:
        return RowChecker(
            source,
            request,
            self.settings,
            suppressed=lambda numbers: self._store.call(do_not_call.is_listed, numbers),
            progress=progress,
            on_problem=on_problem,
        )

    def _check_request(self, request: CampaignRequest) -> None:
        """What only this installation knows: its accounts, its own numbers, whether the hours ever come."""
        problems = []
        names = self.settings.account_names
        if request.call.account not in names:
            problems.append(
                FieldProblem("call.account", "account_unknown", "is not set up here", f"use one of {', '.join(names)}")
            )
        initiator = request.call.callfrom
        if self.settings.frequency_caps and initiator and initiator not in self.settings.own_numbers:
            remedy = "name it in ALODIAL_OWN_NUMBERS if it is your own phone"
            problems.append(
                FieldProblem("call.callfrom", "frequency_cap", "would be rung for every row, and has a cap", remedy)
            )
        now_ms = self._store.call(server_ms)
        policy = request.policy
        if policy.ends_at is not None and policy.ends_at.timestamp() * 1000 <= now_ms:
            problems.append(FieldProblem("policy.ends_at", "in_the_past", "has passed", "give a later time"))
        zone = main_zone(hours_of(request, self.settings), self.settings)
        if not moments(request, self.settings, (zone,), now_ms):
            remedy = "widen them; no campaign rings outside of ALODIAL_COURTESY_HOURS"
            problems.append(FieldProblem("policy.hours", "never_open", "never come within 40 days", remedy))
        if problems:
            raise InvalidCampaign(problems)

    def _create(
        self,
        source: Source,
        request: CampaignRequest,
        judge: RowChecker,
        *,
        draft: str,
        file: str,
        again: bool,
        actor: str,
        owner: str,
    ) -> campaign_transitions.Created:
        told = {
            "file": source.name,
            "kind": source.kind,
            "encoding": source.encoding,
            "fingerprint": source.fingerprint[:16],
            "size": source.size,
        }
        created = self._store.run(
            campaign_transitions.create(
                new_ids()[0],
                {
                    **fields_of(request),
                    "src": json.dumps(told),
                    "cols": json.dumps(list(judge.columns)),
                    **owned_by(owner),
                },
                draft=draft,
                file=file,
                again=again,
                keep=self.settings.call_retention,
                actor=actor,
            )
        )
        if created.outcome == "duplicate":
            raise self._duplicate(created.id)
        write_calendar(self._store, self.settings, request, created.id, self._store.call(server_ms))
        return created

    def _load(self, judge: RowChecker, created: campaign_transitions.Created) -> bool:
        """Appends what the file holds; False when a draft that was begun before holds something else."""
        kept = 0
        for index, (rows, bad) in enumerate(judge.chunks(CHUNK_ROWS)):
            blob = pack(rows) if rows else b""
            if index < created.chunks:
                there = self._store.call(campaigns.chunk, created.id, index)
                if (there.blob if there else b"") != blob:
                    return False
                continue
            few = bad[: max(0, MAX_KEPT_PROBLEMS - kept)]
            kept += len(few)
            chunk = campaign_transitions.NewChunk(len(rows), blob, pack_problems(few) if few else b"")
            self._store.run(campaign_transitions.append(created.id, index, [chunk]))
        return True

    def _duplicate(self, id: str) -> CampaignDuplicate:
        stored = self._store.call(campaigns.read, [id])
        return CampaignDuplicate(id, stored[0].fields["n"] if stored else "")


def _opened(source: Any) -> Source:
    return source if hasattr(source, "fingerprint") else open_source(source)


def _no_good_rows(report: CheckReport) -> FieldProblem:
    told = f"has no row that can be called ({report.rows} rows: {report.bad} bad, {report.duplicate} duplicate, "
    return FieldProblem(
        "file", "no_good_rows", f"{told}{report.suppressed} suppressed)", "mend the rows and submit again"
    )
