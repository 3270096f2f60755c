"""Erases a person: what would go is counted first, and the key is asked for."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..errors import InvalidCall
from ..i18n import translated
from ..web.erasing import OneErasure, number_to_erase
from ..web.problems import Refusal
from .auth import Signed, audit, form_of, key_given, remember_key, text_of
from .context import translator_of
from .rendering import PeopleRoute, page

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)

COUNTED = ("calls", "rows", "events", "logs", "results", "deliveries", "archived")
"""Fields of the report that the screen shows."""


@router.post("/do-not-call/erase")
async def erase(request: Request, operator: Signed) -> Response:
    """Shows what a number's erasure would take; with ``sure``, and the key, takes it."""
    form = await form_of(request, operator, "forget")
    typed, sure = text_of(form, "number")[:64], text_of(form, "sure") == "yes"
    report, problem, number, wrong = None, "", typed, False
    try:
        number = number_to_erase(request, typed)
        wrong = sure and not key_given(request, operator, form)
        sure = sure and not wrong
        if sure:
            await remember_key(request, operator)
        erasures: OneErasure = request.app.state.erasures
        report = await erasures.run(request, number, operator.actor, apply=sure)
    except InvalidCall:
        problem = "dnc.no_number"
    except Refusal:
        problem = "erase.busy"
    if report is not None and sure:
        await audit(request, operator, "forget", number_end=number[-2:], erased=report.total)
    return page(
        request,
        "erase.html",
        operator,
        status=422 if problem else 403 if wrong else 200,
        number=number,
        report=report,
        kept=[translated(place, translator_of(request).language) for place in report.kept]
        if report is not None
        else [],
        counts=[(name, getattr(report, name)) for name in COUNTED] if report is not None else [],
        done=sure and not problem,
        problem=problem,
        ask_key=operator.must_give_key(),
        wrong=wrong,
    )
