"""Bodies as they come, read strictly: what two parsers could understand in two ways is refused."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alodial_schemas import FieldProblem, FieldsError, mask_numbers, nest, read_request

from .problems import Refusal

MAX_DIGITS = 100
"""Digits of a number. No field of ours has more than 15, and making an int of very many is quadratic."""


class MalformedBody(ValueError):
    """The body, or one line of it, is not what it should be; str() says why and repeats no value."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedBody("a name stands twice in one object")
    return made


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise MalformedBody(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_int, parse_constant=_constant)


def strict_json(body: bytes) -> Any:
    """The JSON value of a UTF-8 body. Raises MalformedBody."""
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
    return FieldProblem("", "malformed_json", str(exc), "send one JSON value in UTF-8")


def read_json(body: bytes) -> Any:
    """As :func:`strict_json`. Raises Refusal 400."""
    try:
        return strict_json(body)
    except MalformedBody as exc:
        raise Refusal(400, "malformed_json", f"The body is not usable JSON: {exc}.", [malformed(exc)]) from None


def lines_of(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of NDJSON that hold something, each with its number from 1."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if text := line.strip():
            yield number, text


def _form_pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=2000)
    except UnicodeDecodeError:
        raise MalformedBody("the form is not UTF-8") from None
    except ValueError:
        raise MalformedBody("the form has more than 2000 fields") from None


async def _multipart_pairs(request: Request) -> list[tuple[str, str]]:
    try:
        async with request.form(max_files=20, max_fields=2000) as form:
            pairs: list[tuple[str, str]] = []
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    shown = mask_numbers("".join(ch for ch in name[:64] if ch.isprintable()))
                    raise MalformedBody(f"{shown}: is a file; send its text as a plain field")
                pairs.append((name, value))
            return pairs
    except HTTPException as exc:
        raise MalformedBody(f"the multipart body does not parse: {exc.detail}") from None
    except (UnicodeDecodeError, LookupError):
        raise MalformedBody("the multipart body has a charset that is not understood") from None


async def read_alovoice(request: Request) -> dict[str, Any]:
    """AloVoice's own request in any of its forms, as what ``parse_call`` takes. Raises MalformedBody."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
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
