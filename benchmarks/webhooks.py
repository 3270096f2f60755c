"""A dead webhook endpoint beside nine healthy ones: how late events come to the healthy ones, with it and without it.

``python -m benchmarks.webhooks [--events N] [--rate PER_SECOND]``. Receivers, relay and Redis on this machine.
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store.client import AsyncStore
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.webhooks.dispatcher import Dispatcher

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HEALTHY = 9


class Receivers:
    """Nine that take what comes and note how late it is, and one that never answers."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.urls: list[str] = []
        self.dead = ""
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        for _ in range(HEALTHY):
            server = await asyncio.start_server(self._take, "127.0.0.1", 0)
            self._servers.append(server)
            self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        silent = await asyncio.start_server(self._silent, "127.0.0.1", 0)
        self._servers.append(silent)
        self.dead = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                event = json.loads(await reader.readexactly(length))
                self.lags.append(time.time() - datetime.fromisoformat(event["time"]).timestamp())
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def _silent(self, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)


def _measure(redis_url: str, *, dead: bool, events: int, rate: float) -> list[float]:
    receivers = Receivers()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(receivers.open(), loop).result(10)
    urls = [*receivers.urls, *([receivers.dead] if dead else [])]
    settings = Settings(
        _env_file=None,
        redis_url=redis_url,
        webhooks=",".join(urls),
        webhook_secret=SECRET,
        webhook_private=True,
        webhook_timeout=15,
    )

    async def begin() -> Dispatcher:
        relay = Dispatcher(settings, AsyncStore(settings))
        relay.start()
        for endpoint in relay.endpoints:
            await endpoint.send_due()
        return relay

    relay = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    with CallQueue(settings=settings) as queue:
        began = time.monotonic()
        for n in range(0, events, 10):
            queue.enqueue_many([{"callto": "994412860", "ivrid": 7, "fromline": "712037006"}] * 10)
            time.sleep(max(0.0, began + (n + 10) / rate - time.monotonic()))
    deadline = time.monotonic() + 120
    while len(receivers.lags) < HEALTHY * events and time.monotonic() < deadline:
        time.sleep(0.05)
    asyncio.run_coroutine_threadsafe(relay.stop(0.1), loop).result(10)
    for task in asyncio.all_tasks(loop):
        loop.call_soon_threadsafe(task.cancel)
    time.sleep(0.2)
    loop.call_soon_threadsafe(loop.stop)
    return sorted(receivers.lags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600)
    parser.add_argument("--rate", type=float, default=50)
    asked = parser.parse_args()
    figures = {}
    for dead in (False, True):
        with TemporaryDirectory() as folder, EmbeddedRedis(folder=Path(folder)) as redis:
            lags = _measure(redis.url, dead=dead, events=asked.events, rate=asked.rate)
        figures[dead] = (lags[len(lags) // 2], lags[int(len(lags) * 0.99)])
        label = "nine and a dead one" if dead else "nine healthy ones  "
        print(
            f"{label}: {len(lags)} of {HEALTHY * asked.events} deliveries, lag p50 {figures[dead][0] * 1000:.0f} ms, "
            f"p99 {figures[dead][1] * 1000:.0f} ms"
        )
    print(f"the dead one makes the p99 {figures[True][1] / figures[False][1]:.2f} times as long")


if __name__ == "__main__":
    main()
