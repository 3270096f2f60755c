"""Places the rows of a batch chunk by chunk: the next chunk is read while Redis stores the one before."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from alodial_schemas import FieldProblem

from ..api_keys import ApiKey
from ..calls.outcomes import queued_call
from ..calls.prepare import BatchKeys, plain_row, read_call
from ..errors import Conflict, InvalidCall, LimitReached, StoreFull, StoreUnavailable
from ..store.call_transitions import Enqueued, NewCall
from ..store.enqueue import PreparedCalls
from .client_presence import ProcessorTime, in_turns, too_much_work
from .context import AppContext
from .key_rules import caller_of, check_call, check_use
from .problems import Refusal, field_errors
from .request_bodies import MalformedBody, malformed, strict_json
from .responses import json_text


class Line(NamedTuple):
    """A line of NDJSON that was not parsed yet, with its number from 1."""

    number: int
    text: bytes


Row = Line | MalformedBody | Any
"""A line, the reason why there is none, or an entry of a JSON array."""


class _Chunk(NamedTuple):
    """Rows that were read: how many stood before them, what is wrong with each (None: nothing) and the others' calls."""

    start: int
    refusals: list[bytes | None]
    prepared: PreparedCalls


class BatchPlacing:
    """The rows of one request. ``results`` holds an answer in JSON for each row that was placed, in order.

    Use it as an asynchronous context: what was sent to Redis is waited for, whatever ends the request.
    """

    def __init__(self, context: AppContext, api_key: ApiKey, keys: BatchKeys, time: ProcessorTime) -> None:
        self.results: list[bytes] = []
        self.rows = 0
        self._context = context
        self._api_key = api_key
        self._keys = keys
        self._time = time
        self._caller = caller_of(api_key)
        self._sent: tuple[_Chunk, asyncio.Task[list[Enqueued]]] | None = None
        self._takes_plain_rows = not keys.key and _may_place_plain_rows(api_key)

    async def __aenter__(self) -> "BatchPlacing":
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._sent is not None:
            await asyncio.gather(self._sent[1], return_exceptions=True)

    async def add(self, rows: Sequence[Row]) -> None:
        """Reads up to CHUNK rows and sends them, once Redis has answered for those before. Raises as :meth:`finish` does."""
        chunk = await self._read(rows)
        answered = await self._answered()
        self._sent = chunk, asyncio.create_task(self._context.acceptor.accept_many(chunk.prepared))
        await asyncio.sleep(0)  # it leaves first: Redis works while the answers before are written
        self.results += answered
        await asyncio.sleep(0)

    async def finish(self) -> list[bytes]:
        """Waits for the last rows and returns all results. Raises StoreUnavailable while nothing was placed."""
        self.results += await self._answered()
        return self.results

    async def _answered(self) -> Iterator[bytes]:
        """Waits for the rows that were sent and returns their results, which are yet to be written."""
        if self._sent is None:
            return iter(())
        (chunk, task), self._sent = self._sent, None
        try:
            answers = await task
        except StoreUnavailable as exc:
            if chunk.start == 0:
                raise
            away = _away(exc)
            return (away if refusal is None else refusal for refusal in chunk.refusals)
        stored = map(_result_of, answers, chunk.prepared.calls)
        return (next(stored) if refusal is None else refusal for refusal in chunk.refusals)

    async def _read(self, rows: Sequence[Row]) -> _Chunk:
        refusals: list[bytes | None] = []
        calls: list[NewCall] = []
        start, time = self.rows, self._time
        async for row in in_turns(rows, time):
            try:
                if time.is_used_up:
                    raise too_much_work(time.seconds)
                calls.append(self._new_call(row if type(row) is dict else _value_of(row), start + len(refusals)))
            except MalformedBody as exc:
                refusals.append(error_row("malformed_json", [malformed(exc)]))
            except InvalidCall as exc:
                refusals.append(error_row(exc.code, exc.problems))
            except Refusal as exc:
                remedy = "send the row again in another batch" if exc.status == 413 else "ask for more"
                problem = FieldProblem("", exc.code, exc.detail, remedy)
                refusals.append(error_row(exc.code, [problem], limit=exc.limit))
            else:
                refusals.append(None)
        self.rows += len(rows)
        return _Chunk(start, refusals, self._context.acceptor.prepare(calls))

    def _new_call(self, value: Any, position: int) -> NewCall:
        """Returns the store's row for the call at a position. Raises InvalidCall, Refusal."""
        settings = self._context.settings
        if self._takes_plain_rows and (row := plain_row(value, settings, caller=self._caller)) is not None:
            return row
        call = read_call(value, settings)
        check_call(self._api_key, call, settings)
        return self._keys.prepare(call, settings, position, caller=self._caller)


def _may_place_plain_rows(api_key: ApiKey) -> bool:
    """Whether the key may use the account and the priority of a call that names neither."""
    try:
        check_use(api_key, "default", "normal")
    except Refusal:
        return False  # the model reads the rows, and says what is wrong with each
    return True


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


def error_row(code: str, problems: list[FieldProblem], **more: Any) -> bytes:
    """Returns the result of a row that was not placed, in JSON."""
    return json_text({"error": {"code": code, "errors": field_errors(problems)} | more})


def _away(exc: StoreUnavailable) -> bytes:
    remedy = "send the batch again with its Idempotency-Key: what was placed is not placed twice; "
    remedy += "without one, see first whether the call is there"
    return error_row(exc.code, [FieldProblem("", exc.code, "the call store went away", remedy)], retry=True)


def _result_of(row: Enqueued, call: NewCall) -> bytes:
    if row.outcome == "created" and row.state is not None and call.not_before == "":
        return f'{{"id":"{row.id}","extid":"{row.caller_extid}","state":"{row.state}"}}'.encode()
    try:
        placed = queued_call(row, call)
    except LimitReached as exc:
        problem = FieldProblem("", exc.code, str(exc), f"send the row again in {exc.wait:.0f} s")
        return error_row(exc.code, [problem], limit=exc.limit, retry=True)
    except Conflict as exc:
        return error_row(exc.code, exc.problems)
    except StoreFull as exc:
        return error_row(exc.code, exc.problems, retry=True)
    return json_text({"id": placed.id, "extid": placed.extid, "state": placed.state, **placed.noted})
