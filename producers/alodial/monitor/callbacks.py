"""AloVoice callbacks: how many wait, and those that could not be used, with their bodies, to replay or to delete."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import mask_numbers
from alodial_schemas.alovoice.result import CallResult, parse_results

from ..calls.threads import WAKEUPS, WORK
from ..i18n import Translator, translated
from ..results.dead_letters import MAX_AT_ONCE, drop_all, replay_all
from ..store import dead_letters
from ..store.call_filter import CallFilter
from ..store.client import Store
from ..store.records import iso
from ..web.context import app_context
from . import call_rows
from .auth import Signed, audit, can, form_of, text_of
from .context import translator_of
from .now import overview_of
from .rendering import PeopleRoute, page

PAGE_SIZE: Final = 25
MAX_GROUPED: Final = 1000
"""The newest callbacks, which are counted by reason."""

MAX_TEXT: Final = 32 * 1024
MAX_HEX: Final = 4096
MAX_NEAR: Final = 5
"""Calls that are listed for each of a result's numbers."""

MAX_RESULTS: Final = 5

KINDS: Final = ("unmatched", "unreadable")
DONE: Final = {"replay": "replayed", "drop": "dropped"}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """``hint`` are the numbers of its first result, as far as they are known."""

    id: str
    at: str
    kind: str
    reason: str
    size: int
    hint: str


class DeadFilter(NamedTuple):
    """``cursor`` is the id of the last callback of the page before."""

    kind: str
    reason: str
    cursor: str


def _filter_of(values: Mapping[str, str]) -> DeadFilter:
    """Reads an address's query; invalid values are ignored."""
    kind, cursor = values.get("kind", ""), values.get("cursor", "")
    return DeadFilter(kind if kind in KINDS else "", values.get("reason", "")[:400], cursor if _is_id(cursor) else "")


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}-[0-9]{1,18}", text) is not None


def _reason(t: Translator, reason: str) -> str:
    parts = (translated(part, t.language) for part in reason.split("; "))
    return t.known("callbacks.reason", reason) if t.has("callbacks.reason", reason) else "; ".join(parts)


def _row(row: dead_letters.DeadRow, t: Translator, *, full: bool) -> CallbackRow:
    reason, hint = _reason(t, row.reason), ""
    if row.size <= len(row.preview):
        results = [result for result in parse_results(row.preview, row.content_type) if isinstance(result, CallResult)]
        for result in results[:1]:
            numbers = [*result.from_numbers[:1], *result.to_numbers[:1]]
            hint = " → ".join(call_rows.number(number, full=full) for number in numbers)
    return CallbackRow(row.id, iso(row.at), row.kind, call_rows.text(reason, full=full), row.size, hint)


