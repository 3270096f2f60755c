"""Filters of *Calls* and *Logs* that a person keeps under a name: chips above the list, seen by nobody else.

A filter by a number, a part of a name or chosen calls is not kept: it would keep a person's data after ``alodial forget``.
"""

from typing import Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store import saved_filters
from ..store.saved_filters import MAX_NAME, MAX_QUERY, SavedFilter
from ..web.context import app_context
from .auth import Signed, audit, form_of, text_of
from .rendering import PeopleRoute, go
from .session import Operator

SCREENS: Final = {
    "calls": frozenset(
        {"state", "disposition", "campaign", "reason", "account", "since", "until"}
        | {"line", "operator", "hour", "weekday", "times", "ended"}
    ),
    "logs": frozenset({"campaign", "account", "worker", "level", "event", "since", "until"}),
}
"""The screens with saved filters, and the fields that are kept."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def filters_of(request: Request, operator: Operator, screen: str) -> list[SavedFilter]:
    """The operator's filters on a screen."""
    return await app_context(request).queue.store.call(saved_filters.listing, operator.api_key.scope, screen)


def kept_query(screen: str, query: str) -> str:
    """The query of an address if each of its fields may be kept, else ""."""
    fields = [(name, value) for name, value in parse_qsl(query, max_num_fields=20) if value]
    kept = urlencode(fields) if all(name in SCREENS[screen] for name, _ in fields) else ""
    return kept if len(kept) <= MAX_QUERY else ""


def _screen_of(name: str) -> str:
    return name if name in SCREENS else "calls"


@router.post("/filters/save")
async def save(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "filters")
    screen = _screen_of(text_of(form, "screen"))
    name = " ".join("".join(c if c.isprintable() else " " for c in text_of(form, "name")).split())[:MAX_NAME]
    try:
        query = kept_query(screen, text_of(form, "query")[: 2 * MAX_QUERY])
    except ValueError:
        query = ""
    if not name or not query:
        return go(f"/{screen}")
    store = app_context(request).queue.store
    done = await store.call(saved_filters.save, operator.api_key.scope, screen, name, query)
    await audit(request, operator, "filters.save", filter=f"{screen} {name}", kept=done)
    return go(f"/{screen}?{query}{'' if done else '&filters=full'}")


@router.post("/filters/delete")
async def delete(request: Request, operator: Signed) -> Response:
    form = await form_of(request, operator, "filters")
    screen = _screen_of(text_of(form, "screen"))
    store = app_context(request).queue.store
    name = text_of(form, "name")[:MAX_NAME]
    await store.call(saved_filters.forget, operator.api_key.scope, screen, name)
    await audit(request, operator, "filters.delete", filter=f"{screen} {name}")
    return go(f"/{screen}")
