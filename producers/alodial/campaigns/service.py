"""The entry point to campaigns: Python, HTTP, the command line and the monitor all use this class."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignState
from alodial_schemas.counts import count_text

from ..settings import Settings
from ..store import campaign_transitions, column_mappings
from ..store.caller import INSTALLATION, Caller
from ..store.campaigns import StoredCampaign
from ..store.client import Store
from ..store.logger import LibraryLogger
from ..store.records import CallRecord
from ..store.row_outcomes import RowOutcome
from ..wakeup import Waker
from .errors import CampaignDuplicate, CampaignNotAllowed, CampaignRetried, InvalidCampaign
from .file_check import FileCheck
from .importing.row_check import OnProblem, OnProgress
from .queries import UNKNOWN, CampaignQueries
from .records import CampaignRecord
from .row_codec import PackedRow
from .stored_fields import changed_policy, fields_of, hash_of, read_request, request_key
from .submission import CampaignSubmission

MAX_CHANGES = 20
"""How often a change starts over because somebody else has changed the campaign meanwhile."""

_ABOUT_TO_END: Final = ("scheduled", "queued")
"""States of the calls of an ended campaign that its cleaning up ends within seconds."""

_IN_PROGRESS: Final = ("submitting", "submitted", "unconfirmed")
"""States of calls that may ring, or be answered already."""

_NOT_KNOWN: Final = (*_IN_PROGRESS, "timed_out", UNKNOWN)
"""States of rows that may have been answered, so that a retry leaves them out."""

_FIELDS: Final = {"pace": "pace", "channels": "ch", "weight": "w", "ends_at": "end"}

log = LibraryLogger("alodial.campaigns")

KEEP: Final[Any] = object()
"""For :meth:`CampaignService.change`: leave this field unchanged."""

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def _delegate(part: str, method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate["CampaignService", P], T]:
    """A method of the service that calls the same method of one of its parts."""

    @wraps(method)
    def call(self: "CampaignService", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(getattr(self, part), *args, **kwargs)

    return call


class CampaignService:
    """``queue.campaigns``: submits, controls and reads campaigns.

    ``name`` is a campaign's id, the start of it, or its name where only one campaign has it. ``actor`` is written into the
    activity log. Every method raises StoreUnavailable while Redis cannot be reached, and CampaignNotFound for an unknown
    name.
    """

    def __init__(self, store: Store, settings: Settings, waker: Waker) -> None:
        self.settings = settings
        self._store = store
        self._queries = CampaignQueries(store, settings)
        self._check = FileCheck(store, settings, self._queries)
        self._submission = CampaignSubmission(store, settings, waker, self._queries, self._check)

    get = _delegate("_queries", CampaignQueries.get)
    list = _delegate("_queries", CampaignQueries.list)
    activity = _delegate("_queries", CampaignQueries.activity)
    problems = _delegate("_queries", CampaignQueries.problems)
    rows = _delegate("_queries", CampaignQueries.rows)
    find_rows = _delegate("_queries", CampaignQueries.find_rows)
    matching_rows = _delegate("_queries", CampaignQueries.matching_rows)
    check = _delegate("_check", FileCheck.check)
    preview = _delegate("_check", FileCheck.preview)
    test_call = _delegate("_check", FileCheck.test_call)
    submit = _delegate("_submission", CampaignSubmission.submit)
    add = _delegate("_submission", CampaignSubmission.add)

    def mapping(self, owner: str, header: str) -> dict[str, str] | None:
        """What the columns of the owner's last file with this header were used for; None for a new header."""
        return self._store.call(column_mappings.read, owner, header)

    def keep_mapping(self, owner: str, header: str, mapping: dict[str, str] | None) -> None:
        """Keeps a mapping for the owner's next file with this header; None forgets it."""
        if mapping is None:
            self._store.call(column_mappings.forget, owner, header)
        else:
            self._store.call(column_mappings.write, owner, header, mapping, self._store.server_ms())

    def pause(self, name: str, *, actor: str, reason: str = "") -> CampaignRecord:
        """Stops dialling on every worker; calls in progress continue. Raises CampaignNotAllowed for an ended campaign."""
        return self._steer(name, "pause", actor, reason)

    def resume(self, name: str, *, actor: str) -> CampaignRecord:
        """Continues a paused campaign. Raises CampaignNotAllowed for an ended campaign."""
        return self._steer(name, "resume", actor, "")

    def cancel(self, name: str, *, actor: str, reason: str = "") -> CampaignRecord:
        """Ends a campaign for good: waiting calls are canceled, calls in progress continue to their result.

        Raises CampaignNotAllowed for an ended campaign.
        """
        return self._steer(name, "cancel", actor, reason)

    def change(
        self,
        name: str,
        *,
        actor: str,
        pace: float | None = KEEP,
        channels: int | None = KEEP,
        weight: int = KEEP,
        ends_at: datetime | None = KEEP,
    ) -> CampaignRecord:
        """Changes a campaign that has not ended; None removes a limit. ``pace`` is in calls per second.

        Changes of several people at once are all made. Raises InvalidCampaign for an invalid value, CampaignNotAllowed for
        an ended campaign, and for another ``ends_at`` once the end has passed.
        """
        values = {"pace": pace, "channels": channels, "weight": weight, "ends_at": ends_at}
        changes = {key: value for key, value in values.items() if value is not KEEP}
        detail = ", ".join(f"{key} {value if value is not None else 'none'}" for key, value in changes.items())
        for _ in range(MAX_CHANGES):
            stored = self._queries.find(name)
            old = read_request(stored)
            fields = fields_of(old.model_copy(update={"policy": changed_policy(old.policy, changes)}))
            changed = {field: fields.get(field, "") for field in ("req", *(_FIELDS[key] for key in changes))}
            steered = self._store.run(
                campaign_transitions.steer(
                    stored.id, "change", actor=actor, reason=detail, request=stored.fields["req"], changes=changed
                )
            )
            if steered.outcome != "stale":
                return self._record_after(stored, steered)
        raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is being changed by others; try again")

    def clone(
        self,
        name: str,
        *,
        actor: str,
        new_name: str = "",
        caller: Caller = INSTALLATION,
        idempotency_key: str = "",
        scope: str = "",
    ) -> CampaignRecord:
        """A new campaign with the same rows, policy and own do-not-call list, paused until it is resumed.

        It stays with the campaign's owner, and is the caller's where there is none. It has the caller's limits, or else the
        campaign's; how often a number is called, the campaign's, or else the caller's. The same ``idempotency_key`` of the same
        ``scope`` returns the same campaign.
        """
        stored = self._queries.find(name)
        key = request_key(idempotency_key, scope, f"clone {stored.id}", new_name)
        if record := self._submission.repeated(key):
            return record
        title = new_name or f"{stored.fields['n'][:90]} (copy)"

        def rows() -> Iterator[PackedRow]:
            return (row for _, row in self._queries.packed_rows(stored))

        record = self._submission.copy(stored, title, rows, actor=actor, caller=caller, paused=True, key=key)
        if record is None:
            raise InvalidCampaign([FieldProblem("rows", "no_rows", "are none", "submit a file")])
        return record

    def retry_failed(
        self,
        name: str,
        *,
        actor: str,
        new_name: str = "",
        caller: Caller = INSTALLATION,
        idempotency_key: str = "",
        scope: str = "",
        leave_out: bool = False,
    ) -> CampaignRecord:
        """A new campaign of the rows that nobody answered, with the campaign's policy and own do-not-call list.

        A campaign is retried once: whoever answers then would be rung again by another retry. Owner, limits and
        ``idempotency_key`` are as of :meth:`clone`. ``rows["left_out"]`` of the answer
        counts the rows whose outcome is not known, with ``leave_out`` also those whose calls are in progress. Raises
        CampaignNotAllowed unless the old campaign has ended and so have its calls: a row might ring in both, or in neither;
        CampaignRetried, which names the earlier retry; InvalidCampaign when no row may be called again.
        """
        stored = self._queries.find(name)
        key = request_key(idempotency_key, scope, f"retry {stored.id}", new_name, *(["leave_out"] if leave_out else []))
        if record := self._submission.repeated(key):
            return record
        _require_ended(stored, leave_out=leave_out)
        title = new_name or f"{stored.fields['n'][:90]} (retry)"
        unknown = 0

        def rows() -> Iterator[PackedRow]:
            nonlocal unknown
            unknown = 0
            for row, call, kept in self._queries.outcomes(stored):
                outcome = call or kept
                unknown += outcome is not None and outcome.state in _NOT_KNOWN
                if _may_be_retried(outcome):
                    yield row

        try:
            record = self._submission.copy(
                stored,
                title,
                rows,
                actor=actor,
                caller=caller,
                paused=False,
                key=key,
                once=hash_of("retry", stored.id),
                left_out=lambda: unknown,
            )
        except CampaignDuplicate as exc:
            raise CampaignRetried(exc.id, exc.name) from None
        if record is None:
            problem, remedy = "are none", "every row was answered"
            if unknown:
                problem = f"are none: how {unknown} of them ended is not known"
                remedy = "submit those that you mean to call as a file"
            raise InvalidCampaign([FieldProblem("rows", "no_rows", problem, remedy)])
        if unknown:
            log.warning("campaign.rows_left_out", campaign=record.id, rows=unknown, reason="outcome_unknown")
        return record

    def _steer(self, name: str, action: campaign_transitions.Action, actor: str, reason: str) -> CampaignRecord:
        stored = self._queries.find(name)
        steered = self._store.run(campaign_transitions.steer(stored.id, action, actor=actor, reason=reason))
        return self._record_after(stored, steered)

    def _record_after(self, stored: StoredCampaign, steered: campaign_transitions.Steered) -> CampaignRecord:
        if steered.outcome == "refused" and steered.state == "ended":
            raise CampaignNotAllowed(
                f"the end of campaign {stored.fields['n']!r} has passed and its rows have expired, so it cannot be moved; "
                "retry the campaign once its last calls have ended"
            )
        if steered.outcome in ("refused", "unknown"):
            state = steered.state or "deleted"
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {state}: it cannot be changed")
        return self._queries.get(stored.id)


