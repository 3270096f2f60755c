"""Parses request bodies strictly: a body that two parsers could read in two ways is refused."""

import json
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alodial_schemas import FieldProblem, FieldsError, mask_numbers, nest, read_request

from ..calls.threads import PARSING
from .problems import Refusal

MAX_DIGITS = 100
"""Digits of a number. No field has more than 15, and parsing an int takes quadratic time."""


MAX_VALUES = 1_000_000
"""Commas of a body: a value takes some 60 bytes of memory, and 16 MiB could hold eight million of them."""

MAX_NAMES = 500
"""Names in one object: rows of lists have some dozens. A wrong one takes up to 40 us to describe, in one piece."""

MAX_PART = 1 << 20
"""Bytes of a form's field."""

PARSE_IN_THREAD = 64 * 1024
"""Bytes above which a body is parsed in a thread; below, the thread costs more than the parsing."""


class MalformedBody(ValueError):
    """The body, or one line of it, does not parse; the text says why and repeats no value."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_NAMES:
        raise MalformedBody(f"an object has more than {MAX_NAMES} names")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBody("a name stands twice in one object")
    return fields


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise MalformedBody(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_int, parse_constant=_constant)


def strict_json(body: bytes) -> Any:
    """Returns the JSON value of a UTF-8 body. Raises MalformedBody."""
    if len(body) > MAX_VALUES and body.count(b",") > MAX_VALUES:
        raise MalformedBody(f"it has more than {MAX_VALUES:,} values")
    if not body.strip():
        raise MalformedBody("it is empty")
    try:
        return _decoder.decode(body.decode("utf-8-sig").strip())
    except MalformedBody:
        raise
    except UnicodeDecodeError as exc:
        raise MalformedBody(f"byte {exc.start} is not UTF-8") from None
    except json.JSONDecodeError as exc:
        raise MalformedBody(f"it is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from None
    except RecursionError:
        raise MalformedBody("it is nested too deep") from None
    except ValueError:
        raise MalformedBody("a number does not fit") from None


def malformed(exc: MalformedBody) -> FieldProblem:
    """Returns the problem as the list ``errors`` of an answer names it."""
    return FieldProblem("", "malformed_json", str(exc), "send one JSON value in UTF-8")


def read_json(body: bytes) -> Any:
    """Returns the JSON value of a UTF-8 body. Raises Refusal 400."""
    try:
        return strict_json(body)
    except MalformedBody as exc:
        raise Refusal(400, "malformed_json", f"The body is not usable JSON: {exc}.", [malformed(exc)]) from None


async def read_json_body(request: Request) -> Any:
    """Returns the JSON value of the request's body. Raises Refusal 400, and 413, 408 or 503 as BoundedReceive does."""
    return await parse_body(await request.body())


async def parse_body(body: bytes) -> Any:
    """As :func:`read_json`, in a thread for a large body."""
    return read_json(body) if len(body) <= PARSE_IN_THREAD else await PARSING.run(read_json, body)


async def read_object(request: Request) -> dict[str, Any]:
    """Returns the body, which must be a JSON object; an empty body is an empty object. Raises Refusal 400 or 422."""
    raw = await request.body()
    body = await parse_body(raw) if raw.strip() else {}
    if not isinstance(body, dict):
        problem = FieldProblem("", "not_an_object", "must be an object", "send one JSON object")
        raise Refusal(422, "invalid_request", "The body is no object.", [problem])
    return body


def media_type(request: Request, header: str = "content-type") -> str:
    """Returns the media type in a header, in lower case and without parameters; "" without the header."""
    return request.headers.get(header, "").partition(";")[0].strip().lower()


def printable(text: str) -> str:
    """Returns the text with a space for each character that a log or a screen cannot show."""
    return "".join(ch if ch.isprintable() else " " for ch in text)


def _form_pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=2000)
    except UnicodeDecodeError:
        raise MalformedBody("the form is not UTF-8") from None
    except ValueError:
        raise MalformedBody("the form has more than 2000 fields") from None


async def read_form(request: Request, *, max_files: int, max_fields: int) -> FormData:
    """Returns the fields of a form, which the caller closes if there may be files.

    Raises HTTPException 400 for a body that does not parse: Starlette before 1.7 lets the parser's own errors through.
    """
    try:
        return await request.form(max_files=max_files, max_fields=max_fields, max_part_size=MAX_PART)
    except FormParserError:
        raise HTTPException(400, "Invalid multipart data.") from None
    except (UnicodeDecodeError, LookupError):
        raise HTTPException(400, "The charset is not understood.") from None


async def _multipart_pairs(request: Request) -> list[tuple[str, str]]:
    try:
        form = await read_form(request, max_files=20, max_fields=2000)
    except HTTPException as exc:
        raise MalformedBody(f"the multipart body does not parse: {exc.detail}") from None
    pairs: list[tuple[str, str]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                label = mask_numbers("".join(ch for ch in name[:64] if ch.isprintable()))
                raise MalformedBody(f"{label}: is a file; send its text as a plain field")
            pairs.append((name, value))
    finally:
        await form.close()
    return pairs


async def read_alovoice(request: Request) -> dict[str, Any]:
    """Returns the fields for ``parse_call`` from AloVoice's own request: multipart, urlencoded or JSON.

    Raises MalformedBody.
    """
    body = await request.body()
    kind = media_type(request)
    try:
        if kind == "multipart/form-data":
            fields: Any = nest(await _multipart_pairs(request))
        elif kind.endswith("json") or body.lstrip()[:1] in (b"{", b"["):
            fields = strict_json(body)
        else:
            fields = nest(_form_pairs(body))
        if not isinstance(fields, dict):
            raise MalformedBody("it is not an object")
        return read_request(fields)
    except FieldsError as exc:
        raise MalformedBody(str(exc)) from None
