"""Submits one call to AloVoice over HTTP and classifies what became of it."""

import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from pydantic_core import to_json

from alodial.errors import ConfigurationError
from alodial.settings import Settings
from alodial_schemas.alovoice.request import encode_json, encode_multipart_brackets, encode_multipart_json

from .answer_classification import Clock, Verdict, classify_answer, classify_error, system_time
from .resolver import Resolver
from .transport import DirectTransport, Hook, Origin, encode_head, encode_post


class NotArmed(Exception):
    """The call may not be submitted after all: ``reason`` is the store's code for it. Nothing was sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Submission(NamedTuple):
    """What became of one POST. ``elapsed`` is in seconds, from the first byte on."""

    verdict: Verdict
    elapsed: float

    def answer_json(self) -> str:
        """Returns the JSON that the call's record keeps for the operator."""
        kept: dict[str, Any] = {
            "outcome": self.verdict.outcome,
            "code": self.verdict.code,
            "ms": round(self.elapsed * 1000),
        }
        if self.verdict.status is not None:
            kept |= {"status": self.verdict.status, "body": self.verdict.text}
        return to_json(kept).decode()  # json.dumps with separators makes an encoder each time: 3 % of a call


class _TimedHook:
    """Awaits the hook and notes when it returned: from then on AloVoice may have the request."""

    __slots__ = ("_hook", "begun", "returned", "sent_at")

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self.begun = self.returned = False
        self.sent_at = time.monotonic()

    async def __call__(self) -> None:
        self.begun = True
        await self._hook()
        self.returned, self.sent_at = True, time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the hook returned; before that, since the exchange began."""
        return time.monotonic() - self.sent_at

    def verdict(self, exc: Exception) -> Verdict:
        """Returns what an exception of the exchange means: ambiguous is only what came after the hook had returned."""
        verdict = classify_error(exc)
        if not self.returned and (self.begun or verdict.outcome not in ("unsent", "local")):
            return Verdict("retry", "not_sent")
        return verdict


class AloVoiceClient:
    """Submits the calls of all accounts; a process needs one.

    ``now`` is the time by which a Retry-After date is read where the answer has no date of its own.
    The token is part of the URL's path. No attribute that prints holds it, and no exception and no log of ours.
    """

    def __init__(
        self, settings: Settings, *, transport: DirectTransport | None = None, now: Clock = system_time
    ) -> None:
        self._settings = settings
        self._now = now
        self._transport = transport or DirectTransport(resolve=Resolver(), max_idle=settings.max_in_flight)
        self._url = httpx.URL(settings.provider_url)
        tls = self._url.scheme == "https"
        self._origin = Origin(self._url.host, self._url.port or (443 if tls else 80), tls)
        self._heads: dict[str, bytes] = {}
        # One boundary for the process: 128 random bits that no value of a call can hold; the encoders refuse one that does.
        self._boundary = secrets.token_hex(16)
        form = (
            "application/json"
            if settings.provider_body == "json"
            else f"multipart/form-data; boundary={self._boundary}"
        )
        self._headers = (
            (b"Host", self._url.netloc),
            (b"Content-Type", form.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"alodial"),
        )

    def __repr__(self) -> str:
        return f"AloVoiceClient({self._settings.provider_url!r})"

    def _head(self, account: str) -> bytes:
        head = self._heads.get(account)
        if head is None:
            token = self._settings.account(account).token
            if token is None:
                raise ConfigurationError(
                    f"account {account} has no token; set ALODIAL_PROVIDER_TOKEN (or ALODIAL_ACCOUNTS)"
                )
            # Quoted: a slash or a question mark in a token must neither cut it off nor raise an error that shows it.
            path = f"{self._url.path.rstrip('/')}/requestcall/{quote(token.get_secret_value(), safe='')}"
            head = self._heads[account] = encode_head(self._url.copy_with(path=path).raw_path, self._headers)
        return head

    def _encode(self, content: Mapping[str, Any], extid: str) -> bytes:
        match self._settings.provider_body:
            case "json":
                return encode_json(content, extid)
            case "multipart-json":
                return encode_multipart_json(content, extid, self._boundary)
            case _:
                return encode_multipart_brackets(content, extid, self._boundary)

    async def submit(self, account: str, body: Mapping[str, Any], extid: str, *, before_first_byte: Hook) -> Submission:
        """POSTs the call ``body`` (the object in its record) and returns what became of it.

        ``before_first_byte`` is awaited at the last instant, on an open connection, and raises NotArmed to refuse.
        The exchange takes at most ``ALODIAL_PROVIDER_TIMEOUT`` seconds, the hook's own time not counted.

        Raises NotArmed and ConfigurationError, both with nothing sent; every other trouble is in the verdict.
        """
        try:
            payload = self._encode(body, extid)
        except (ValueError, TypeError, LookupError, AttributeError):
            # Somebody wrote it straight into Redis, or it was damaged there.
            return Submission(Verdict("rejected", "record_unreadable"), 0.0)
        request = encode_post(self._head(account), payload)
        hook = _TimedHook(before_first_byte)
        try:
            answer = await self._transport.post(
                self._origin, request, before_first_byte=hook, limit=self._settings.provider_timeout
            )
            verdict = classify_answer(answer.status, answer.headers, answer.body, self._settings, self._now)
        except NotArmed:
            raise
        except Exception as exc:  # whatever a transport raises, the call must come to a verdict
            verdict = hook.verdict(exc)
        return Submission(verdict, hook.elapsed())

    def close(self) -> None:
        """Closes the idle connections."""
        self._transport.close()
