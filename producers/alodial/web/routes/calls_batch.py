"""``POST /v1/calls/batch``: many calls in one request, each accepted or refused by itself."""

import itertools
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from alodial_schemas import FieldProblem
from alodial_schemas.field_problems import limited_suggestions

from ...api_keys import ApiKey
from ...calls.bulk_actions import CHUNK
from ...calls.prepare import BatchKeys
from ..auth import Submitter, charge_rows
from ..batch_placing import BatchPlacing, Line, Row, error_row
from ..client_presence import BATCH_SECONDS, ProcessorTime
from ..context import app_context
from ..idempotency import idempotency_key
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal
from ..request_bodies import MalformedBody, media_type, parse_body

MAX_LINE_LENGTH = 64 * 1024

NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
"""Content types of a body that is placed line by line while it arrives; NDJSON under another type is read whole first."""

router = APIRouter(prefix="/v1/calls", tags=["calls"])


@router.post(
    "/batch",
    status_code=202,
    summary="Place up to 10,000 calls",
    responses=refusals(400, 401, 403, 429, 408, 413, 422, 503)
    | answers({202: ("One row for each, in order", models.BatchResults)}),
    openapi_extra=bodies.BATCH,
)
async def place_batch(request: Request, api_key: Submitter) -> Response:
    """A JSON array or NDJSON; `results` has one row for each in order. Good rows are queued whatever the bad ones are.

    NDJSON by its content type is placed while it arrives; where it is cut off, a last row says why and where. With
    `Accept: application/x-ndjson` the rows come back as lines. With an `Idempotency-Key` the batch may be sent again, whole
    or with rows corrected, added or left out: a row that was placed is known by its extid or its content and is not placed
    twice, the others are. Should the store go away half-way, the rows that may not have been stored carry the error
    `store_unavailable`.
    """
    keys = BatchKeys(idempotency_key(request), api_key.scope)
    placing = BatchPlacing(app_context(request), api_key, keys, ProcessorTime(BATCH_SECONDS))
    place = _place_stream if media_type(request) in NDJSON else _place_all
    with limited_suggestions():
        async with placing:
            results = await place(placing, request, api_key)
    if media_type(request, "accept") in NDJSON:
        return Response(b"\n".join([*results, b""]), 202, media_type="application/x-ndjson")
    return Response(b'{"results":[' + b",".join(results) + b"]}", 202, media_type="application/json")


async def _place_all(placing: BatchPlacing, request: Request, api_key: ApiKey) -> list[bytes]:
    """Places a whole body chunk by chunk. Raises ClientDisconnect when nobody waits for the answer any more."""
    rows = await _rows(await request.body())
    charge_rows(request, api_key, len(rows))
    for start in range(0, len(rows), CHUNK):
        if start and await request.is_disconnected():
            raise ClientDisconnect
        await placing.add(rows[start : start + CHUNK])
    return await placing.finish()


async def _place_stream(placing: BatchPlacing, request: Request, api_key: ApiKey) -> list[bytes]:
    """Places NDJSON while it arrives; no more than two chunks and a line of it are in memory.

    Placed rows always get their answer, or the client would send them again: when the body becomes too long or too slow,
    the last row says so. Raises Refusal while no row was placed.
    """
    rows: list[Row] = []
    number = 0
    cut: list[bytes] = []
    try:
        async for line in _lines(request):
            number += 1
            text = line.strip(b" \t\r\n" if number > 1 else b" \t\r\n\xef\xbb\xbf")
            if not text:
                continue
            if placing.rows + len(rows) >= bodies.MAX_ROWS:
                cut = [_cut("too_many_rows", f"A batch has up to {bodies.MAX_ROWS} rows.", number)]
                break
            too_long = MalformedBody(f"line {number}: is longer than {MAX_LINE_LENGTH} bytes")
            rows.append(Line(number, text) if len(text) <= MAX_LINE_LENGTH else too_long)
            if len(rows) == CHUNK:
                await placing.add(rows)
                rows = []
    except Refusal as exc:
        if not placing.rows:
            raise
        cut = [_cut(exc.code, exc.detail, number + 1)]
    finally:
        charge_rows(request, api_key, number)
    if rows:
        await placing.add(rows)
    return await placing.finish() + cut


def _cut(code: str, problem: str, number: int) -> bytes:
    return error_row(code, [FieldProblem("", code, problem, f"send line {number} and what follows in another batch")])


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """Yields the lines of the body; of a line that is too long only its beginning, one byte more than is allowed."""
    kept = bytearray()
    async for block in request.stream():
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            kept += block[start:end][: max(0, MAX_LINE_LENGTH + 1 - len(kept))]
            yield bytes(kept)
            kept.clear()
            start = end + 1
        kept += block[start:][: max(0, MAX_LINE_LENGTH + 1 - len(kept))]
    if kept:
        yield bytes(kept)


async def _rows(body: bytes) -> list[Row]:
    """Returns the rows of a whole body: NDJSON or a JSON array. Raises Refusal 400, 413 or 422."""
    if body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        lines = (Line(number, line.strip()) for number, line in enumerate(body.split(b"\n"), 1))
        # One line more than is allowed, so that too many are seen before the rest is looked at.
        return _limited(list(itertools.islice((line for line in lines if line.text), bodies.MAX_ROWS + 1)))
    value = await parse_body(body)
    if not isinstance(value, list):
        remedy = "send a JSON array, or NDJSON with one call a line"
        problem = FieldProblem("", "not_a_list", "is not a list of calls", remedy)
        raise Refusal(422, "invalid_request", "The body is not a batch.", [problem])
    return _limited(value)


def _limited(rows: list[Row]) -> list[Row]:
    if len(rows) > bodies.MAX_ROWS:
        detail = f"A batch has up to {bodies.MAX_ROWS} rows; send the rest in another one, or as a campaign."
        raise Refusal(413, "too_many_rows", detail)
    return rows
