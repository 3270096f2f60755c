"""The list of workers: which are alive, and which stopped responding, when, with how many calls."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store.call_context import SILENT_AFTER
from ..store.records import iso
from .auth import Signed
from .now import overview_of
from .rendering import PeopleRoute, page

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@router.get("/workers")
async def list_workers(request: Request, operator: Signed) -> Response:
    now = await overview_of(request)
    rows = [
        (worker, iso(round(now.now - worker.silent * 1000)), iso(worker.started_at) if worker.started_at else None)
        for worker in now.workers
    ]
    dead = len(now.workers) - len(now.living)
    return page(
        request, "workers.html", operator, rows=rows, living=len(now.living), dead=dead, limit=round(SILENT_AFTER)
    )
