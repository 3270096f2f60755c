"""Asks a sandbox what its phones did. The real AloVoice is never asked: it has no such address."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from typing import Final
from urllib.parse import quote, urlsplit

from ..settings import Settings
from .call_timeline import TimelineMoment, of_sandbox

TIMEOUT: Final = 1.0
"""Seconds for all that one page asks."""

MAX_BYTES: Final = 64 * 1024
AGAIN_AFTER: Final = 30.0
"""Seconds for which whoever did not answer as a sandbox does is left in peace."""

_not_a_sandbox: dict[str, float] = {}


def may_be_sandbox(url: str) -> bool:
    """Whether it makes sense to ask there at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    known = host == "alovoice.uz" or host.endswith(".alovoice.uz")
    return parts.scheme in ("http", "https") and bool(host) and not known


def _exchange(connection: HTTPConnection, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    ends = time.monotonic() + TIMEOUT
    headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        said = b""
        while len(said) <= MAX_BYTES and time.monotonic() < ends:
            part = answer.read1(8192)
            if not part:
                return answer.status, said
            said += part
        raise ValueError("too long, or too slow")
    finally:
        connection.close()


async def exchange(url: str, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Status and answer, which has a bound and a deadline; ``body`` goes as JSON.

    Raises OSError, HTTPException, ValueError.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    text = None if body is None else json.dumps(body).encode()
    work = asyncio.to_thread(_exchange, connection, method, parts.path.rstrip("/") + path, text)
    try:
        return await asyncio.wait_for(work, TIMEOUT)
    finally:
        # A head that drips would hold the thread for as long as it likes: every byte starts its wait anew.
        held = connection.sock
        if held is not None:
            with suppress(OSError):
                held.shutdown(SHUT_RDWR)


async def _ask(url: str, extids: Sequence[str]) -> dict[str, list[TimelineMoment]]:
    found: dict[str, list[TimelineMoment]] = {}
    for extid in extids:
        status, body = await exchange(url, "GET", f"/sandbox/calls/{quote(extid, safe='')}")
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ValueError("no object")
        if status == 200 and content.get("extid") == extid:
            found[extid] = of_sandbox(content.get("timeline"))
        elif not (status == 404 and "error" in content):
            raise ValueError("not a sandbox's answer")
    return found


async def ask_sandbox(settings: Settings, extids: Sequence[str]) -> dict[str, list[TimelineMoment]]:
    """What the phones of these extids did, where the provider is a sandbox that answers in time; else nothing."""
    url = settings.provider_url
    if not extids or not may_be_sandbox(url) or _not_a_sandbox.get(url, 0.0) > time.monotonic():
        return {}
    try:
        return await asyncio.wait_for(_ask(url, extids), TIMEOUT)
    except (OSError, HTTPException, ValueError, RecursionError):
        _not_a_sandbox.clear()
        _not_a_sandbox[url] = time.monotonic() + AGAIN_AFTER
        return {}
