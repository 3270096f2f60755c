"""Classifies the outcome of a POST to AloVoice by one table. Pure.

| answer                                                       | outcome     |
| ------------------------------------------------------------ | ----------- |
| DNS, connect, TLS failure; connect or pool timeout           | unsent      |
| no descriptor, local port or memory for a connection, or our own firewall forbids it | local |
| 401 403                                                       | auth        |
| 429; 503 with Retry-After                                     | retry, and the account pauses |
| ALODIAL_UNSENT_STATUSES (none unless it is set)               | retry       |
| 404 405 410 421, where the next line has them                | address: rejected once a call was taken there, else a stop |
| ALODIAL_REFUSED_STATUSES (400 404 405 409 413 415 422)        | rejected    |
| 2xx with JSON without an error marker                         | taken       |
| everything else                                               | unconfirmed |
"""

import email.utils
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import httpx
from pydantic_core import from_json

from alodial.settings import Settings
from alodial.store.local_errors import LOCAL_CODES

Clock = Callable[[], datetime]

Outcome = Literal["taken", "rejected", "unconfirmed", "retry", "unsent", "local", "auth", "address"]

ADDRESS_STATUSES = frozenset({404, 405, 410, 421})
"""Refusals that say that nobody answers for calls at this address (RFC 9110)."""

MAX_PAUSE = 3600.0
"""Seconds that a Retry-After may hold us up."""

KEPT_TEXT = 2000
"""Characters of an answer that are kept on the call's record."""

MAX_DEPTH_BYTES = 64 * 1024

MAX_OPENINGS = 500
"""Braces and brackets of an answer beyond which it is not read; AloVoice's own has two."""


class Verdict(NamedTuple):
    """The class of a POST's outcome and the code of its reason.

    ``text`` is the beginning of the answer's body. ``pause`` is how many seconds the whole account should wait: 0 when
    the answer asks for a pause without a usable time, None when it asks for none.
    """

    outcome: Outcome
    code: str
    status: int | None = None
    text: str = ""
    pause: float | None = None


def system_time() -> datetime:
    """Returns the time of this machine's own clock, which may be wrong."""
    return datetime.now(UTC)


def _http_date(value: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def retry_after(headers: Mapping[str, str], now: Clock = system_time) -> float | None:
    """Returns the seconds of a Retry-After header (RFC 9110: seconds or a date), at most MAX_PAUSE.

    A date is read by the clock that wrote it, the answer's own Date; without that by ``now``. None when the header is
    absent, past, negative or unreadable. ``headers`` is case-insensitive.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Longer than 10 digits is the cap whatever it says; int() of a huge text would be slow.
        seconds = MAX_PAUSE if len(value) > 10 else float(value)
    else:
        moment = _http_date(value)
        if moment is None:
            return None
        seconds = (moment - (_http_date(headers.get("date", "")) or now())).total_seconds()
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, MAX_PAUSE)


def classify_error(exc: Exception) -> Verdict:
    """Returns what an exception of the exchange means. Its text is not kept: it may hold the URL and so the token."""
    if isinstance(exc, httpx.ConnectError):
        if str(exc) in LOCAL_CODES:
            return Verdict("local", str(exc))
        known = str(exc) if str(exc) in {"tls_untrusted", "tls_failed"} else "connect_failed"
        return Verdict("unsent", known)
    if isinstance(exc, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Verdict("unsent", "connect_timeout")
    if isinstance(exc, httpx.TimeoutException | TimeoutError):
        return Verdict("unconfirmed", "answer_timeout")
    if isinstance(exc, httpx.RemoteProtocolError):
        return Verdict("unconfirmed", "answer_unreadable")
    return Verdict("unconfirmed", "answer_lost")


def classify_answer(
    status: int, headers: Mapping[str, str], body: bytes, settings: Settings, now: Clock = system_time
) -> Verdict:
    """Returns what an answer means. ``headers`` is case-insensitive; see :func:`retry_after` for ``now``."""
    text = body[: KEPT_TEXT * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")[:KEPT_TEXT]
    if status in (401, 403):
        return Verdict("auth", "token_refused", status, text)
    pause = None if 200 <= status < 300 else retry_after(headers, now)
    if status == 429:
        return Verdict("retry", "too_many_requests", status, text, pause or 0.0)
    if status == 503 and "retry-after" in headers:
        return Verdict("retry", "refused_for_now", status, text, pause or 0.0)
    if status in settings.unsent_statuses:
        return Verdict("retry", f"status_{status}", status, text, pause)
    if status in settings.refused_statuses:
        return Verdict("address" if status in ADDRESS_STATUSES else "rejected", f"status_{status}", status, text)
    if not 200 <= status < 300:
        return Verdict("unconfirmed", f"status_{status}", status, text)
    if len(body) >= MAX_DEPTH_BYTES:
        return Verdict("unconfirmed", "answer_too_long", status, text)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return Verdict("unconfirmed", "answer_encoded", status, "")
    # How deep a parser goes differs between Pythons: 3.13 reads 9,000 levels that 3.12 refuses.
    if body.count(b"{") + body.count(b"[") > MAX_OPENINGS:
        return Verdict("unconfirmed", "answer_unreadable", status, text)
    try:
        content = read_json(body)
    except (ValueError, RecursionError):
        return Verdict("unconfirmed", "answer_unreadable", status, text)
    if content is None or content is False or content == "":
        return Verdict("unconfirmed", "answer_empty", status, text)
    if error_marked(content):
        return Verdict("unconfirmed", "answer_error", status, text)
    return Verdict("taken", "taken", status, text)


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


strict_json = json.JSONDecoder(parse_constant=_no_constant).decode
"""Shared: ``json.loads`` with an option makes a decoder each time, 2 % of a call."""


def read_json(body: bytes) -> Any:
    """What the strict decoder reads; nearly all of it is read by pydantic's, in a quarter of the time."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return strict_json(body.decode("utf-8-sig"))


_FIRST_WORD = re.compile(r"[^a-z]")
_ERROR_WORDS = frozenset({"error", "err", "fail", "failed", "failure", "false", "denied", "rejected"})


def error_marked(content: object, depth: int = 2) -> bool:
    """Returns whether JSON reports an error: on its top level, in a list, or in an ``answer`` that it wraps."""
    if isinstance(content, str):
        return _FIRST_WORD.split(content.strip().lower(), 1)[0] in _ERROR_WORDS
    if isinstance(content, list):
        return depth > 0 and any(error_marked(item, depth - 1) for item in content)
    if not isinstance(content, dict):
        return False
    for name, value in content.items():
        word = str(name).lower()
        if word in {"error", "errors", "err", "exception", "fault"} and value not in (None, False, 0, "", [], {}):
            return True
        if word in {"success", "ok"} and value in (False, 0, "false", "no"):
            return True
        if word in {"status", "result", "state"} and (
            value is False or (isinstance(value, str) and value.strip().lower() in _ERROR_WORDS)
        ):
            return True
        if word in {"code", "statuscode", "status_code", "status"} and isinstance(value, int) and 400 <= value < 600:
            return True
        if name in {"answer", "data", "response", "result"} and depth > 0 and error_marked(value, depth - 1):
            return True
    return False
