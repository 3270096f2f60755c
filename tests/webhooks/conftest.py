"""A relay in a thread of its own, on the session's Redis."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store.client import AsyncStore
from alodial_workers.webhooks.dispatcher import Dispatcher

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def with_hooks(settings: Settings, *urls: str, **more: object) -> Settings:
    # Through the validators, as from the environment.
    values = settings.model_dump() | {
        "webhooks": ",".join(urls),
        "webhook_secret": SECRET,
        "webhook_private": True,
        "webhook_timeout": 2,
    }
    return Settings(_env_file=None, **(values | more))


@contextmanager
def relay(settings: Settings) -> Iterator[Dispatcher]:
    """Runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> tuple[Dispatcher, AsyncStore]:
        store = AsyncStore(settings)
        made = Dispatcher(settings, store)
        made.start()
        # The group begins with the next event: whoever enqueues waits until it is there.
        for endpoint in made.endpoints:
            await endpoint.send_due()
        return made, store

    made, store = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield made
    finally:

        async def end() -> None:
            await made.stop(0.2)
            await store.aclose()

        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture
def place(queue: CallQueue) -> Callable[[], str]:
    """Places a call, which makes one event; answers the call's id."""
    return lambda: queue.enqueue({"callto": "994412860", "ivrid": 7, "fromline": "712037006"}).id
