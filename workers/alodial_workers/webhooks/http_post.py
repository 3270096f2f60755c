"""One POST to a webhook endpoint: to a checked address, bounded in time and in what is read of the answer."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from alodial.store.local_errors import FORBIDDEN, LOCAL_CODES
from alodial.webhooks.config import Endpoint

from ..alovoice.answer_classification import classify_error
from ..alovoice.resolver import Resolver
from ..alovoice.transport import DirectTransport, HttpAnswer, Origin, StaleConnection, encode_head, encode_post
from .ssrf_guard import NotAllowed, Resolve, checked_addresses

MAX_BODY = 4096
"""Bytes of an answer's body that are read, and then dropped: only its status counts."""

MAX_IDLE = 4
"""Connections that are kept open for one endpoint."""

SHORTAGES = LOCAL_CODES - {FORBIDDEN}
"""Problems of this process that say nothing about the endpoint. A connection that is forbidden is about its address."""

_PROBLEMS = {"tls_untrusted": "tls", "tls_failed": "tls", "answer_timeout": "timeout", "answer_unreadable": "no_http"}


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """``status`` is 0 when there was no answer; then ``problem`` is a code for the reason."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


class EndpointClient:
    """POSTs to one endpoint.

    ``private`` allows addresses that are not public, ``timeout`` bounds a whole exchange in seconds, ``resolve``
    returns the addresses of a host name.
    """

    def __init__(self, endpoint: Endpoint, *, private: bool, timeout: float, resolve: Resolve | None = None) -> None:
        resolve = resolve or Resolver()

        async def addresses(host: str, port: int) -> Sequence[str]:
            return await checked_addresses(host, port, private=private, resolve=resolve)

        self._timeout = timeout
        self._origin = Origin(endpoint.host, endpoint.port, endpoint.tls)
        self._target = endpoint.target.encode("ascii")
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self._host = host if endpoint.port == (443 if endpoint.tls else 80) else f"{host}:{endpoint.port}"
        self._transport = DirectTransport(
            resolve=addresses, keep_alive=math.inf, max_idle=MAX_IDLE, max_body=MAX_BODY, wait_for_body=False
        )

    async def send(self, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """POSTs ``body`` within the timeout. Never raises for anything that the other side does."""
        fields = {"Host": self._host, **headers}.items()
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        request = encode_post(encode_head(self._target, encoded), body)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(request)
        except MemoryError:
            return WebhookAnswer(0, problem="out_of_memory")
        except NotAllowed:
            return WebhookAnswer(0, problem="address_not_allowed")
        except (httpx.TransportError, TimeoutError) as exc:
            code = classify_error(exc).code
            return WebhookAnswer(0, problem=code if code in LOCAL_CODES else _PROBLEMS.get(code, "no_connection"))
        return WebhookAnswer(answer.status, answer.headers)

    async def _exchange(self, request: bytes) -> HttpAnswer:
        try:
            return await self._transport.post(self._origin, request, before_first_byte=None)
        except StaleConnection:
            # The receiver knows a repeated event by its webhook-id, so that sending it twice does no harm.
            return await self._transport.post(self._origin, request, before_first_byte=None, reuse=False)

    def close(self) -> None:
        """Closes the idle connections."""
        self._transport.close()
