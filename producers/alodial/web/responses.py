"""JSON answers, written without FastAPI's encoder: every value here is plain already."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Response(data, status, None if headers is None else dict(headers), "application/json")
