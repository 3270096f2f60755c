"""Stores the rows of files as campaigns."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from alodial_schemas import FieldProblem, new_ids
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ..errors import LimitReached
from ..settings import Settings
from ..store import campaign_transitions, campaigns, do_not_call
from ..store.caller import INSTALLATION, Caller
from ..store.campaign_transitions import Created, NewChunk, RequestKey
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..wakeup import Waker
from .calendar import write_calendar
from .errors import CampaignDuplicate, CampaignKeyConflict, CampaignNotAllowed, InvalidCampaign, closed_to_rows
from .file_check import FileCheck
from .importing.files import as_source
from .importing.files.source import Hidden
from .importing.questions import require_answers
from .importing.row_check import CheckReport, OnProblem, OnProgress
from .queries import CampaignQueries
from .records import CampaignRecord
from .row_codec import CHUNK_ROWS, PackedRow, RowProblem, pack, pack_problems
from .stored_fields import fields_of, hash_of, owned_hash, read_request, request_json, request_key

MAX_STORED_PROBLEMS = 100_000
"""Rejected rows that the store keeps; ``on_problem`` receives all of them."""

MAX_STARTS = 5
"""How often a submission starts over when another process submits the same file and reads other rows in it."""

MAX_ADDED = 200_000
"""Rows added to a running campaign at once: a single script adds all of them or none."""

_RIVAL = "the same rows are being submitted by another process; send the request again"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A campaign whose rows are being stored. ``id`` is the same for the same submission; ``file`` is the hash by which a second
    one is a duplicate, unless ``again``, and "" for none."""

    id: str
    request: CampaignRequest
    file: str
    again: bool
    actor: str
    owner: str
    key: RequestKey
    paused: bool


