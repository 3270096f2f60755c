"""Checks a file for a campaign before anything of it is stored."""

from typing import Any

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignRequest

from ..settings import Settings
from ..store import do_not_call
from ..store.caller import INSTALLATION, Caller
from ..store.client import Store
from .calendar import main_zone, opening_moments
from .errors import InvalidCampaign
from .importing.files import RowSource, as_source
from .importing.questions import require_answers
from .importing.row_check import CheckReport, OnProblem, OnProgress, RowChecker
from .pbx_queues import queue_problem
from .queries import CampaignQueries
from .row_codec import CHUNK_ROWS
from .row_to_call import trial_call


class FileCheck:
    """The checking part of :class:`~alodial.campaigns.service.CampaignService`; stores nothing."""

    def __init__(self, store: Store, settings: Settings, queries: CampaignQueries) -> None:
        self._store = store
        self._settings = settings
        self._queries = queries

    def check(
        self,
        source: Any,
        request: CampaignRequest,
        *,
        caller: Caller = INSTALLATION,
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
    ) -> CheckReport:
        """What a submission of ``caller`` would accept and reject, and how long it would last. Stores nothing.

        ``source`` is a path, an iterable of mappings or numbers, or a RowSource. Raises BadFile and InvalidCampaign.
        """
        self.require_valid(request)
        checker = self.checker(as_source(source), request, progress, on_problem, owner=caller.owner)
        for _ in checker.chunks(CHUNK_ROWS):
            pass
        report = checker.report
        now_ms = self._store.server_ms()
        starts_at = request.policy.starts_at
        start_ms = 0 if starts_at is None else int(starts_at.timestamp() * 1000)
        report.expected_end = self._queries.expected_end(request, report.good, now_ms, {}, start_ms, caller.quota)
        if report.expected_end is not None:
            report.seconds = max(0.0, (report.expected_end - now_ms) / 1000)
        return report

    def preview(self, source: RowSource, request: CampaignRequest) -> CheckReport:
        """How a file is read under a request, with the questions that its columns raise; no row is counted."""
        return self.checker(source, request, None, None).report

    def test_call(self, source: RowSource, request: CampaignRequest, phone: str) -> dict[str, object]:
        """The call of the first good row, to ``phone`` instead of the row's own. Raises BadFile, InvalidCampaign."""
        checker = self.checker(source, request, None, None)
        require_answers(checker.report.questions)
        first = next((rows[0] for rows, _ in checker.chunks(1) if rows), None)
        if first is None:
            problem = FieldProblem("file", "no_rows", "has no good row", "alodial campaign check shows what is wrong")
            raise InvalidCampaign([problem])
        return trial_call(first[1], request, phone)

    def checker(
        self,
        source: RowSource,
        request: CampaignRequest,
        progress: OnProgress | None,
        on_problem: OnProblem | None,
        *,
        campaign: str = "",
        owner: str = "",
    ) -> RowChecker:
        """Checks the rows against the do-not-call lists, also those of ``campaign`` and ``owner``."""
        scopes = ["", *filter(None, (campaign, do_not_call.scope_of(owner)))]

        def suppressed(numbers: list[str]) -> list[bool]:
            return self._store.call(do_not_call.is_listed, numbers, scopes)

        return RowChecker(
            source,
            request,
            self._settings,
            suppressed=suppressed,
            progress=progress,
            on_problem=on_problem,
            now_ms=self._store.server_ms(),
        )

    def require_valid(self, request: CampaignRequest) -> None:
        """Raises InvalidCampaign for what this installation does not allow: accounts, own numbers, hours that never come."""
        problems = []
        settings, policy = self._settings, request.policy
        names = settings.account_names
        if request.call.account not in names:
            remedy = f"use one of {', '.join(names)}"
            problems.append(FieldProblem("call.account", "account_unknown", "is not configured", remedy))
        if request.call.queue and (problem := queue_problem(request.call.queue, settings)):
            problems.append(FieldProblem("call.queue", *problem))
        initiator = request.call.callfrom
        if settings.frequency_caps and initiator and initiator not in settings.own_numbers:
            text = "would ring for every row, and has a frequency cap"
            remedy = "add it to ALODIAL_OWN_NUMBERS if it is your own phone"
            problems.append(FieldProblem("call.callfrom", "frequency_cap", text, remedy))
        now_ms = self._store.server_ms()
        if policy.ends_at is not None and policy.ends_at.timestamp() * 1000 <= now_ms:
            problems.append(FieldProblem("policy.ends_at", "in_the_past", "has passed", "give a later time"))
        if not opening_moments(request, settings, (main_zone(request, settings),), now_ms):
            remedy = "extend them; no campaign calls outside of ALODIAL_COURTESY_HOURS"
            problems.append(FieldProblem("policy.hours", "never_open", "never come within 40 days", remedy))
        if problems:
            raise InvalidCampaign(problems)
