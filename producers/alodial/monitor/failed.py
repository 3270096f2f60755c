"""Calls that ended badly, by reason: how many, what the reason means, what to do."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.explain import reason_code, reason_text
from ..i18n import Translator
from ..store.failure_reasons import BAD_ENDS, FailureReasons, ReasonGroup, reasons_async
from ..store.find_call import find_async
from ..web.context import app_context
from . import call_rows
from .auth import Signed, can
from .call_filter_form import CallQuery, local_time
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, page

PERIODS: Final = ("day", "week")
MAX_EXAMPLES: Final = 20
"""Groups that an example is read for; few installations have as many reasons."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """A reason of the period. ``address`` is the list of its calls, ``redial`` the page that redials all of them."""

    source: ReasonGroup
    count: int
    reason: str
    todo: str
    address: str
    redial: str
    example: call_rows.CallRow | None


def todo_of(group: ReasonGroup, t: Translator) -> str:
    """What to do about a reason; for an unknown one, what to do about its state."""
    for name in (group.reason, reason_code(group.reason)):
        if name and t.has("failed.todo", name):
            return t(f"failed.todo.{name}")
    return t(f"failed.todo.{group.state}")


async def _examples(request: Request, groups: list[ReasonGroup], *, full: bool) -> dict[str, call_rows.CallRow]:
    extids = [group.example for group in groups[:MAX_EXAMPLES] if group.example]
    store = app_context(request).queue.store
    records = await asyncio.gather(*(store.call(find_async, extid) for extid in extids))
    return {record.wire_extid: call_rows.row_of(record, full=full) for record in records if record is not None}


@router.get("/failed")
async def list_failed(request: Request, operator: Signed) -> Response:
    t = translator_of(request)
    period = "week" if request.query_params.get("period") == "week" else "day"
    reasons: FailureReasons = await app_context(request).queue.store.call(reasons_async)
    counted = [(group, group.week if period == "week" else group.day) for group in reasons.groups]
    counted = [(group, count) for group, count in counted if count]
    examples = await _examples(request, [group for group, _ in counted], full=call_rows.in_full(operator))
    since = local_time(reasons.week_since if period == "week" else reasons.day_since, monitor_context(request).zone)
    groups = []
    for group, count in counted:
        fields = {"state": str(group.state), "reason": group.reason, "since": since}
        query = CallQuery({name: value for name, value in fields.items() if value})
        reason = reason_text(group.reason, t) or t(f"failed.means.{group.state}")
        links = query.address(), query.address("/calls/redial")
        groups.append(FailureGroup(group, count, reason, todo_of(group, t), *links, examples.get(group.example)))
    return page(
        request,
        "failed.html",
        operator,
        groups=groups,
        totals={state.value: sum(count for group, count in counted if group.state == state) for state in BAD_ENDS},
        period=period,
        periods=PERIODS,
        may_redial=can(operator, "redial_calls"),
    )
