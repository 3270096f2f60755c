"""Submits one call to AloVoice over HTTP and says what became of it. The only place that imports httpx to call AloVoice."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial_schemas.alovoice.request import encode_json, encode_multipart_brackets, encode_multipart_json

from .answer_classification import Verdict, classify_answer, classify_error
from .transport import MAX_ANSWER, DirectTransport

LAST_INSTANT = "send_request_headers.started"

Arm = Callable[[], Awaitable[None]]


class NotArmed(Exception):
    """The call may not be submitted after all: ``reason`` is what the store said. Nothing was sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of one POST: the verdict and how long the exchange took, seconds."""

    verdict: Verdict
    elapsed: float

    def answer_json(self) -> str:
        """What is kept on the record for the operator."""
        kept: dict[str, Any] = {
            "outcome": self.verdict.outcome,
            "code": self.verdict.code,
            "ms": round(self.elapsed * 1000),
        }
        if self.verdict.status is not None:
            kept |= {"status": self.verdict.status, "body": self.verdict.text}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


class AloVoiceClient:
    """One for a process. ``transport`` is any httpx transport that honours the ``trace`` extension.

    The token stands in the URL's path. It is in no attribute that prints, no exception and no log of ours: requests are
    made straight on the transport, so that none of httpx's own logging or redirects ever sees them.
    """

    def __init__(self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport or DirectTransport()
        self._urls: dict[str, httpx.URL] = {}
        # One boundary for the process: 128 random bits that no value of a call can hold; the encoders refuse one that does.
        self._boundary = secrets.token_hex(16)
        form = (
            "application/json"
            if settings.provider_body == "json"
            else f"multipart/form-data; boundary={self._boundary}"
        )
        self._headers = (
            (b"Host", httpx.URL(settings.provider_url).netloc),
            (b"Content-Type", form.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"alodial"),
        )

    def __repr__(self) -> str:
        return f"AloVoiceClient({self._settings.provider_url!r})"

    def _url(self, account: str) -> httpx.URL:
        url = self._urls.get(account)
        if url is None:
            token = self._settings.account(account).token
            if token is None:
                raise ConfigurationError(
                    f"account {account} has no token; set ALODIAL_PROVIDER_TOKEN (or ALODIAL_ACCOUNTS)"
                )
            base = httpx.URL(self._settings.provider_url)
            # Quoted: a slash or a question mark in a token must neither cut it off nor raise an error that shows it.
            path = f"{base.path.rstrip('/')}/requestcall/{quote(token.get_secret_value(), safe='')}"
            url = self._urls[account] = base.copy_with(path=path)
        return url

    def _request(
        self, account: str, body: str, extid: str, trace: Callable[[str, Any], Awaitable[None]]
    ) -> httpx.Request:
        payload = self._encode(json.loads(body), extid)
        return httpx.Request(
            "POST",
            self._url(account),
            headers=[*self._headers, (b"Content-Length", str(len(payload)).encode("ascii"))],
            stream=httpx.ByteStream(payload),
            extensions={"trace": trace},
        )

    def _encode(self, content: dict[str, Any], extid: str) -> bytes:
        match self._settings.provider_body:
            case "json":
                return encode_json(content, extid)
            case "multipart-json":
                return encode_multipart_json(content, extid, self._boundary)
            case _:
                return encode_multipart_brackets(content, extid, self._boundary)

    async def submit(self, account: str, body: str, extid: str, arm: Arm) -> Submission:
        """POSTs the call. ``arm`` is awaited at the last instant, on an open connection, and raises NotArmed to refuse.

        The whole exchange takes at most ``ALODIAL_PROVIDER_TIMEOUT`` seconds, the time that ``arm`` waits not counted.
        Raises NotArmed and ConfigurationError, both with nothing sent; every other trouble is in the verdict.
        """
        loop = asyncio.get_running_loop()
        timeout = self._settings.provider_timeout
        began = sent = loop.time()
        deadline = asyncio.timeout(timeout)
        armed = False

        async def trace(event: str, _info: Any) -> None:
            nonlocal armed, sent
            if not event.endswith(LAST_INSTANT):
                return
            spent = loop.time() - began
            deadline.reschedule(None)
            await arm()
            armed, sent = True, loop.time()
            # 100 ms at least, so that a slow connect does not turn every answer into an ambiguous one.
            deadline.reschedule(sent + max(0.1, timeout - spent))

        try:
            request = self._request(account, body, extid, trace)
        except (ValueError, TypeError, LookupError, AttributeError):
            # Not a body of ours: somebody wrote it straight into Redis, or it was damaged there.
            return Submission(Verdict("rejected", "record_unreadable"), 0.0)
        try:
            async with deadline:
                response = await self._transport.handle_async_request(request)
                verdict = classify_answer(response.status_code, response.headers, await _read(response), self._settings)
        except NotArmed:
            raise
        except TimeoutError:
            verdict = classify_error(httpx.ReadTimeout("") if armed else httpx.ConnectTimeout(""))
        except Exception as exc:  # whatever a transport raises, the call must come to a verdict
            verdict = classify_error(exc)
            if not armed and verdict.outcome != "retry":
                # The hook had not returned, so not one byte was sent: ambiguous is only what came after it.
                verdict = Verdict("retry", "not_sent")
        return Submission(verdict, loop.time() - sent)

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _read(response: httpx.Response) -> bytes:
    """The raw body, up to MAX_ANSWER; the rest is not read."""
    body = bytearray()
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101  # an asynchronous transport gives no other
    try:
        async for chunk in stream:
            body += chunk
            if len(body) >= MAX_ANSWER:
                break
    finally:
        await stream.aclose()
    return bytes(body[:MAX_ANSWER])
