"""Renders pages from templates, and turns errors into pages in the reader's language."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..errors import AlodialError, ArchiveUnavailable, ArchiveUnfit, NotFound, StoreFull, StoreUnavailable
from ..i18n import LANGUAGES, translated
from ..web.problems import RETRY_AFTER, Refusal
from ..web.rate_limit import RateLimiter
from . import campaign_figures
from .auth import TOKEN_FIELD, Forbidden, SignInNeeded, can, cookie_of, load_operator, log, operator_of, set_cookie
from .context import COLOURS, colours_of, monitor_context, translator_of
from .session import SESSION_SECONDS, Operator, form_token
from .upload_drafts import DraftGone

HTMX_CONFIG: Final = (
    '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,'
    '"selfRequestsOnly":true,"historyCacheSize":0,"defaultSettleDelay":0}'
)
"""What the CSP permits: styles and scripts of our own files alone. No page is kept in local storage. No settling: for 20 ms,
htmx's default, a new form does not work yet, and a button that is pressed in that time loads the page again."""

NAVIGATION: Final[tuple[tuple[str, str], ...]] = (
    ("/", "nav.now"),
    ("/calls", "nav.calls"),
    ("/unconfirmed", "nav.unconfirmed"),
    ("/failed", "nav.failed"),
    ("/campaigns", "nav.campaigns"),
    ("/reports", "nav.reports"),
    ("/do-not-call", "nav.dnc"),
    ("/workers", "nav.workers"),
    ("/callbacks", "nav.callbacks"),
    ("/webhooks", "nav.webhooks"),
    ("/logs", "nav.logs"),
)
"""The screens in the head: address, and key of the text."""

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
    """Renders a template in the reader's language. ``context`` are its variables.

    Browsers and proxies may not keep the page, because it holds phone numbers.
    """
    t = translator_of(request)
    monitor = monitor_context(request)
    text = _environment.get_template(template).render(
        t=t,
        n=t.count,
        operator=operator,
        token=form_token(operator.nonce) if operator else "",
        path=request.url.path,
        switched_at=_switched_at(request),
        colours=colours_of(request),
        colour_choices=COLOURS,
        zone=monitor.settings.timezone,
        api_documents=not monitor.settings.operator_port,
        **context,
    )
    return HTMLResponse(
        text, status, {"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language"} | dict(headers or {})
    )


def _switched_at(request: Request) -> str:
    """The address to come back to after a switch: with its query, so that a filter is not lost."""
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return request.url.path + query


def go(address: str) -> Response:
    """Leads to another page after an act, so that loading that page again does not repeat the act."""
    return RedirectResponse(address, 303)


def own_address(address: str) -> str:
    """An address from outside if it is a path of this host; else ``/``, so that no link leads to another site."""
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if plain and address.startswith("/") and not address.startswith("//") else "/"


MAX_TRANSLATED: Final = 300
"""Characters above which a sentence is not looked up: it holds something from outside."""

_TITLES: Final = {
    "refused.store": "refused.store_title",
    "refused.address": "refused.address_title",
    "refused.not_found": "refused.address_title",
}


def error_page(
    request: Request, status: int, key: str, detail: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The page that names what was refused: ``key`` is its text, ``detail`` an English sentence, translated if known."""
    operator = operator_of(request)
    language = translator_of(request).language
    said = translated(detail, language) if len(detail) <= MAX_TRANSLATED else detail
    return page(
        request,
        "error.html",
        operator,
        status=status,
        headers=headers,
        key=key,
        detail=said,
        detail_language="en" if said == detail else "",
        title=_TITLES.get(key, "refused.title"),
        retry=key.startswith(("refused.store", "refused.archive")) and request.method == "GET",
    )


def _sign_in_first(request: Request) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/"})
    if request.method != "GET":
        return error_page(request, 401, "refused.signed_out")
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse("/?" + urlencode({"to": request.url.path + query}), 303)


_refused = RateLimiter(1, 20)
"""Lines a second of forms that nobody signed in for may send."""


class PeopleRoute(APIRoute):
    """A route of a screen: its errors become pages in the reader's language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                cookie = await load_operator(request)
                answer = await handle(request)
                if cookie is not None:
                    set_cookie(request, answer, cookie_of(request, "session"), cookie, SESSION_SECONDS)
                return answer
            except SignInNeeded:
                return _sign_in_first(request)
            except Forbidden as exc:
                if not _refused.take(exc.reason):
                    log.warning("operator.refused", reason=exc.reason, address=self.path)
                return error_page(request, 403, exc.reason)
            except Refusal as exc:
                if exc.status == 429:
                    return error_page(request, 429, "refused.too_often", headers=exc.headers)
                text = "refused.act" if exc.code == "limit_reached" else "refused.request"
                return error_page(request, exc.status, text, exc.detail, exc.headers)
            except DraftGone:
                return error_page(request, 404, "refused.draft")
            except NotFound as exc:
                return error_page(request, 404, "refused.not_found", str(exc))
            except StoreUnavailable as exc:
                structlog.get_logger("alodial.web").error("request.refused", code=exc.code, reason=str(exc))
                text = "refused.store_full" if isinstance(exc, StoreFull) else "refused.store"
                return error_page(request, 503, text, headers={"Retry-After": RETRY_AFTER})
            except ArchiveUnavailable as exc:
                structlog.get_logger("alodial.web").warning("request.refused", code=exc.code, reason=str(exc))
                detail = str(exc) if isinstance(exc, ArchiveUnfit) else ""
                return error_page(request, 503, "refused.archive", detail, {"Retry-After": RETRY_AFTER})
            except AlodialError as exc:
                return error_page(request, 409, "refused.act", str(exc))

        return handle_errors
