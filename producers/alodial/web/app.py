"""The whole HTTP side as one app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from .. import tracing
from ..api_keys import ApiKeys
from ..errors import AlodialError
from ..queue import AsyncCallQueue
from ..settings import Settings
from . import bulk, calls, campaigns, dnc, dropin, logs, monitor, openapi, pages, probes, stream, webhooks
from .access import Door, Secrets
from .callbacks import Callbacks
from .envelope import CALLBACKS, Envelope
from .follower import Follower
from .intake import Keeper
from .meters import Meters
from .parts import Parts
from .problems import Refusal, answer_alodial_error, answer_http_error, answer_refusal, answer_validation_error
from .readiness import Readiness
from .taker import Taker
from .traced import Traced

# The batch's address would be taken for a call's name, so it stands first.
ROUTERS = (
    bulk.router,
    calls.router,
    campaigns.router,
    dnc.router,
    stream.router,
    logs.router,
    webhooks.router,
    dropin.router,
    probes.router,
    pages.router,
    monitor.router,
)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    parts.keeper.start()
    try:
        yield
    finally:
        parts.follower.close()
        await asyncio.to_thread(app.state.desk.drafts.close)
        await parts.keeper.aclose()
        parts.taker.close()
        await parts.queue.aclose()


def create_app(settings: Settings) -> FastAPI:
    """The app for these settings. Redis need not be there when it starts."""
    app = FastAPI(
        title="Alodial",
        version=version("alodial"),
        lifespan=_life,
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the address, and addresses hold secrets here.
        redirect_slashes=False,
        # FastAPI's own traces carry the address too. Versions before it had any take this as an unused extra.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    queue = AsyncCallQueue(settings=settings)
    meters = Meters()
    keeper = Keeper(settings, queue.store, queue.doorbell)
    parts = Parts(
        settings=settings,
        queue=queue,
        taker=Taker(queue),
        keeper=keeper,
        meters=meters,
        readiness=Readiness(settings),
        follower=Follower(queue.store),
    )
    app.state.parts = parts
    keys = ApiKeys(settings.api_keys)
    app.state.door = Door(keys, settings.api_requests_per_second)
    app.state.desk = monitor.make_desk(settings, keys)
    callbacks = Callbacks(Secrets(settings.callback_secret), keeper, meters)
    app.router.routes.insert(0, Route(CALLBACKS + "{secret}", callbacks))
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(AlodialError, answer_alodial_error)
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    if tracing.spans() is not None:
        app.add_middleware(Traced)
    app.add_middleware(Envelope, callbacks=callbacks)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's own way to change the document
    return app
