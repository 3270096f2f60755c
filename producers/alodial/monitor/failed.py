"""Calls that ended badly, grouped by reason: how many, what it means, what to do."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import State

from ..store.failure_reasons import BAD_ENDS, FailureReasons, ReasonGroup, reasons_async
from ..store.find_call import find_async
from ..web.context import app_context
from . import call_rows
from .auth import Signed, can
from .call_filter_form import CallQuery, local
from .context import monitor_context, translator_of
from .explain import code_of, reason_words
from .i18n import Translator
from .rendering import PeopleRoute, page

PERIODS: Final = ("day", "week")
EXAMPLES: Final = 20
"""Groups that an example is read for; there are hardly as many reasons."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """``means`` and ``todo`` are sentences; ``address`` leads to its calls, ``redial`` asks to ring them all again."""

    group: ReasonGroup
    count: int
    reason: str
    todo: str
    address: str
    redial: str
    example: call_rows.CallRow | None


def todo_of(group: ReasonGroup, words: Translator) -> str:
    """What to do about a reason; for one that has no words of its own what its end calls for."""
    code = code_of(group.reason)
    if words.has("failed.todo", group.reason):
        return words(f"failed.todo.{group.reason}")
    return (
        words(f"failed.todo.{code}") if code and words.has("failed.todo", code) else words(f"failed.todo.{group.state}")
    )


def _reason(group: ReasonGroup, words: Translator) -> str:
    return reason_words(group.reason, words) or words(f"failed.means.{group.state}")


async def _examples(request: Request, groups: list[ReasonGroup], *, full: bool) -> dict[str, call_rows.CallRow]:
    extids = [group.example for group in groups[:EXAMPLES] if group.example]
    store = app_context(request).queue.store
    records = await asyncio.gather(*(store.call(partial(find_async, name=extid)) for extid in extids))
    return {record.extid: call_rows.row_of(record, full=full) for record in records if record is not None}


@router.get("/failed")
async def listed(request: Request, operator: Signed) -> Response:
    words = translator_of(request)
    period = request.query_params.get("period", "")
    period = period if period in PERIODS else "day"
    reasons: FailureReasons = await app_context(request).queue.store.call(reasons_async)
    groups = [group for group in reasons.groups if (group.day if period == "day" else group.week)]
    examples = await _examples(request, groups, full=call_rows.in_full(operator))
    since = local(reasons.day_since if period == "day" else reasons.week_since, monitor_context(request).zone)

    def of(group: ReasonGroup) -> FailureGroup:
        given = {"state": group.state, "reason": group.reason, "since": since}
        asked = CallQuery({name: value for name, value in given.items() if value})
        return FailureGroup(
            group,
            group.day if period == "day" else group.week,
            _reason(group, words),
            todo_of(group, words),
            asked.address(),
            asked.address("/calls/redial"),
            examples.get(group.example),
        )

    totals = {
        state.value: sum(one.day if period == "day" else one.week for one in groups if one.state == state)
        for state in BAD_ENDS
    }
    return page(
        request,
        "failed.html",
        operator,
        groups=[of(group) for group in groups],
        totals=totals,
        period=period,
        periods=PERIODS,
        may_redial=can(operator, "redial_calls"),
        timed_out=State.TIMED_OUT.value,
    )
