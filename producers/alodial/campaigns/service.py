"""Campaigns for whoever asks: Python, HTTP, the command line and the monitor all come through here."""

import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from alodial_schemas import FieldProblem, new_ids
from alodial_schemas.campaigns import CampaignState

from ..store import campaign_transitions, campaigns
from ..store.campaigns import StoredCampaign
from ..store.records import CallRecord
from ..store.server_clock import server_ms
from .calendar import read_request, write_calendar
from .errors import CampaignNotAllowed, InvalidCampaign
from .records import CampaignRecord
from .row_codec import CHUNK_ROWS, PackedRow, pack
from .stored_fields import fields_of, hash_of, owned_by, policy_of
from .submission import CampaignSubmission, OnProblem, OnProgress

KEEP: Final[Any] = object()
"""For :meth:`Campaigns.change`: this is not changed."""


class Campaigns(CampaignSubmission):
    """Submits, steers and shows campaigns. Every method raises StoreUnavailable while Redis is away.

    ``name`` may be a campaign's id, a beginning of it, or its name where only one has it. ``actor`` is written into the
    campaign's activity log.
    """

    def pause(self, name: str, *, actor: str, reason: str = "") -> CampaignRecord:
        """No new POST of it on any worker from the next arm on; what rings goes on."""
        return self._steer(name, "pause", actor, reason)

    def resume(self, name: str, *, actor: str) -> CampaignRecord:
        return self._steer(name, "resume", actor, "")

    def cancel(self, name: str, *, actor: str, reason: str = "") -> CampaignRecord:
        """For good. What waits is canceled, what rings goes on to its result."""
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
        """Changes a campaign that has not ended; None lifts a limit. Raises InvalidCampaign for what it cannot be."""
        stored = self._one(name)
        given = {"pace": pace, "channels": channels, "weight": weight, "ends_at": ends_at}
        asked = {key: value for key, value in given.items() if value is not KEEP}
        old = read_request(stored.fields["req"])
        policy = policy_of({**{key: getattr(old.policy, key) for key in old.policy.model_fields_set}, **asked})
        request = old.model_copy(update={"policy": policy})
        fields = fields_of(request)
        changes = {key: fields.get(key, "") for key in ("pace", "ch", "w", "end", "req")}
        told = ", ".join(f"{key} {value if value is not None else 'none'}" for key, value in asked.items())
        return self._steered(
            stored, campaign_transitions.steer(stored.id, "change", actor=actor, reason=told, changes=changes)
        )

    def clone(self, name: str, *, actor: str, new_name: str = "", owner: str = "") -> CampaignRecord:
        """The same rows and policy once more, paused: look at it, then resume it."""
        stored = self._one(name)
        title = new_name or f"{stored.fields['n'][:90]} (copy)"
        rows = (row for _, row in self._packed(stored))
        return self._again(stored, title, rows, actor, owner, paused=True)

    def retry_failed(self, name: str, *, actor: str, new_name: str = "", owner: str = "") -> CampaignRecord:
        """A new campaign of the rows that nobody answered. The old one must have ended, or a row might ring in both."""
        stored = self._one(name)
        if stored.state not in (CampaignState.COMPLETED, CampaignState.CANCELED):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {stored.state}: its rows may still be called")
        title = new_name or f"{stored.fields['n'][:90]} (retry)"
        unanswered = (row for row, call in self._outcomes(stored) if _may_be_retried(call))
        return self._again(stored, title, unanswered, actor, owner, paused=False)

    def _again(
        self, stored: StoredCampaign, title: str, rows: Iterator[PackedRow], actor: str, owner: str, *, paused: bool
    ) -> CampaignRecord:
        old = read_request(stored.fields["req"])
        policy = old.policy.model_copy(update={"starts_at": None, "ends_at": None})
        request = old.model_copy(update={"name": title, "policy": policy})
        created = self._store.run(
            campaign_transitions.create(
                new_ids()[0],
                {
                    **fields_of(request),
                    "src": stored.fields["src"],
                    "cols": stored.fields["cols"],
                    "from": stored.id,
                    **owned_by(owner),
                },
                draft=secrets.token_hex(16),
                file="",
                again=True,
                keep=self.settings.call_retention,
                actor=actor,
            )
        )
        write_calendar(self._store, self.settings, request, created.id, self._store.call(server_ms))
        total = index = 0
        batch: list[PackedRow] = []
        for row in rows:
            batch.append(row)
            if len(batch) == CHUNK_ROWS:
                self._store.run(
                    campaign_transitions.append(
                        created.id, index, [campaign_transitions.NewChunk(len(batch), pack(batch))]
                    )
                )
                total, index = total + len(batch), index + 1
                batch = []
        if batch:
            self._store.run(
                campaign_transitions.append(created.id, index, [campaign_transitions.NewChunk(len(batch), pack(batch))])
            )
            total += len(batch)
        if total == 0:
            self._store.call(campaigns.drop_draft, created.id, "")
            raise InvalidCampaign([FieldProblem("rows", "no_rows", "are none", "every row was answered")])
        totals = {"file": total, "good": total, "bad": 0, "duplicate": 0, "suppressed": 0}
        self._store.run(
            campaign_transitions.finish(
                created.id,
                content=hash_of(created.id),
                file="",
                draft="",
                again=True,
                keep=self.settings.call_retention,
                actor=actor,
                totals=json.dumps(totals),
                how="pause" if paused else "start",
            )
        )
        return self.get(created.id)

    def _steer(self, name: str, action: campaign_transitions.Action, actor: str, reason: str) -> CampaignRecord:
        stored = self._one(name)
        return self._steered(stored, campaign_transitions.steer(stored.id, action, actor=actor, reason=reason))

    def _steered(self, stored: StoredCampaign, op: Any) -> CampaignRecord:
        done: campaign_transitions.Steered = self._store.run(op)
        if done.outcome in ("refused", "unknown"):
            raise CampaignNotAllowed(f"campaign {stored.fields['n']!r} is {done.state or 'gone'}: that cannot be done")
        return self.get(stored.id)


def _may_be_retried(call: CallRecord | None) -> bool:
    """A call that is still on its way, or whose outcome nobody knows, is left alone."""
    if call is None:
        return True
    if call.state == "completed":
        return call.disposition != "answered"
    return call.state in ("rejected", "failed", "expired", "canceled") and call.reason != "do_not_call"


__all__ = ["KEEP", "Campaigns", "OnProblem", "OnProgress"]
