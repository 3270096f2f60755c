"""Reads a request's body as AloVoice's parser does: multipart with bracket names or JSON text, and plain JSON."""

import json
from collections.abc import AsyncGenerator
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse

from alodial_schemas.alovoice.request import FieldsError, nest

from .call_request import MalformedRequest

# A two-way body with fifty recipients is 8 KiB.
MAX_BODY: Final = 64 * 1024


class BodyTooLarge(MalformedRequest):
    """The body is above MAX_BODY bytes."""

    status = 413


async def read_body(request: Request) -> dict[str, object]:
    """The nested object that a body holds. Raises BodyTooLarge and MalformedRequest, which the application answers."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyTooLarge(f"body: above {MAX_BODY} bytes; send one call or one act a request")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        fields = await _fields(request, bytes(body))
        try:
            return nest(fields)
        except FieldsError as problem:
            raise MalformedRequest(f"body: {problem}") from problem
    if kind == "application/json":
        return _json_object(bytes(body))
    raise MalformedRequest("content-type: not understood; send multipart/form-data or application/json")


def error_response(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """`{"error": text}`, as every refusal of the sandbox reads."""
    return JSONResponse({"error": text}, status, headers)


async def _fields(request: Request, body: bytes) -> list[tuple[str, str]]:
    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, once(), max_files=8, max_part_size=MAX_BODY).parse()
    except MultiPartException as problem:
        raise MalformedRequest(f"body: not readable as multipart: {problem.message}") from problem
    fields: list[tuple[str, str]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            # Announcements are attached in AloVoice's cabinet, never sent with a request.
            await value.close()
        else:
            fields.append((name, value))
    return fields


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise MalformedRequest("body: not readable as JSON; send a JSON object") from problem
    if not isinstance(value, dict):
        raise MalformedRequest("body: JSON, but not an object; send a JSON object")
    return value
