"""The list of workers: which are alive, and which stopped responding, when, with how many calls."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store.call_context import SILENT_AFTER
from ..store.records import iso
from ..store.workers import WorkerState
from .auth import Signed
from .now import overview_of
from .rendering import PeopleRoute, page
from .sorting import sorted_rows

COLUMNS: Mapping[str, Callable[[WorkerState], Any]] = {
    "name": lambda worker: worker.name,
    "state": lambda worker: not worker.alive,
    "heard": lambda worker: worker.silent,
    "in_flight": lambda worker: worker.in_flight,
    "started": lambda worker: worker.started_at or None,
    "host": lambda worker: worker.host,
}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@router.get("/workers")
async def list_workers(request: Request, operator: Signed) -> Response:
    now = await overview_of(request)
    workers, sorting = sorted_rows(request, now.workers, COLUMNS)
    rows = [
        (worker, iso(round(now.now - worker.silent * 1000)), iso(worker.started_at) if worker.started_at else None)
        for worker in workers
    ]
    dead = len(now.workers) - len(now.living)
    return page(
        request,
        "workers.html",
        operator,
        rows=rows,
        sorting=sorting,
        living=len(now.living),
        dead=dead,
        limit=round(SILENT_AFTER),
    )
