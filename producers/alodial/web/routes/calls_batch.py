"""``POST /v1/calls/batch``: many calls in one request, each accepted or refused by itself."""

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from alodial_schemas import FieldProblem
from alodial_schemas.field_problems import limited_suggestions

from ...api_keys import ApiKey
from ...calls.outcomes import queued_call
from ...calls.prepare import BatchKeys, plain_row, read_call
from ...calls.queue import CHUNK
from ...errors import Conflict, InvalidCall, LimitReached, StoreFull, StoreUnavailable
from ...store.call_transitions import Enqueued, NewCall
from ..auth import Submitter, charge_rows
from ..client_presence import BATCH_SECONDS, ProcessorTime, in_turns, too_much_work
from ..context import AppContext, app_context
from ..idempotency import idempotency_key
from ..key_rules import check_call, check_use, quota_of
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal, field_errors
from ..request_bodies import MalformedBody, malformed, media_type, parse_body, strict_json
from ..responses import json_text

MAX_LINE_LENGTH = 64 * 1024

NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
"""Content types of a body that is placed line by line while it arrives; NDJSON under another type is read whole first."""


Result = dict[str, Any]


class Line(NamedTuple):
    """A line of NDJSON that was not parsed yet, with its number from 1."""

    number: int
    text: bytes


Row = Line | MalformedBody | Any
"""A line, the reason why there is none, or an entry of a JSON array."""

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
    batch = Batch(app_context(request), keys, api_key, quota_of(api_key), ProcessorTime(BATCH_SECONDS))
    with limited_suggestions():
        if media_type(request) in NDJSON:
            results = await _place_stream(batch, request)
        else:
            results = await _place_all(batch, request)
    lines = [json_text(row) async for row in in_turns(results)]
    if media_type(request, "accept") in NDJSON:
        return Response(b"\n".join([*lines, b""]), 202, media_type="application/x-ndjson")
    return Response(b'{"results":[' + b",".join(lines) + b"]}", 202, media_type="application/json")


class Batch(NamedTuple):
    """What all rows of a request share."""

    context: AppContext
    keys: BatchKeys
    api_key: ApiKey
    quota: str
    time: ProcessorTime


async def _place_all(batch: Batch, request: Request) -> list[Result]:
    """Places a whole body chunk by chunk. Raises ClientDisconnect when nobody waits for the answer any more."""
    rows = await _rows(await request.body())
    charge_rows(request, batch.api_key, len(rows))
    results: list[Result] = []
    for start in range(0, len(rows), CHUNK):
        if start and await request.is_disconnected():
            raise ClientDisconnect
        results += await _place(batch, rows[start : start + CHUNK], start)
    return results


async def _place_stream(batch: Batch, request: Request) -> list[Result]:
    """Places NDJSON while it arrives; no more than a chunk and a line of it is in memory.

    Placed rows always get their answer, or the client would send them again: when the body becomes too long or too slow,
    the last row says so. Raises Refusal while no row was placed.
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
            if len(results) + len(rows) >= bodies.MAX_ROWS:
                cut = [_cut("too_many_rows", f"A batch has up to {bodies.MAX_ROWS} rows.", number)]
                break
            too_long = MalformedBody(f"line {number}: is longer than {MAX_LINE_LENGTH} bytes")
            rows.append(Line(number, text) if len(text) <= MAX_LINE_LENGTH else too_long)
            if len(rows) == CHUNK:
                results += await _place(batch, rows, len(results))
                rows = []
    except Refusal as exc:
        if not results:
            raise
        cut = [_cut(exc.code, exc.detail, number + 1)]
    finally:
        charge_rows(request, batch.api_key, number)
    if rows:
        results += await _place(batch, rows, len(results))
    return results + cut


def _cut(code: str, problem: str, number: int) -> Result:
    return _error(code, [FieldProblem("", code, problem, f"send line {number} and what follows in another batch")])


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


def _value_of(row: Row) -> Any:
    """Returns the JSON value of a row. Raises MalformedBody."""
    if isinstance(row, MalformedBody):
        raise row
    if not isinstance(row, Line):
        return row
    try:
        return strict_json(row.text)
    except MalformedBody as exc:
        raise MalformedBody(f"line {row.number}: {exc}") from None


def _remedy(refused: Refusal) -> str:
    return "send the row again in another batch" if refused.status == 413 else "ask for more"


def _error(code: str, problems: list[FieldProblem], **more: Any) -> Result:
    return {"error": {"code": code, "errors": field_errors(problems)} | more}


def _new_call(batch: Batch, value: Any, position: int) -> NewCall:
    """Returns the store's row for the call at a position. Raises InvalidCall, Refusal."""
    settings, api_key = batch.context.settings, batch.api_key
    rest: dict[str, Any] = {"owner": api_key.name, "tenant": api_key.own, "quota": batch.quota}
    if not batch.keys.key and (row := plain_row(value, settings, **rest)) is not None:
        check_use(api_key, row.account, "normal")
        return row
    call = read_call(value, settings)
    check_call(api_key, call, settings)
    return batch.keys.prepare(call, settings, position, **rest)


async def _place(batch: Batch, rows: Sequence[Row], start: int) -> list[Result]:
    """Stores one chunk by one script and returns a result for each row; ``start`` counts the rows before it."""
    context, time = batch.context, batch.time
    results: list[Result | None] = []
    calls: list[NewCall] = []
    async for index, row in in_turns(list(enumerate(rows))):
        time.start()
        try:
            if time.is_used_up:
                raise too_much_work(time.seconds)
            calls.append(_new_call(batch, _value_of(row), start + index))
        except MalformedBody as exc:
            results.append(_error("malformed_json", [malformed(exc)]))
        except InvalidCall as exc:
            results.append(_error(exc.code, exc.problems))
        except Refusal as exc:
            results.append(_error(exc.code, [FieldProblem("", exc.code, exc.detail, _remedy(exc))], limit=exc.limit))
        else:
            results.append(None)
        time.stop()
    try:
        answers = await context.acceptor.accept_many(calls)
    except StoreUnavailable as exc:
        if start == 0:
            raise
        remedy = (
            "send the batch again with its Idempotency-Key: what was placed is not placed twice; without one, see first"
        )
        remedy += " whether the call is there"
        away = _error(exc.code, [FieldProblem("", exc.code, "the call store went away", remedy)], retry=True)
        return [away if result is None else result for result in results]
    stored = iter([_result_of(answer, call) for answer, call in zip(answers, calls, strict=True)])
    return [next(stored) if result is None else result for result in results]


def _result_of(row: Enqueued, call: NewCall) -> Result:
    try:
        placed = queued_call(row, call)
    except LimitReached as exc:
        problem = FieldProblem("", exc.code, str(exc), f"send the row again in {exc.wait:.0f} s")
        return _error(exc.code, [problem], limit=exc.limit, retry=True)
    except Conflict as exc:
        return _error(exc.code, exc.problems)
    except StoreFull as exc:
        return _error(exc.code, exc.problems, retry=True)
    return {"id": placed.id, "extid": placed.extid, "state": placed.state, **placed.noted}
