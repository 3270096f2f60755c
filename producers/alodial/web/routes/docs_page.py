"""The API's documentation page: the routes as a plain list. It loads nothing from other hosts."""

import json
from html import escape
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

STYLE = """\
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
code{font:14px/1.4 ui-monospace,monospace;background:#eef1f5;padding:.1em .3em;border-radius:3px}
h2{margin:2rem 0 .3rem;font-size:1.05rem}a{color:#0b57a4}
table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){
body{color:#dfe5ec;background:#14181d}code{background:#252c34}a{color:#7db7f0}}
"""


def _page(title: str, body: str) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/style.css"></head><body>{body}</body></html>'
    )


@router.get("/style.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css")


@router.get("/report.css")
async def report_style() -> Response:
    """Returns the style sheet of a campaign's report."""
    from ...campaigns.exporting.report import report_css  # noqa: PLC0415  # only a report needs it

    return Response(report_css(), media_type="text/css")


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Returns the OpenAPI document, encoded once: 200 kB for anybody who asks."""
    state = request.app.state
    if not hasattr(state, "openapi_json"):
        state.openapi_json = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
    return Response(state.openapi_json, media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Returns the OpenAPI document as a page: FastAPI's own page loads its scripts from another host."""
    state = request.app.state
    if not hasattr(state, "docs_page"):
        state.docs_page = _docs_page(request)
    return _page("Alodial's HTTP API", state.docs_page)


def _docs_page(request: Request) -> str:
    document: dict[str, Any] = request.app.openapi()
    head = f"<h1>Alodial's HTTP API</h1><p>{escape(document['info']['description'])}</p>"
    head += '<p>For programs: <a href="/openapi.json">/openapi.json</a></p>'
    operations = (
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return head + "".join(operations)


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        _row(f"<code>{escape(field['name'])}</code>", escape(f"{field['in']}: {field.get('description', '')}"))
        for field in operation.get("parameters", ())
    ]
    rows += [_row("body", escape(kind)) for kind in operation.get("requestBody", {}).get("content", ())]
    answers = operation["responses"].items()
    rows += [_row(escape(str(status)), escape(answer["description"])) for status, answer in answers]
    head = f"<h2><code>{method.upper()} {escape(path)}</code> {escape(operation.get('summary', ''))}</h2>"
    return f"{head}<p>{escape(operation.get('description', ''))}</p><table>{''.join(rows)}</table>"
