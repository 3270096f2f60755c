"""An address that is no page, opened in a browser: a page with a way home. Programs get the problem document."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ..web.problems import answer_http_error
from .rendering import error_page

_OF_PROGRAMS: Final = frozenset({"v1", "callbacks", "requestcall"})
"""Parts of addresses that only programs use. Their addresses may hold secrets, which the page's switches would repeat."""
_JSON: Final = ("application/problem+json", "application/json", "application/*", "*/*")


def prefers_html(accept: str) -> bool:
    """Whether an ``Accept`` header names HTML and likes JSON less, as that of every browser does."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(",")[:20]:
        kind, _, rest = part.partition(";")
        try:
            weights[kind.strip()] = float(rest.strip().removeprefix("q=")) if rest.strip().startswith("q=") else 1.0
        except ValueError:
            continue
    json = next((weights[kind] for kind in _JSON if kind in weights), 0.0)
    return weights.get("text/html", 0.0) > json


async def answer_unknown_address(request: Request, exc: Exception) -> Response:
    """Answers Starlette's own errors: an unknown path or a wrong method, such as a form's address that is loaded again."""
    answer = await answer_http_error(request, exc)
    by_person = request.method in {"GET", "HEAD"} and prefers_html(request.headers.get("accept", ""))
    if answer.status_code not in {404, 405} or not by_person or _OF_PROGRAMS & set(request.url.path.lower().split("/")):
        return answer
    allow = {name: value for name, value in answer.headers.items() if name == "allow"}
    return error_page(request, answer.status_code, "refused.address", headers=allow)
