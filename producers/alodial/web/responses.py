"""Answers: JSON without FastAPI's encoder, as every value is plain JSON already, and files to save."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

MAX_FILE_NAME: Final = 80
_NOT_IN_NAMES: Final = frozenset('<>:"/\\|?*')

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# json.dumps makes an encoder each time, which takes as long as a small answer.


def json_text(body: Any) -> bytes:
    """Returns compact UTF-8 JSON; halves of surrogate pairs, which UTF-8 cannot hold, are written as escapes."""
    return _encode(body).encode("utf-8", "backslashreplace")


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json_text(body), status, None if headers is None else dict(headers), "application/json")


def attachment(name: str, ending: str) -> dict[str, str]:
    """The headers that save an answer as a file with this name, whatever its letters."""
    plain = "".join("_" if c in _NOT_IN_NAMES or not c.isprintable() else c for c in name).strip(" .")
    file = f"{plain[:MAX_FILE_NAME] or 'campaign'}.{ending}"
    ascii_name = "".join(c if c.isascii() else "_" for c in file)
    return {"Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(file, safe='')}"}
