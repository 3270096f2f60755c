"""Delivers results to the callback URL; repeats each until the receiver accepts it or the tries are used up."""

import asyncio
import logging
from collections import Counter

import httpx
import structlog

from .config import SandboxConfig

log = structlog.get_logger(__name__)

# A receiver that only keeps a body answers in milliseconds; a busy machine may need ten seconds.
_TIMEOUT = 10.0


class CallbackSender:
    """POSTs bodies to a URL, which is a secret and never logged. `counts` gets `delivered`, `refused`, `given_up`."""

    def __init__(self, config: SandboxConfig, counts: Counter[str]) -> None:
        # httpcore writes each request's target at DEBUG, and the target is a secret.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        self._url = None if config.callback_url is None else httpx.URL(config.callback_url.get_secret_value())
        self._tries = config.callback_tries
        self._pause = config.callback_retry_seconds
        # httpx's pool costs more with each request that waits in it, so requests wait before it.
        self._turn = asyncio.Semaphore(config.callback_connections)
        limits = httpx.Limits(max_connections=config.callback_connections)
        # The transport without its client: no redirects, no environment, half the cost.
        self._transport = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
        self._counts = counts

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def deliver(self, content_type: str, body: bytes, extid: str, tried: asyncio.Event | None = None) -> bool:
        """Whether the body was answered 2xx within the tries. `tried` is set after the first of them."""
        if self._url is None:
            return False
        for _ in range(self._tries):
            accepted = await self._try_once(self._url, content_type, body)
            if tried is not None:
                tried.set()
            if accepted:
                self._counts["delivered"] += 1
                return True
            self._counts["refused"] += 1
            await asyncio.sleep(self._pause)
        self._counts["given_up"] += 1
        log.warning("sandbox.callback_abandoned", extid=extid, tries=self._tries)
        return False

    async def _try_once(self, url: httpx.URL, content_type: str, body: bytes) -> bool:
        async with self._turn:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    request = httpx.Request("POST", url, content=body, headers={"content-type": content_type})
                    answer = await self._transport.handle_async_request(request)
                    await answer.aread()
                    await answer.aclose()
            except (httpx.HTTPError, TimeoutError):
                return False
        return answer.is_success