def _require_ended(stored: StoredCampaign, *, leave_out: bool) -> None:
    """Raises CampaignNotAllowed unless a campaign has ended and so have its calls, except those that are left out."""
    name = stored.fields["n"]
    if stored.state not in (CampaignState.COMPLETED, CampaignState.CANCELED):
        raise CampaignNotAllowed(f"campaign {name!r} is {stored.state}: its rows may still be called")
    if waiting := sum(stored.counts.get(state, 0) for state in _ABOUT_TO_END):
        # Left out now they would be left out for good: a campaign is retried once.
        raise CampaignNotAllowed(
            f"campaign {name!r}: {count_text(waiting, 'call')} of it waited when it ended, and will be "
            "canceled; retry in a few seconds"
        )
    if not leave_out and (calls := sum(stored.counts.get(state, 0) for state in _IN_PROGRESS)):
        raise CampaignNotAllowed(
            f"campaign {name!r}: 1 call of it is still in progress and may be answered; "
            "retry when it has ended, or leave out its row with `leave_out`"
            if calls == 1
            else f"campaign {name!r}: {calls:,} calls of it are still in progress and may be answered; "
            "retry when they have ended, or leave out their rows with `leave_out`"
        )


def _may_be_retried(call: CallRecord | RowOutcome | None) -> bool:
    """Whether a row may ring again: not while its call is in progress or its outcome is unknown."""
    if call is None:
        return True
    if isinstance(call, CallRecord) and any(attempt["disposition"] == "answered" for attempt in call.attempts):
        return False  # by an attempt whose result came late
    if call.disposition == "answered":
        return False
    if call.state == "completed":
        return True
    return call.state in ("rejected", "failed", "expired", "canceled") and call.reason != "do_not_call"


__all__ = ["KEEP", "CampaignService", "OnProblem", "OnProgress"]
