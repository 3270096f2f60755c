"""Pages made from templates, and what people see in place of a problem document."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..errors import AlodialError, NotFound, StoreUnavailable
from ..web.problems import RETRY_AFTER, Refusal
from . import campaign_figures
from .auth import TOKEN_FIELD, Forbidden, SignInNeeded, can, log, operator_of
from .context import monitor_context, translator_of
from .i18n import LANGUAGES
from .sandbox_told import may_be_sandbox
from .session import Operator

HTMX_CONFIG: Final = (
    '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,'
    '"selfRequestsOnly":true,"historyCacheSize":0,"defaultSettleDelay":0}'
)
"""As our CSP has it: no style and no script but those of our own files; no page of ours kept in local storage; and no
settling: for 20 ms by htmx's default a new form is not yet its own, and a button pressed then loads the page anew."""

NAVIGATION: Final[tuple[tuple[str, str], ...]] = (
    ("/", "nav.now"),
    ("/calls", "nav.calls"),
    ("/unconfirmed", "nav.unconfirmed"),
    ("/failed", "nav.failed"),
    ("/campaigns", "nav.campaigns"),
    ("/do-not-call", "nav.dnc"),
    ("/workers", "nav.workers"),
    ("/callbacks", "nav.callbacks"),
    ("/webhooks", "nav.webhooks"),
    ("/logs", "nav.logs"),
    ("/phone", "nav.phone"),
)
"""Address and key of the word of each screen in the head."""

NAVIGATION_REAL: Final = tuple(entry for entry in NAVIGATION if entry[0] != "/phone")
"""Where calls go to the real AloVoice, there are no phones to play."""

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals.update(
    figures=campaign_figures,
    navigation=NAVIGATION,
    screens={address for address, _ in NAVIGATION} | {"/stop"},
    languages=LANGUAGES,
    htmx_config=HTMX_CONFIG,
    token_field=TOKEN_FIELD,
    may=can,
)


def page(
    request: Request,
    template: str,
    operator: Operator | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page in the reader's language. It is never kept by browsers or proxies: it holds people's numbers."""
    words = translator_of(request)
    desk = monitor_context(request)
    text = _environment.get_template(template).render(
        t=words,
        n=words.count,
        words=words,
        operator=operator,
        token=desk.sessions.token(operator.nonce) if operator else "",
        path=request.url.path,
        zone=desk.settings.timezone,
        navigation=NAVIGATION if may_be_sandbox(desk.settings.provider_url) else NAVIGATION_REAL,
        **context,
    )
    return HTMLResponse(
        text, status, {"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language"} | dict(headers or {})
    )


def go(address: str) -> Response:
    """To another page of ours after an act; asked for again by itself, the act is not done twice."""
    return RedirectResponse(address, 303)


def own_address(given: str) -> str:
    """An address to go to that somebody may have written: only a path of this host, else the front page."""
    plain = given.isascii() and given.isprintable() and "\\" not in given
    return given if plain and given.startswith("/") and not given.startswith("//") else "/"


def _refused(
    request: Request, status: int, key: str, detail: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    operator = operator_of(request)
    return page(request, "refused.html", operator, status=status, headers=headers, key=key, detail=detail)


def sign_in_first(request: Request) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/"})
    if request.method != "GET":
        return _refused(request, 401, "refused.signed_out")
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse("/?" + urlencode({"to": request.url.path + query}), 303)


class PeopleRoute(APIRoute):
    """A route for people: errors become pages in their language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded:
                return sign_in_first(request)
            except Forbidden as exc:
                log.warning("operator.refused", reason=exc.reason, address=self.path)
                return _refused(request, 403, exc.reason)
            except Refusal as exc:
                if exc.status == 429:
                    return _refused(request, 429, "refused.too_often", headers=exc.headers)
                return _refused(request, exc.status, "refused.request", exc.detail, exc.headers)
            except NotFound as exc:
                return _refused(request, 404, "refused.not_found", str(exc))
            except StoreUnavailable as exc:
                structlog.get_logger("alodial.web").error("request.refused", code=exc.code, reason=str(exc))
                return _refused(request, 503, "refused.store", headers={"Retry-After": RETRY_AFTER})
            except AlodialError as exc:
                return _refused(request, 409, "refused.act", str(exc))

        return handled
