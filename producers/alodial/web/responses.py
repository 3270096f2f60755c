"""JSON answers without FastAPI's encoder: every value here is plain JSON already."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_text(body: Any) -> bytes:
    """Returns compact UTF-8 JSON; halves of surrogate pairs, which UTF-8 cannot hold, are written as escapes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json_text(body), status, None if headers is None else dict(headers), "application/json")
