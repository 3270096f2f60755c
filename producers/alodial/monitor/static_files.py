"""Serves the monitor's styles and scripts by name from a list, so that no path leads elsewhere."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..web.problems import not_found

FOLDER: Final = Path(__file__).parent / "static"
KINDS: Final = {
    "monitor.css": "text/css",
    "calls.css": "text/css",
    "logs.css": "text/css",
    "now.css": "text/css",
    "reports.css": "text/css",
    "upload.css": "text/css",
    "uplot.min.css": "text/css",
    "uplot.min.js": "text/javascript",
    "charts.js": "text/javascript",
    "monitor.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

router = APIRouter(include_in_schema=False)


@cache
def _file(name: str) -> tuple[bytes, str]:
    body = (FOLDER / name).read_bytes()
    return body, f'"{sha256(body).hexdigest()[:16]}"'


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    if name not in KINDS:
        return not_found()
    body, etag = _file(name)
    # The browser checks each time and gets 304: after an update nobody sees yesterday's style.
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, KINDS[name])
