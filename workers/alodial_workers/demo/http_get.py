"""One request over loopback. The standard library's client: no proxy of the caller's environment comes between."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """``body`` is the parsed JSON; None where there is none."""

    status: int
    body: Any


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Raises OSError when nobody answers within 10 s."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        text = response.read()
        return Answer(response.status, json.loads(text) if text else None)
    except (http.client.HTTPException, ValueError) as exc:
        raise OSError(f"no usable answer to {method}: {type(exc).__name__}") from exc
    finally:
        connection.close()
