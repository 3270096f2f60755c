"""Campaigns for whoever asks: Python, HTTP, the command line and the monitor all come through here."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from alodial_schemas import FieldProblem, new_ids
from alodial_schemas.campaigns import CampaignKind, CampaignPolicy, CampaignRequest, CampaignState

from ..doorbell import Doorbell
from ..settings import Settings
from ..store import campaign_ops, campaigns, dnc, inbox
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..store.records import CallRecord, iso
from .calendars import hours_of, main_zone, moments, read_request, write_calendar
from .check import CheckReport, Judge, Progress
from .errors import CampaignDuplicate, CampaignNotAllowed, CampaignNotFound, InvalidCampaign
from .estimate import expected_end
from .expand import Expander, make_body
from .files import Source, open_source
from .pack import CHUNK_ROWS, PackedRow, RowProblem, RowSpec, pack, pack_problems, unpack, unpack_problems
from .records import Activity, CampaignPage, CampaignRecord, ResultRow

log = structlog.get_logger("alodial.campaigns")

OnProgress = Callable[[Progress], None]
OnProblem = Callable[[RowProblem], None]

MOST_KEPT_PROBLEMS = 100_000
"""Bad rows that the store keeps to be shown again; what was told while the file was read is not bounded."""

MOST_ADDED = 200_000
"""Rows added to a running campaign at once: they go in by one script, all or none."""

SECONDS_PER_CALL: Final = 45.0
"""How long a call holds a channel, for an estimate before there are any results."""

FAR_MS = 400 * 86_400_000
_KEEP: Final[Any] = object()
KEEP = _KEEP


def expander_of(stored: StoredCampaign) -> Expander:
    """Makes the calls of a stored campaign."""
    request = read_request(stored.fields["req"])
    latest = stored.moment("end")
    if request.policy.row_ttl is not None:
        begun = max(stored.number("start"), stored.number("st") or stored.number("cr"))
        ttl = begun + request.policy.row_ttl * 1000
        latest = ttl if latest is None else min(latest, ttl)
    return Expander(
        request,
        seed=bytes.fromhex(stored.fields["sd"]),
        made_ms=stored.number("cr"),
        total=stored.number("tot"),
        latest_ms=latest,
    )


class Campaigns:
    """Submits, steers and shows campaigns. Every method raises StoreUnavailable while Redis is away.

    ``name`` may be a campaign's id, a beginning of it, or its name where only one has it. ``who`` is written into the
    campaign's activity log.
    """

    def __init__(self, store: Store, settings: Settings, doorbell: Doorbell) -> None:
        self._store = store
        self.settings = settings
        self._doorbell = doorbell

    # Submitting

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
        now_ms = self._store.call(inbox.server_ms)
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
        who: str,
        again: bool = False,
        paused: bool = False,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CampaignRecord:
        """Stores the good rows and starts dialling when its time comes; ``paused`` waits for a resume.

        Broken off, the same call with the same file goes on where it stopped. Raises BadFile, InvalidCampaign (also when
        no row is good) and CampaignDuplicate for a file, or the same rows in another one, that was submitted before.
        """
        self._check_request(request)
        opened = _opened(source)
        draft = _hash(opened.fingerprint or secrets.token_hex(16), _request_json(request), opened.name)
        file = _hash(opened.fingerprint) if opened.fingerprint else ""
        for _ in range(2):
            judge = self._judge(opened, request, progress, on_problem)
            created = self._create(opened, request, judge, draft=draft, file=file, again=again, who=who)
            if self._load(judge, created):
                break
            # Begun with other rows: a number came onto the do-not-call list meanwhile, perhaps. Nobody was called yet.
            self._store.call(lambda client, id=created.id: campaigns.drop_draft(client, id, draft))  # type: ignore[misc]  # lambda default
        report = judge.report
        if report.good == 0:
            self._store.call(lambda client: campaigns.drop_draft(client, created.id, draft))
            raise InvalidCampaign([_no_good_rows(report)])
        finished = self._store.run(
            campaign_ops.finish(
                created.id,
                content=report.content,
                file=file,
                draft=draft,
                again=again,
                keep=self.settings.call_retention,
                who=who,
                totals=json.dumps(report.totals()),
                how="pause" if paused else "start",
            )
        )
        if finished.outcome == "duplicate":
            raise self._duplicate(finished.id)
        self._doorbell.submit([request.call.account])
        log.info("campaign.submitted", campaign=created.id, rows=report.good, state=finished.outcome)
        return self.get(created.id)

    def add(
        self,
        name: str,
        source: Any,
        *,
        who: str,
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
            campaign_ops.NewChunk(len(rows), pack(rows) if rows else b"", pack_problems(bad) if bad else b"")
            for rows, bad in judge.chunks(CHUNK_ROWS)
        ]
        report = judge.report
        if report.good == 0:
            raise InvalidCampaign([_no_good_rows(report)])
        if report.good > MOST_ADDED:
            remedy = "submit it as a campaign of its own"
            raise InvalidCampaign([FieldProblem("file", "too_many_rows", f"has more than {MOST_ADDED} rows", remedy)])
        added = self._store.run(
            campaign_ops.append(
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
            campaign_ops.finish(
                stored.id,
                content=report.content,
                file="",
                draft="",
                again=again,
                keep=self.settings.call_retention,
                who=who,
                totals=json.dumps(totals),
                how="add",
                detail=str(report.good),
            )
        )
        return self.get(stored.id)

    def _judge(
        self, source: Source, request: CampaignRequest, progress: OnProgress | None, on_problem: OnProblem | None
    ) -> Judge:
        return Judge(
            source,
            request,
            self.settings,
            suppressed=lambda numbers: self._store.call(lambda client: dnc.listed(client, numbers)),
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
        now_ms = self._store.call(inbox.server_ms)
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
        self, source: Source, request: CampaignRequest, judge: Judge, *, draft: str, file: str, again: bool, who: str
    ) -> campaign_ops.Created:
        told = {
            "file": source.name,
            "kind": source.kind,
            "encoding": source.encoding,
            "fingerprint": source.fingerprint[:16],
            "size": source.size,
        }
        created = self._store.run(
            campaign_ops.create(
                new_ids()[0],
                {**_fields(request), "src": json.dumps(told), "cols": json.dumps(list(judge.columns))},
                draft=draft,
                file=file,
                again=again,
                keep=self.settings.call_retention,
                who=who,
            )
        )
        if created.outcome == "duplicate":
            raise self._duplicate(created.id)
        write_calendar(self._store, self.settings, request, created.id, self._store.call(inbox.server_ms))
        return created

    def _load(self, judge: Judge, created: campaign_ops.Created) -> bool:
        """Appends what the file holds; False when a draft that was begun before holds something else."""
        kept = 0
        for index, (rows, bad) in enumerate(judge.chunks(CHUNK_ROWS)):
            blob = pack(rows) if rows else b""
            if index < created.chunks:
                there = self._store.call(lambda client, i=index: campaigns.chunk(client, created.id, i))  # type: ignore[misc]  # lambda default
                if (there.blob if there else b"") != blob:
                    return False
                continue
            few = bad[: max(0, MOST_KEPT_PROBLEMS - kept)]
            kept += len(few)
            chunk = campaign_ops.NewChunk(len(rows), blob, pack_problems(few) if few else b"")
            self._store.run(campaign_ops.append(created.id, index, [chunk]))
        return True

    def _duplicate(self, id: str) -> CampaignDuplicate:
        stored = self._store.call(lambda client: campaigns.read(client, [id]))
        return CampaignDuplicate(id, stored[0].fields["n"] if stored else "")

    # Steering

    def pause(self, name: str, *, who: str, reason: str = "") -> CampaignRecord:
        """No new POST of it on any worker from the next arm on; what rings goes on."""
        return self._steer(name, "pause", who, reason)

    def resume(self, name: str, *, who: str) -> CampaignRecord:
        return self._steer(name, "resume", who, "")

    def cancel(self, name: str, *, who: str, reason: str = "") -> CampaignRecord:
        """For good. What waits is canceled, what rings goes on to its result."""
        return self._steer(name, "cancel", who, reason)

    def change(
        self,
        name: str,
        *,
        who: str,
        pace: float | None = _KEEP,
        channels: int | None = _KEEP,
        weight: int = _KEEP,
        ends_at: datetime | None = _KEEP,
    ) -> CampaignRecord:
        """Changes a campaign that has not ended; None lifts a limit. Raises InvalidCampaign for what it cannot be."""
        stored = self._one(name)
        given = {"pace": pace, "channels": channels, "weight": weight, "ends_at": ends_at}
        asked = {key: value for key, value in given.items() if value is not _KEEP}
        old = read_request(stored.fields["req"])
        policy = _policy({**{key: getattr(old.policy, key) for key in old.policy.model_fields_set}, **asked})
        request = old.model_copy(update={"policy": policy})
        fields = _fields(request)
        changes = {key: fields.get(key, "") for key in ("pace", "ch", "w", "end", "req")}
        told = ", ".join(f"{key} {value if value is not None else 'none'}" for key, value in asked.items())
        return self._steered(stored, campaign_ops.steer(stored.id, "change", who=who, reason=told, changes=changes))

    def clone(self, name: str, *, who: str, new_name: str = "") -> CampaignRecord:
        """The same rows and policy once more, paused: look at it, then resume it."""
        stored = self._one(name)
        title = new_name or f"{stored.fields['n'][:90]} (copy)"
        rows = (row for _, row in self._packed(stored))
        return self._again(stored, title, rows, who, paused=True)

    def retry_failed(self, name: str, *, who: str, new_name: str = "") -> CampaignRecord:
        """A new campaign of the rows that nobody answered. The old one must have ended, or a row might ring in both."""
        stored = self._one(name)
        if stored.state not in (CampaignState.COMPLETED, CampaignState.CANCELED):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {stored.state}: its rows may still be called")
        title = new_name or f"{stored.fields['n'][:90]} (retry)"
        unanswered = (row for row, call in self._outcomes(stored) if _may_be_retried(call))
        return self._again(stored, title, unanswered, who, paused=False)

    def _again(
        self, stored: StoredCampaign, title: str, rows: Iterator[PackedRow], who: str, *, paused: bool
    ) -> CampaignRecord:
        old = read_request(stored.fields["req"])
        policy = old.policy.model_copy(update={"starts_at": None, "ends_at": None})
        request = old.model_copy(update={"name": title, "policy": policy})
        created = self._store.run(
            campaign_ops.create(
                new_ids()[0],
                {**_fields(request), "src": stored.fields["src"], "cols": stored.fields["cols"], "from": stored.id},
                draft=secrets.token_hex(16),
                file="",
                again=True,
                keep=self.settings.call_retention,
                who=who,
            )
        )
        write_calendar(self._store, self.settings, request, created.id, self._store.call(inbox.server_ms))
        total = index = 0
        batch: list[PackedRow] = []
        for row in rows:
            batch.append(row)
            if len(batch) == CHUNK_ROWS:
                self._store.run(
                    campaign_ops.append(created.id, index, [campaign_ops.NewChunk(len(batch), pack(batch))])
                )
                total, index = total + len(batch), index + 1
                batch = []
        if batch:
            self._store.run(campaign_ops.append(created.id, index, [campaign_ops.NewChunk(len(batch), pack(batch))]))
            total += len(batch)
        if total == 0:
            self._store.call(lambda client: campaigns.drop_draft(client, created.id, ""))
            raise InvalidCampaign([FieldProblem("rows", "no_rows", "are none", "every row was answered")])
        totals = {"file": total, "good": total, "bad": 0, "duplicate": 0, "suppressed": 0}
        self._store.run(
            campaign_ops.finish(
                created.id,
                content=_hash(created.id),
                file="",
                draft="",
                again=True,
                keep=self.settings.call_retention,
                who=who,
                totals=json.dumps(totals),
                how="pause" if paused else "start",
            )
        )
        return self.get(created.id)

    def _steer(self, name: str, action: campaign_ops.Action, who: str, reason: str) -> CampaignRecord:
        stored = self._one(name)
        return self._steered(stored, campaign_ops.steer(stored.id, action, who=who, reason=reason))

    def _steered(self, stored: StoredCampaign, op: Any) -> CampaignRecord:
        done: campaign_ops.Steered = self._store.run(op)
        if done.outcome in ("refused", "unknown"):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {done.state or 'gone'}: that cannot be done")
        return self.get(stored.id)

    # Showing

    def get(self, name: str) -> CampaignRecord:
        """Raises CampaignNotFound, also when several have that name."""
        return self._record(self._one(name))

    def list(self, *, state: str = "", cursor: str | None = None, limit: int = 50) -> CampaignPage:
        """Newest first. With ``state`` a page may be short: go on until the cursor is None."""
        ids = self._store.call(lambda client: campaigns.page(client, cursor, limit))
        stored = self._store.call(lambda client: campaigns.read(client, ids.ids))
        return CampaignPage([self._record(one) for one in stored if not state or one.state == state], ids.cursor)

    def activity(self, name: str, limit: int = 100) -> Sequence[Activity]:
        """Who did what to it, newest first."""
        stored = self._one(name)
        acts = self._store.call(lambda client: campaigns.activity(client, stored.id, limit))
        return [Activity(iso(act.at_ms), act.who, act.action, act.detail) for act in acts]

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
            first = iter(self._store.call(lambda client: campaigns.records(client, names)))
            for place, row in batch:
                call = next(first) if place < called else None
                if call is not None and not _is_of(call, stored.id, row.spec, request):
                    other = expander.extids(place)[1]
                    (call,) = self._store.call(lambda client, x=other: campaigns.records(client, [x]))  # type: ignore[misc]  # lambda default
                yield row, call

        for place, row in self._packed(stored):
            batch.append((place, row))
            if len(batch) == CHUNK_ROWS:
                yield from found()
                batch = []
        yield from found()

    def _packed(self, stored: StoredCampaign) -> Iterator[tuple[int, PackedRow]]:
        for index in range(stored.number("nc")):
            chunk = self._store.call(lambda client, i=index: campaigns.chunk(client, stored.id, i))  # type: ignore[misc]  # lambda default
            if chunk is not None:
                yield from enumerate(unpack(chunk.blob), start=chunk.base)

    def _one(self, name: str) -> StoredCampaign:
        ids = self._store.call(lambda client: campaigns.find(client, name))
        stored = self._store.call(lambda client: campaigns.read(client, ids[:2]))
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
        start = max(now_ms, stored.number("start") if stored else _start_ms(request.policy))
        daily = [n for n in (limits.daily_calls, request.policy.daily.calls if request.policy.daily else 0) if n]
        return expected_end(
            calls=calls * each,
            rate=min(rates, default=0.0),
            channels=min(channels, default=0),
            seconds_per_call=took,
            open_from=moments(request, self.settings, (zone,), start, days=370),
            now_ms=start,
            daily_calls=min(daily, default=None),
        )


_ENDS: Final = ("completed", "rejected", "failed", "expired", "canceled", "timed_out")
_CALL_STATES: Final = ("scheduled", "queued", "submitting", "submitted", "unconfirmed", *_ENDS)


def _opened(source: Any) -> Source:
    return source if hasattr(source, "fingerprint") else open_source(source)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _request_json(request: CampaignRequest) -> str:
    return request.model_dump_json(exclude_defaults=True)


def _policy(values: dict[str, Any]) -> CampaignPolicy:
    from pydantic import ValidationError  # noqa: PLC0415  # only a change needs it

    from alodial_schemas.campaigns import campaign_problems  # noqa: PLC0415  # as above

    try:
        return CampaignPolicy.model_validate(values)
    except ValidationError as exc:
        raise InvalidCampaign(campaign_problems(exc)) from None


def _start_ms(policy: CampaignPolicy) -> int:
    return 0 if policy.starts_at is None else int(policy.starts_at.timestamp() * 1000)


def _fields(request: CampaignRequest) -> dict[str, Any]:
    """The campaign's hash: what scripts look at as single values, and the whole request for whoever shows it."""
    policy, kind = request.policy, request.call.kind
    fields: dict[str, Any] = {
        "n": request.name,
        "a": request.call.account,
        "p": policy.priority[0],
        "w": policy.weight,
        "sd": secrets.token_hex(16),
        "req": _request_json(request),
        "pace": policy.pace,
        "ch": policy.channels,
        "start": _start_ms(policy) or None,
        "end": None if policy.ends_at is None else int(policy.ends_at.timestamp() * 1000),
        "u": "redial" if request.call.on_unconfirmed == "redial" else None,
        "nz": 1 if policy.hours is not None and policy.hours.timezone == "number" else None,
        "pre": " ".join(policy.allowed_prefixes) if policy.allowed_prefixes else None,
        "rd": policy.redial.model_dump_json() if policy.redial else None,
    }
    if policy.daily is not None:
        fields["dc"] = policy.daily.calls
        fields["dm"] = policy.daily.minutes and policy.daily.minutes * 60
        fields["rs"] = policy.daily.reserve_minutes * 60
    if policy.stop is not None:
        fields["goal"] = policy.stop.answered
        fields["fm"] = policy.stop.failures_in_row
    if policy.allowed_prefixes and kind == "two-way" and request.call.callfrom:
        # Its own initiator is rung too, and was judged by the installation's list.
        fields["pre"] += f" {request.call.callfrom}"
    return {name: value for name, value in fields.items() if value is not None}


