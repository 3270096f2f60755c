"""The entry point to campaigns: Python, HTTP, the command line and the monitor all use this class."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from alodial_schemas.campaigns import CampaignState

from ..settings import Settings
from ..store import campaign_transitions
from ..store.campaigns import StoredCampaign
from ..store.client import Operation, Store
from ..store.records import CallRecord
from ..wakeup import Waker
from .errors import CampaignNotAllowed
from .importing.row_check import OnProblem, OnProgress
from .queries import CampaignQueries
from .records import CampaignRecord
from .stored_fields import changed_policy, fields_of, read_request
from .submission import CampaignSubmission

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
        self._submission = CampaignSubmission(store, settings, waker, self._queries)

    get = _delegate("_queries", CampaignQueries.get)
    list = _delegate("_queries", CampaignQueries.list)
    activity = _delegate("_queries", CampaignQueries.activity)
    problems = _delegate("_queries", CampaignQueries.problems)
    rows = _delegate("_queries", CampaignQueries.rows)
    check = _delegate("_submission", CampaignSubmission.check)
    submit = _delegate("_submission", CampaignSubmission.submit)
    add = _delegate("_submission", CampaignSubmission.add)

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

        Raises InvalidCampaign for an invalid value, CampaignNotAllowed for an ended campaign.
        """
        stored = self._queries.find(name)
        values = {"pace": pace, "channels": channels, "weight": weight, "ends_at": ends_at}
        changes = {key: value for key, value in values.items() if value is not KEEP}
        old = read_request(stored)
        fields = fields_of(old.model_copy(update={"policy": changed_policy(old.policy, changes)}))
        detail = ", ".join(f"{key} {value if value is not None else 'none'}" for key, value in changes.items())
        changed = {key: fields.get(key, "") for key in ("pace", "ch", "w", "end", "req")}
        return self._run(
            stored, campaign_transitions.steer(stored.id, "change", actor=actor, reason=detail, changes=changed)
        )

    def clone(self, name: str, *, actor: str, new_name: str = "", owner: str = "") -> CampaignRecord:
        """A new campaign with the same rows and policy, paused until it is resumed."""
        stored = self._queries.find(name)
        title = new_name or f"{stored.fields['n'][:90]} (copy)"
        rows = (row for _, row in self._queries.packed_rows(stored))
        return self._submission.copy(stored, title, rows, actor=actor, owner=owner, paused=True)

    def retry_failed(self, name: str, *, actor: str, new_name: str = "", owner: str = "") -> CampaignRecord:
        """A new campaign of the rows that nobody answered.

        Raises CampaignNotAllowed unless the old one has ended: a row might ring in both. Raises InvalidCampaign when every
        row was answered.
        """
        stored = self._queries.find(name)
        if stored.state not in (CampaignState.COMPLETED, CampaignState.CANCELED):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {stored.state}: its rows may still be called")
        title = new_name or f"{stored.fields['n'][:90]} (retry)"
        rows = (row for row, call in self._queries.outcomes(stored) if _may_be_retried(call))
        return self._submission.copy(stored, title, rows, actor=actor, owner=owner, paused=False)

    def _steer(self, name: str, action: campaign_transitions.Action, actor: str, reason: str) -> CampaignRecord:
        stored = self._queries.find(name)
        return self._run(stored, campaign_transitions.steer(stored.id, action, actor=actor, reason=reason))

    def _run(self, stored: StoredCampaign, operation: Operation[campaign_transitions.Steered]) -> CampaignRecord:
        steered = self._store.run(operation)
        if steered.outcome in ("refused", "unknown"):
            state = steered.state or "deleted"
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {state}: it cannot be changed")
        return self._queries.get(stored.id)


def _may_be_retried(call: CallRecord | None) -> bool:
    """Whether a row may ring again: not while its call is in progress or its outcome is unknown."""
    if call is None:
        return True
    if call.state == "completed":
        return call.disposition != "answered"
    return call.state in ("rejected", "failed", "expired", "canceled") and call.reason != "do_not_call"


__all__ = ["KEEP", "CampaignService", "OnProblem", "OnProgress"]
