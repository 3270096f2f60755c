"""Builds the app: the HTTP interface for programs and the monitor for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from .. import monitor
from ..api_keys import ApiKeys, check_length
from ..calls.queue import AsyncCallQueue
from ..calls.threads import CONTROL
from ..errors import AlodialError
from ..key_limits import limits_from_text
from ..observability import tracing
from ..observability.process_findings import ProcessFindings
from ..observability.setting_risks import require_no_risk
from ..settings import Settings
from ..web.audit import AuditWriter
from ..web.auth import Authenticator, SecretSet
from ..web.call_acceptor import CallAcceptor
from ..web.callbacks.endpoint import CallbackEndpoint
from ..web.callbacks.intake import CallbackIntake
from ..web.client_address import TrustedProxies
from ..web.context import AppContext
from ..web.erasing import OneErasure
from ..web.event_follower import EventFollower
from ..web.health import Readiness
from ..web.heartbeat import WebHeartbeat
from ..web.key_ring import KeyRing
from ..web.metrics import MetricsText, ProcessMetrics
from ..web.middleware import CALLBACK_PATH, RequestMiddleware
from ..web.openapi import document
from ..web.ports import Ports
from ..web.problems import Refusal, answer_alodial_error, answer_refusal, answer_validation_error
from ..web.routes import (
    audit,
    calls,
    calls_batch,
    campaign_exports,
    campaigns,
    do_not_call,
    docs_page,
    dropin,
    erasure,
    events,
    keys,
    logs,
    probes,
    reports,
    webhooks,
)
from ..web.tracing import TracingMiddleware

# The first match wins: /v1/calls/batch must come before /v1/calls/{name}.
ROUTERS = (
    calls_batch.router,
    calls.router,
    campaigns.router,
    campaign_exports.router,
    do_not_call.router,
    erasure.router,
    events.router,
    keys.router,
    logs.router,
    audit.router,
    reports.router,
    webhooks.router,
    dropin.router,
    probes.router,
    docs_page.router,
    monitor.router,
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: AppContext = app.state.context
    context.intake.start()
    app.state.authenticator.keys.start()

    def spool_finding() -> dict[str, str]:
        problem = context.intake.spool_problem
        return {"spool_not_writable": problem} if problem else {}

    findings = ProcessFindings(context.settings, spool_finding)
    heartbeat = WebHeartbeat(context.queue, findings)
    heartbeat.start()
    app.state.monitor.drafts.start()
    try:
        yield
    finally:
        context.follower.close()
        await CONTROL.run(app.state.monitor.drafts.close)
        await context.intake.aclose()
        await app.state.authenticator.keys.aclose()
        context.acceptor.close()
        await CONTROL.run(heartbeat.stop)
        await context.queue.aclose()


def create_app(settings: Settings) -> FastAPI:
    """Returns the app for these settings; Redis may be away then. Raises ConfigurationError for bad secrets and risks."""
    app = FastAPI(
        title="Alodial",
        version=version("alodial"),
        lifespan=_lifespan,
        openapi_url=None,  # `docs_page` serves it
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the address, and addresses hold secrets: the callback's and the drop-in's.
        redirect_slashes=False,
        # FastAPI's own traces carry the address too. Versions without them ignore this argument.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    queue = AsyncCallQueue(settings=settings)
    metrics = ProcessMetrics()
    intake = CallbackIntake(settings, queue.store, queue.waker)
    app.state.context = AppContext(
        settings=settings,
        queue=queue,
        acceptor=CallAcceptor(queue),
        intake=intake,
        metrics=metrics,
        metrics_text=MetricsText(settings, queue.store, lambda: intake.spool.unread, metrics),
        readiness=Readiness(settings),
        follower=EventFollower(queue.store),
        audit=AuditWriter(queue.store, settings.audit_keep),
    )
    require_no_risk(settings)
    check_length("ALODIAL_API_KEYS", settings.api_keys)
    check_length("ALODIAL_CALLBACK_SECRET", settings.callback_secret)
    ring = KeyRing(ApiKeys(settings.api_keys, limits_from_text(settings.own_key_limits)), queue.store)
    app.state.erasures = OneErasure()
    app.state.authenticator = Authenticator(ring, settings.api_requests_per_second)
    app.state.monitor = monitor.make_context(settings, ring, queue.store, queue.thread_store)
    callbacks = CallbackEndpoint(
        SecretSet(settings.callback_secret), intake, metrics, settings.callback_sources, settings.public_url
    )
    app.router.routes.insert(0, Route(CALLBACK_PATH + "{secret}", callbacks))
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(AlodialError, answer_alodial_error)
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(HTTPException, monitor.answer_unknown_address)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    if tracing.spans() is not None:
        app.add_middleware(TracingMiddleware)
    app.add_middleware(
        RequestMiddleware,
        callbacks=callbacks,
        proxies=TrustedProxies(settings.trusted_proxies),
        public_url=settings.public_url,
        ports=Ports(settings.callback_port, settings.operator_port),
    )
    app.openapi = lambda: document.document(app)  # type: ignore[method-assign]  # FastAPI's own way to change the document
    return app
