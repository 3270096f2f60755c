"""Serves the address where AloVoice sends results, as a raw ASGI app: the body is kept as it came, whatever it holds."""

import asyncio
from collections.abc import Sequence

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...store.inbox import RawResult
from ..auth import SecretSet
from ..client_address import TrustedProxies
from ..host_check import has_name_of
from ..metrics import ProcessMetrics
from ..problems import RETRY_AFTER, not_found, problem
from ..rate_limit import RateLimiter, retry_after
from .intake import CallbackIntake, Overloaded

KEPT = b'{"status":"ok"}'
KEPT_HEADERS = [(b"content-length", b"%d" % len(KEPT)), (b"content-type", b"application/json")]

MAX_CONTENT_TYPE = 256
"""Characters kept of the content type; a real one with its boundary has under 120."""

WRONG_SECRETS_PER_SECOND = 1
WRONG_SECRETS_BURST = 60
"""Wrong secrets from one address before they are answered 429. They never delay a right one."""

KIB_PER_SECOND = 16 * 1024
KIB_BURST = 128 * 1024
KIB_AT_LEAST = 1
"""What a whole process keeps: 16 MiB a second, eight thousand results of AloVoice. Whoever has stolen the secret could fill
Redis in a minute otherwise."""

FORGED_LOG_INTERVAL = 60.0
"""Seconds between two log lines about wrong secrets, so that a scanner cannot fill the disk."""

FORMER_LOG_INTERVAL = 60.0
"""Seconds between two log lines about the secret of before, which AloVoice uses until its staff have changed the address."""

QUOTES = " \t\r\n\"'<>"
"""What stands around a secret that was copied with too much."""

log = structlog.get_logger("alodial.intake")


class CallbackEndpoint:
    """``POST /callbacks/alovoice/{secret}``: 200 once the body is kept; a wrong secret looks like an unknown address."""

    def __init__(
        self,
        secrets: SecretSet,
        intake: CallbackIntake,
        metrics: ProcessMetrics,
        sources: Sequence[str] = (),
        public_url: str = "",
    ) -> None:
        self._public_url = public_url
        self._secrets = secrets
        self._sources = TrustedProxies(sources) if sources else None
        self._wrong = RateLimiter(WRONG_SECRETS_PER_SECOND, WRONG_SECRETS_BURST)
        self._bytes = RateLimiter(KIB_PER_SECOND, KIB_BURST)
        self._intake = intake
        self._metrics = metrics
        self._stored, self._spooled = (metrics.callbacks.labels(outcome) for outcome in ("stored", "spooled"))
        self._forged = 0
        self._forged_logged_at = -FORGED_LOG_INTERVAL
        self._former = 0
        self._former_logged_at = -FORMER_LOG_INTERVAL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._keep(scope, receive)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": KEPT_HEADERS})
        await send({"type": "http.response.body", "body": KEPT})

    async def _keep(self, scope: Scope, receive: Receive) -> Response | None:
        """Keeps the body. Returns None, or the answer instead of 200 when nothing was kept."""
        address = scope["client"][0] if scope.get("client") else ""
        secret, flaw = scope["path_params"]["secret"], scope["path_params"].get("flaw", "")
        # Only a POST is a result; whoever has the secret may ask whether the address is right.
        if not flaw and self._sources and scope["method"] == "POST" and address not in self._sources:
            flaw = "other_source"
        if flaw or not self._secrets.contains(secret):
            self._count_forged(self._reason(secret, flaw, scope))
            if wait := self._wrong.take(address):
                detail = "Too many wrong secrets came from this address."
                headers = {"Retry-After": retry_after(wait), "Connection": "close"}
                return problem(429, "too_many_requests", detail, headers=headers)
            return not_found()
        if scope["method"] != "POST":
            return problem(405, "method_not_allowed", "Results are POSTed here.", headers={"Allow": "POST"})
        content_type = ""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value[:MAX_CONTENT_TYPE].decode("latin-1")
        body = await _read(receive)
        if wait := self._bytes.take("", cost=KIB_AT_LEAST + len(body) / 1024):
            self._metrics.callbacks.labels("refused").inc()
            detail = "Not kept: results come faster than they can be used. Send it again."
            return problem(503, "overloaded", detail, headers={"Retry-After": retry_after(wait)})
        try:
            spooled = await self._intake.keep(RawResult(body, content_type, address))
        except Overloaded as exc:
            self._metrics.callbacks.labels("refused").inc()
            return problem(503, "overloaded", f"Not kept: {exc}. Send it again.", headers={"Retry-After": RETRY_AFTER})
        (self._spooled if spooled else self._stored).inc()
        if self._secrets.is_former(secret):
            self._count_former()
        return None

    def _reason(self, secret: str, flaw: str, scope: Scope) -> str:
        """What is wrong with the address: one of NEAR_MISSES, or ``secret``."""
        if self._secrets.contains(secret):
            return flaw
        bare = secret.strip(QUOTES)
        if len(bare) < len(secret) and self._secrets.contains(bare):
            return "quotes"
        return "secret" if has_name_of(self._public_url, scope) else "other_host"

    def _count_forged(self, reason: str) -> None:
        self._intake.count_refused(reason)
        self._metrics.callbacks.labels("forged").inc()
        self._forged += 1
        now = asyncio.get_running_loop().time()
        if now - self._forged_logged_at >= FORGED_LOG_INTERVAL:
            log.warning("callback.forged", times=self._forged, flaw=reason)
            self._forged_logged_at, self._forged = now, 0

    def _count_former(self) -> None:
        self._former += 1
        now = asyncio.get_running_loop().time()
        if now - self._former_logged_at >= FORMER_LOG_INTERVAL:
            log.info("callback.former_secret", times=self._former)
            self._former_logged_at, self._former = now, 0


async def _read(receive: Receive) -> bytes:
    """Returns the whole body; ``receive`` bounds its size and its time. Raises Refusal, ClientDisconnect."""
    blocks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        blocks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(blocks)