@router.get("/callbacks")
async def list_callbacks(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


async def _screen(request: Request, operator: Signed, done: str = "", count: int = 0) -> Response:
    t, app = translator_of(request), app_context(request)
    kind, reason, cursor = _filter_of(request.query_params)
    run = app.queue.store.run
    preview = dead_letters.PREVIEW_BYTES
    listing, newest, now = await asyncio.gather(
        run(dead_letters.list_dead(kind=kind, reason=reason, after=cursor, limit=PAGE_SIZE, preview=preview)),
        run(dead_letters.list_dead(limit=MAX_GROUPED, max_scanned=MAX_GROUPED)),
        overview_of(request),
    )
    groups = Counter((row.kind, row.reason) for row in newest.rows).most_common(20)
    received = {
        sample.labels["outcome"]: int(sample.value)
        for metric in app.metrics.registry.collect()
        if metric.name == "alodial_callbacks"
        for sample in metric.samples
        if sample.name == "alodial_callbacks_total"
    }
    return page(
        request,
        "callbacks.html",
        operator,
        now=now,
        rows=[_row(row, t, full=call_rows.in_full(operator)) for row in listing.rows],
        groups=[(kind, reason, _reason(t, reason), count) for (kind, reason), count in groups],
        by_kind=Counter(row.kind for row in newest.rows),
        more_kept=bool(newest.cursor) and now.dead > len(newest.rows),
        kind=kind,
        reason=reason,
        reason_text=_reason(t, reason) if reason else "",
        cursor=listing.cursor if len(listing.rows) == PAGE_SIZE or not listing.rows else "",
        kinds=KINDS,
        received=received,
        spool=app.intake.spool.unread,
        may_act=can(operator, "callbacks"),
        done=done,
        count=count,
    )


@router.get("/callbacks/{id}")
async def show_callback(request: Request, operator: Signed, id: str) -> Response:
    return await _callback_page(request, operator, id)


async def _callback_page(request: Request, operator: Signed, id: str, *, confirm: bool = False) -> Response:
    queue = app_context(request).queue
    item = await queue.in_thread(Store.call, dead_letters.find, id) if _is_id(id) else None
    if item is None:
        return page(request, "callback.html", operator, status=404, item=None)
    full = call_rows.in_full(operator)
    results = [result for result in parse_results(item.body, item.content_type) if isinstance(result, CallResult)]
    near: dict[str, call_rows.CallRow] = {}
    for result in results[:1]:
        for number in dict.fromkeys([*result.to_numbers[:2], *result.from_numbers[:1]]):
            phone = number if number.startswith("+") else f"+998{number}" if len(number) == 9 else f"+{number}"
            calls = (await queue.calls(CallFilter(phone=phone), limit=MAX_NEAR)).calls
            near |= {record.id: call_rows.row_of(record, full=full) for record in calls}
    text, is_text = _body_text(item.body)
    if not full:
        text = mask_numbers(text) if is_text else ""
    return page(
        request,
        "callback.html",
        operator,
        item=item,
        at=iso(int(item.id.partition("-")[0])),
        reason=_reason(translator_of(request), item.reason),
        text=text,
        is_text=is_text,
        part=min(len(item.body), MAX_TEXT if is_text else MAX_HEX),
        results=[
            call_rows.text(json.dumps(result.model_dump(mode="json"), ensure_ascii=False, indent=1), full=full)
            for result in results[:MAX_RESULTS]
        ],
        near=list(near.values())[: 2 * MAX_NEAR],
        may_act=can(operator, "callbacks"),
        confirm=confirm,
    )


def _body_text(body: bytes) -> tuple[str, bool]:
    """The beginning of a body, and whether it is text; else as a hex dump."""
    try:
        return body[:MAX_TEXT].decode("utf-8"), True
    except UnicodeDecodeError as exc:
        # The cut may have split the last character.
        if len(body) > MAX_TEXT and exc.start >= MAX_TEXT - 4:
            return body[:MAX_TEXT].decode("utf-8", "ignore"), True
    lines = []
    for at in range(0, min(len(body), MAX_HEX), 16):
        block = body[at : min(at + 16, MAX_HEX)]
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in block)
        lines.append(f"{at:06x}  {block.hex(' '):<47}  {plain}")
    return "\n".join(lines), False


@router.post("/callbacks/all/{act}")
async def act_on_all(request: Request, operator: Signed, act: str) -> Response:
    """Asks for a confirmation with the count; acts once that is given."""
    form = await form_of(request, operator, "callbacks")
    kind, reason, _ = _filter_of({"kind": text_of(form, "kind"), "reason": text_of(form, "reason")})
    if act not in DONE:
        return await _screen(request, operator)
    queue = app_context(request).queue
    if text_of(form, "sure") != "yes":
        return page(
            request,
            "callbacks_confirm.html",
            operator,
            act=act,
            kind=kind,
            reason=reason,
            reason_text=_reason(translator_of(request), reason),
            count=await WORK.run(_count, queue.thread_store, kind, reason),
        )
    act_on = drop_all if act == "drop" else replay_all
    count = await WORK.run(act_on, queue.thread_store, kind=kind, reason=reason)
    if act == "replay":
        await WAKEUPS.run(queue.waker.collect)
    await audit(request, operator, f"callbacks.{act}_all", kind=kind, reason=mask_numbers(reason), count=count)
    return await _screen(request, operator, DONE[act], count)


def _count(store: Store, kind: str, reason: str) -> int:
    return sum(1 for _ in dead_letters.ids(store, kind=kind, reason=reason, limit=MAX_AT_ONCE))


@router.post("/callbacks/{id}/{act}")
async def act_on_callback(request: Request, operator: Signed, id: str, act: str) -> Response:
    """Replays a callback, or deletes it after a confirmation."""
    form = await form_of(request, operator, "callbacks")
    if act == "drop" and text_of(form, "sure") != "yes":
        return await _callback_page(request, operator, id, confirm=True)
    queue = app_context(request).queue
    done = _is_id(id) and act in DONE and await queue.in_thread(_drop if act == "drop" else _replay, id)
    if not done:
        return page(request, "callback.html", operator, status=404, item=None)
    if act == "replay":
        await WAKEUPS.run(queue.waker.collect)
    await audit(request, operator, f"callbacks.{act}", result=id)
    return await _screen(request, operator, DONE[act], 1)


def _drop(store: Store, id: str) -> bool:
    return store.call(dead_letters.drop, id)


def _replay(store: Store, id: str) -> bool:
    item = store.call(dead_letters.find, id)
    if item is None:
        return False
    store.call(dead_letters.replay, item)
    return True