class CampaignSubmission:
    """The submitting half of :class:`~alodial.campaigns.service.CampaignService`."""

    def __init__(
        self, store: Store, settings: Settings, waker: Waker, queries: CampaignQueries, check: FileCheck
    ) -> None:
        self._store = store
        self._settings = settings
        self._waker = waker
        self._queries = queries
        self._check = check

    def repeated(self, key: RequestKey) -> CampaignRecord | None:
        """The campaign that an earlier request with this key made or added rows to; None when there is none yet.

        Raises CampaignKeyConflict when that was another request.
        """
        use = self._store.call(campaigns.use_of_key, key.hash) if key.hash else None
        stored = self._store.call(campaigns.read, [use.campaign]) if use else []
        if not use or not stored:
            return None
        if use.digest != key.digest:
            raise CampaignKeyConflict(use.campaign)
        return None if stored[0].state == CampaignState.DRAFT else self._repeated(use.campaign)

    def submit(
        self,
        source: Any,
        request: CampaignRequest,
        *,
        actor: str,
        again: bool = False,
        paused: bool = False,
        caller: Caller = INSTALLATION,
        idempotency_key: str = "",
        scope: str = "",
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CampaignRecord:
        """Stores the good rows and starts dialling at the campaign's start; ``paused`` waits for a resume instead.

        After an interruption the same call with the same file continues where it stopped. The same ``idempotency_key``
        (of the same ``scope``, the caller) returns the same campaign, also with ``again``. Raises BadFile, InvalidCampaign
        (also without a good row), CampaignKeyConflict, LimitReached for more than the caller may have waiting or stored, and
        CampaignDuplicate, unless ``again``, for a file or rows that were submitted before.
        """
        opened, owner = as_source(source), caller.owner
        key = request_key(idempotency_key, scope, "submit", opened.fingerprint, request_json(request), str(paused))
        if record := self.repeated(key):
            return record
        self._check.require_valid(request)
        id = owned_hash(owner, opened.fingerprint, request_json(request), opened.name)
        draft = _Draft(id, request, owned_hash(owner, opened.fingerprint), again, actor, owner, key, paused)
        description = {
            "file": opened.name,
            "kind": opened.kind,
            "encoding": opened.encoding,
            "fingerprint": opened.fingerprint[:16],
            "size": opened.size,
        }
        for start in range(MAX_STARTS):
            checker = self._check.checker(opened, request, progress, on_problem, owner=owner)
            require_answers(checker.report.questions)
            fields = {"src": json.dumps(description), "cols": json.dumps(list(checker.columns))}
            fields |= {"kc": caller.caps, "qt": caller.quota, "tn": owner if caller.tenant else ""}
            created = self._create(draft, fields, over=start > 0)
            if created.outcome == "same":
                return self._repeated(created.id)
            chunks = (
                (pack(rows) if rows else b"", len(rows), rejected) for rows, rejected in checker.chunks(CHUNK_ROWS)
            )
            report = checker.report
            whole = self._append_chunks(chunks, created, draft)
            if not whole or report.questions or report.good == 0:
                if record := self._drop(created, draft):
                    return record
                if whole:
                    require_answers(report.questions)
                    raise InvalidCampaign([_no_good_rows(report)])
                continue
            content = owned_hash(owner, report.content) if owner else report.content
            if record := self._finish(created, draft, report.totals(), content):
                return record
        raise CampaignNotAllowed(_RIVAL)

    def add(
        self,
        name: str,
        source: Any,
        *,
        actor: str,
        again: bool = False,
        idempotency_key: str = "",
        scope: str = "",
        sheet: str | None = None,
        header_row: int | None = None,
        hidden: Hidden | None = None,
        columns: Mapping[str, str] | None = None,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CampaignRecord:
        """Adds a file's good rows, all or none, to a campaign that has not ended.

        ``sheet``, ``header_row``, ``hidden`` and ``columns`` are this file's, as in a campaign's request; without ``columns``
        they are used as the campaign's. The same ``idempotency_key`` adds
        them once. Raises CampaignNotFound, CampaignNotAllowed for one that has ended, and what :meth:`submit` raises.
        """
        stored = self._queries.find(name)
        opened = as_source(source)
        reading = {"sheet": sheet, "header_row": header_row, "hidden": hidden, "columns": columns}
        said = {name: value for name, value in reading.items() if value is not None}
        how = [json.dumps(said, sort_keys=True)] if said else []
        key = request_key(idempotency_key, scope, f"add {stored.id}", opened.fingerprint, *how)
        if record := self.repeated(key):
            return record
        if stored.state in (CampaignState.DRAFT, CampaignState.COMPLETED, CampaignState.CANCELED):
            raise closed_to_rows(stored.fields["n"], stored.state)
        request = read_request(stored)
        update = {"sheet": sheet, "header_row": header_row, "hidden": hidden or request.hidden}
        request = request.model_copy(update=update if columns is None else update | {"columns": dict(columns)})
        owner = stored.fields.get("ow", "")
        checker = self._check.checker(opened, request, progress, on_problem, campaign=stored.id, owner=owner)
        require_answers(checker.report.questions)
        if list(checker.columns) != json.loads(stored.fields["cols"]):
            problem = "has other columns than the campaign"
            raise InvalidCampaign([FieldProblem("file", "other_columns", problem, "use the same columns")])
        chunks = [
            NewChunk(len(rows), pack(rows) if rows else b"", pack_problems(rejected) if rejected else b"")
            for rows, rejected in checker.chunks(CHUNK_ROWS)
        ]
        report = checker.report
        require_answers(report.questions)
        if report.good == 0:
            raise InvalidCampaign([_no_good_rows(report)])
        if report.good > MAX_ADDED:
            remedy = "submit it as a new campaign"
            raise InvalidCampaign([FieldProblem("file", "too_many_rows", f"has more than {MAX_ADDED} rows", remedy)])
        totals = json.dumps(report.totals())
        content = owned_hash(owner, report.content) if owner else report.content
        added = self._store.run(
            campaign_transitions.add(
                stored.id, chunks, content=content, again=again, actor=actor, totals=totals, key=key
            )
        )
        match added.outcome:
            case "duplicate":
                raise self._duplicate(added.id, owner)
            case "conflict":
                raise CampaignKeyConflict(added.id)
            case "same":
                return self._repeated(added.id)
            case "closed" | "gap":
                raise closed_to_rows(stored.fields["n"], added.id)
        return self._queries.get(stored.id)

    def copy(
        self,
        stored: StoredCampaign,
        title: str,
        rows: Callable[[], Iterator[PackedRow]],
        *,
        actor: str,
        caller: Caller,
        paused: bool,
        key: RequestKey,
        once: str = "",
        left_out: Callable[[], int] = int,
    ) -> CampaignRecord | None:
        """A new campaign of these rows under the stored one's policy and own do-not-call list, without its start and end.

        ``once`` is a text for which there is one campaign at most; ``left_out`` counts, after a reading of ``rows``, what is not
        among them. None without rows. Raises CampaignDuplicate.
        """
        old = read_request(stored)
        policy = old.policy.model_copy(update={"starts_at": None, "ends_at": None})
        request = old.model_copy(update={"name": title, "policy": policy})
        fields = {"src": stored.fields["src"], "cols": stored.fields["cols"], "from": stored.id}
        owner = stored.fields.get("ow") or caller.owner
        fields["kc"] = stored.fields.get("kc") or caller.caps
        fields["qt"] = caller.quota or stored.fields.get("qt", "")
        fields["tn"] = owner if caller.tenant else stored.fields.get("tn", "")
        id = once or key.hash or secrets.token_hex(16)
        draft = _Draft(id, request, once, not once, actor, owner, key, paused)
        for start in range(MAX_STARTS):
            created = self._create(draft, fields, over=start > 0)
            if created.outcome == "same":
                return self._repeated(created.id)
            source, total = rows(), 0

            def chunks(source: Iterator[PackedRow] = source) -> Iterator[tuple[bytes, int, list[RowProblem]]]:
                nonlocal total
                while chunk := list(islice(source, CHUNK_ROWS)):
                    total += len(chunk)
                    yield pack(chunk), len(chunk), []

            whole = self._append_chunks(chunks(), created, draft)
            if not whole or total == 0:
                if record := self._drop(created, draft):
                    return record
                if whole:
                    return None
                continue
            self._copy_do_not_call(stored.id, created.id)
            totals = {"file": total + left_out(), "good": total, "bad": 0, "duplicate": 0, "suppressed": 0}
            if without := left_out():
                totals["left_out"] = without
            if record := self._finish(created, draft, totals, once or hash_of(created.id)):
                return record
        raise CampaignNotAllowed(_RIVAL)

    def _copy_do_not_call(self, source: str, target: str) -> None:
        entries = do_not_call.raw_entries(self._store.redis, self._store.keys, source)
        while chunk := list(islice(entries, do_not_call.CHUNK)):
            self._store.run(do_not_call.add_entries(target, chunk))

    def _create(self, draft: _Draft, fields: dict[str, str], *, over: bool) -> Created:
        """A draft for the rows, new or of an interrupted submission, with its calendar.

        The outcome is created, resumed or same. Raises CampaignDuplicate, CampaignKeyConflict.
        """
        stored_fields = fields_of(draft.request, draft.owner) | {name: value for name, value in fields.items() if value}
        created = self._store.run(
            campaign_transitions.create(
                new_ids()[0],
                stored_fields,
                draft=draft.id,
                file=draft.file,
                again=draft.again,
                keep=self._settings.call_retention,
                actor=draft.actor,
                key=draft.key,
                over=over,
            )
        )
        if created.outcome == "duplicate":
            raise self._duplicate(created.id, draft.owner)
        if created.outcome == "conflict":
            raise CampaignKeyConflict(created.id)
        if created.outcome != "same":
            write_calendar(self._store, self._settings, draft.request, created.id, self._store.server_ms())
        return created

    def _append_chunks(
        self, chunks: Iterator[tuple[bytes, int, list[RowProblem]]], created: Created, draft: _Draft
    ) -> bool:
        """Appends chunks to a draft; False when it holds other rows, or is no draft any more. Raises LimitReached.

        Another process may be submitting the same file: every chunk is either appended here or equal to the one there.
        Chunks are cut by good rows, so that a mixture of two readings could hold a row twice.
        """
        stored_problems = index = 0
        for index, (blob, count, rejected) in enumerate(chunks, start=1):
            had = index <= created.chunks
            if not had:
                problems = rejected[: max(0, MAX_STORED_PROBLEMS - stored_problems)]
                stored_problems += len(problems)
                chunk = NewChunk(count, blob, pack_problems(problems) if problems else b"")
                try:
                    appended = self._store.run(campaign_transitions.append(created.id, index - 1, [chunk]))
                except LimitReached:
                    # It could not go on from here before others have ended, and takes room until then.
                    self._store.run(campaign_transitions.drop(created.id, draft.id))
                    raise
                if appended.outcome in ("closed", "gap"):
                    return False
                had = appended.outcome == "had"
            if had:
                stored = self._store.call(campaigns.chunk, created.id, index - 1)
                if (stored.blob if stored else b"") != blob:
                    return False
        return index >= created.chunks

    def _drop(self, created: Created, draft: _Draft) -> CampaignRecord | None:
        """Drops a draft; returns the campaign where a rival's submission of the same request has made it one."""
        dropped = self._store.run(campaign_transitions.drop(created.id, draft.id))
        return self._queries.get(created.id) if dropped.outcome == "kept" else None

    def _finish(self, created: Created, draft: _Draft, totals: dict[str, int], content: str) -> CampaignRecord | None:
        """Makes a draft with all its rows a campaign; None for one that is gone. Raises CampaignDuplicate."""
        finished = self._store.run(
            campaign_transitions.finish(
                created.id,
                content=content,
                file=draft.file,
                draft=draft.id,
                again=draft.again,
                actor=draft.actor,
                totals=json.dumps(totals),
                how="pause" if draft.paused else "start",
            )
        )
        if finished.outcome == "duplicate":
            raise self._duplicate(finished.id, draft.owner)
        if finished.outcome == "gone":
            return None
        self._waker.submit([draft.request.call.account])
        return self._queries.get(created.id)

    def _repeated(self, id: str) -> CampaignRecord:
        return replace(self._queries.get(id), repeated=True)

    def _duplicate(self, id: str, owner: str) -> CampaignDuplicate:
        stored = self._store.call(campaigns.read, [id])
        if owner and not (stored and stored[0].fields.get("ow") == owner):
            return CampaignDuplicate("", "")
        return CampaignDuplicate(id, stored[0].fields["n"] if stored else "")


def _no_good_rows(report: CheckReport) -> FieldProblem:
    counts = f"{report.rows} rows: {report.bad} bad, {report.duplicate} duplicate, {report.suppressed} suppressed"
    remedy = "correct the rows and submit again"
    return FieldProblem("file", "no_good_rows", f"has no row that can be called ({counts})", remedy)