def _no_good_rows(report: CheckReport) -> FieldProblem:
    told = f"has no row that can be called ({report.rows} rows: {report.bad} bad, {report.duplicate} duplicate, "
    return FieldProblem(
        "file", "no_good_rows", f"{told}{report.suppressed} suppressed)", "mend the rows and submit again"
    )


def _is_of(call: CallRecord, campaign: str, spec: RowSpec, request: CampaignRequest) -> bool:
    return call.campaign_id == campaign and call.request == json.loads(make_body(spec, request))


def _may_be_retried(call: CallRecord | None) -> bool:
    """A call that is still on its way, or whose outcome nobody knows, is left alone."""
    if call is None:
        return True
    if call.state == "completed":
        return call.disposition != "answered"
    return call.state in ("rejected", "failed", "expired", "canceled") and call.reason != "do_not_call"


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
        talk_seconds=talk_seconds(result) if result and call.disposition == "answered" else None,
        record=result.get("record"),
        reason=call.reason,
        attempts_at=[attempt["submitted_at"] for attempt in tried],
    )


def talk_seconds(result: dict[str, Any]) -> int:
    """Seconds that were talked: from the answer to the end, or the duration where those times were not told."""
    answered, ended = result.get("answer_time"), result.get("end_time")
    if answered and ended:
        return max(0, round((datetime.fromisoformat(ended) - datetime.fromisoformat(answered)).total_seconds()))
    return max(0, round(result.get("duration") or 0))


__all__ = ["KEEP", "CampaignKind", "Campaigns", "expander_of", "talk_seconds"]
