"""``POST /v1/calls/batch``: many calls in one request, each judged by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ...api_keys import ApiKey
from ...calls.outcomes import queued_call
from ...calls.prepare import prepare, read_call
from ...calls.queue import CHUNK
from ...errors import Conflict, InvalidCall, StoreUnavailable
from ...store.call_transitions import NewCall
from ..auth import Submitter
from ..context import AppContext, app_context
from ..idempotency import idempotency_key
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal, field_errors
from ..request_bodies import MalformedBody, lines_of, malformed, read_json, strict_json
from ..responses import json_response

MAX_ROWS = 10_000
MAX_LINE_LENGTH = 64 * 1024

NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
"""Named so, a body is placed line by line while it arrives; without its name it is read whole first."""

BREATH = 25
"""Rows judged between two looks at the other requests: about 1 ms."""

THREAD_ABOVE = 64 * 1024
"""Bytes of a JSON array above which it is parsed in a thread; below, the thread costs more than the parsing."""

Result = dict[str, Any]
Row = Callable[[], Any]
"""Gives the row's JSON value. Raises MalformedBody."""

router = APIRouter(prefix="/v1/calls", tags=["calls"])


@router.post(
    "/batch",
    status_code=202,
    summary="Place up to 10,000 calls",
    responses=refusals(400, 401, 403, 429, 408, 413, 422, 503)
    | answers({202: ("One row for each, in order", models.BatchResults)}),
    openapi_extra=bodies.BATCH,
)
async def place_batch(request: Request, by: Submitter) -> Response:
    """A JSON array or NDJSON; `results` has one row for each in order. Good rows are queued whatever the bad ones are.

    NDJSON by its content type is placed while it arrives; where it is cut off, a last row says why and where. With
    `Accept: application/x-ndjson` the rows come back as lines. With an `Idempotency-Key` the same batch may be sent again
    without placing anything twice. Should the store go away half-way, the rows that may not have been stored carry the
    error `store_unavailable`.
    """
    parts = app_context(request)
    key = idempotency_key(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in NDJSON:
        results = await _streamed(parts, request, key, by)
    else:
        rows = await _rows(await request.body())
        results = []
        for start in range(0, len(rows), CHUNK):
            results += await _place(parts, rows[start : start + CHUNK], start, key, by)
    if request.headers.get("accept", "").partition(";")[0].strip().lower() in NDJSON:
        lines = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in results)
        return Response(lines.encode("utf-8", "backslashreplace"), 202, media_type="application/x-ndjson")
    return json_response({"results": results}, 202)


async def _streamed(parts: AppContext, request: Request, key: str, by: ApiKey) -> list[Result]:
    """NDJSON is placed while it arrives: no more of it than a chunk and a line is held.

    What was placed is always answered, or its sender would send it again: a body that is too long or too slow is cut off
    there, and its last row says so. Raises Refusal while nothing was placed.
    """
    results: list[Result] = []
    rows: list[Row] = []
    number = 0
    cut: list[Result] = []
    try:
        async for line in _lines(request):
            number += 1
            text = line.strip(b" \t\r\n" if number > 1 else b" \t\r\n\xef\xbb\xbf")
            if not text:
                continue
            if len(results) + len(rows) >= MAX_ROWS:
                cut = [_cut("too_many_rows", f"A batch has up to {MAX_ROWS} rows.", number)]
                break
            rows.append(_line(number, text) if len(text) <= MAX_LINE_LENGTH else _too_long(number))
            if len(rows) == CHUNK:
                results += await _place(parts, rows, len(results), key, by)
                rows = []
    except Refusal as exc:
        if not results:
            raise
        cut = [_cut(exc.code, exc.detail, number + 1)]
    if rows:
        results += await _place(parts, rows, len(results), key, by)
    return results + cut


def _cut(code: str, problem: str, number: int) -> Result:
    return _error(code, [FieldProblem("", code, problem, f"send line {number} and what follows in another batch")])


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """A line that is too long comes as its beginning, one byte longer than is allowed."""
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


def _too_long(number: int) -> Row:
    def read() -> Any:
        raise MalformedBody(f"line {number}: is longer than {MAX_LINE_LENGTH} bytes")

    return read


async def _rows(body: bytes) -> list[Row]:
    """Raises Refusal 400 or 413."""
    if body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _counted([_line(number, line) for number, line in _some(lines_of(body))])
    value = read_json(body) if len(body) <= THREAD_ABOVE else await asyncio.to_thread(read_json, body)
    if not isinstance(value, list):
        wrong = FieldProblem(
            "", "not_a_list", "is not a list of calls", "send a JSON array, or NDJSON with one call a line"
        )
        raise Refusal(422, "invalid_request", "The body is not a batch.", [wrong])
    return _counted([_value(entry) for entry in value])


def _some(lines: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes]]:
    """One more than may be, so that a body of empty lines costs nothing and too many are seen."""
    for count, line in enumerate(lines):
        if count > MAX_ROWS:
            return
        yield line


def _counted(rows: list[Row]) -> list[Row]:
    if len(rows) > MAX_ROWS:
        detail = f"A batch has up to {MAX_ROWS} rows; send the rest in another one, or as a campaign."
        raise Refusal(413, "too_many_rows", detail)
    return rows


def _line(number: int, line: bytes) -> Row:
    def read() -> Any:
        try:
            return strict_json(line)
        except MalformedBody as exc:
            raise MalformedBody(f"line {number}: {exc}") from None

    return read


def _value(entry: Any) -> Row:
    return lambda: entry


def _error(code: str, problems: list[FieldProblem], **more: Any) -> Result:
    return {"error": {"code": code, "errors": field_errors(problems)} | more}


async def _place(parts: AppContext, rows: list[Row], start: int, key: str, by: ApiKey) -> list[Result]:
    """One chunk: judged with breaths, stored by one script."""
    results: list[Result | None] = []
    calls: list[NewCall] = []
    for index, row in enumerate(rows):
        if index % BREATH == 0:
            await asyncio.sleep(0)
        try:
            call = read_call(row(), parts.settings)
            calls.append(
                prepare(
                    call, parts.settings, key=f"{key}\0{start + index}" if key else "", scope=by.scope, owner=by.name
                )
            )
        except MalformedBody as exc:
            results.append(_error("malformed_json", [malformed(exc)]))
        except InvalidCall as exc:
            results.append(_error(exc.code, exc.problems))
        else:
            results.append(None)
    stored = await _store(parts, calls, first=start == 0)
    return [next(stored) if result is None else result for result in results]


async def _store(parts: AppContext, calls: list[NewCall], *, first: bool) -> Any:
    try:
        answers = await parts.taker.take_many(calls)
    except StoreUnavailable as exc:
        if first:
            raise
        remedy = "send this row again, with the batch's Idempotency-Key if it had one"
        gone = _error(exc.code, [FieldProblem("", exc.code, "the call store went away", remedy)], retry=True)
        return iter([gone] * len(calls))
    return iter([_stored(row, call) for row, call in zip(answers, calls, strict=True)])


def _stored(row: Any, call: NewCall) -> Result:
    try:
        placed = queued_call(row, call)
    except Conflict as exc:
        return _error(exc.code, exc.problems)
    return {"id": placed.id, "extid": placed.extid, "state": placed.state}
