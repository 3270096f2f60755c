"""Results that came: what waits, and what nobody could use, with its raw body, replay and drop."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import mask_numbers
from alodial_schemas.alovoice.result import CallResult, parse_results

from ..calls.queue import CallQueue
from ..results.dead_letters import MAX_AT_ONCE, drop_all, replay_all
from ..store import dead_letters
from ..store.call_filter import CallFilter
from ..store.records import iso
from ..web.context import app_context
from . import call_rows
from .auth import Signed, audit, can, form_of, text_of
from .context import translator_of
from .i18n import Translator
from .now import overview_of
from .rendering import PeopleRoute, page

LISTED: Final = 25
GROUPED: Final = 1000
"""Newest ones that are counted by reason."""

BODY_SHOWN: Final = 32 * 1024
HEX_SHOWN: Final = 4096
NEAR: Final = 5
UNDERSTOOD: Final = 5

KINDS: Final = ("unmatched", "unreadable")

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class CallbackRow:
    id: str
    at: str
    kind: str
    reason: str
    size: int
    hint: str


def _reason(words: Translator, reason: str) -> str:
    return words.known("callbacks.reason", reason) if words.has("callbacks.reason", reason) else reason


def _hint(row: dead_letters.DeadRow, *, full: bool) -> str:
    """The numbers and the time of its first result, as far as its beginning tells."""
    if row.size > len(row.preview):
        return ""
    results = [one for one in parse_results(row.preview, row.content_type) if isinstance(one, CallResult)]
    if not results:
        return ""
    numbers = [*results[0].from_numbers[:1], *results[0].to_numbers[:1]]
    return " → ".join(call_rows.number(number, full=full) for number in numbers)


def _asked(given: Mapping[str, str]) -> tuple[str, str, str]:
    kind, reason = given.get("kind", ""), given.get("reason", "")[:400]
    cursor = given.get("cursor", "")
    good = re.fullmatch(r"[0-9]{1,18}-[0-9]{1,18}", cursor)
    return (kind if kind in KINDS else ""), reason, cursor if good else ""


@router.get("/callbacks")
async def listed(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


async def _screen(request: Request, operator: Signed, done: str = "", count: int = 0) -> Response:
    words = translator_of(request)
    parts = app_context(request)
    kind, reason, cursor = _asked(request.query_params)
    full = call_rows.in_full(operator)
    store = parts.queue.store
    found, newest, now = await asyncio.gather(
        store.run(
            dead_letters.list_dead(
                kind=kind, reason=reason, after=cursor, limit=LISTED, preview=dead_letters.PREVIEW_BYTES
            )
        ),
        store.run(dead_letters.list_dead(limit=GROUPED, max_scanned=GROUPED)),
        overview_of(request),
    )
    rows = [
        CallbackRow(
            row.id,
            iso(row.at),
            row.kind,
            mask_numbers(_reason(words, row.reason)) if not full else _reason(words, row.reason),
            row.size,
            _hint(row, full=full),
        )
        for row in found.rows
    ]
    groups = Counter((row.kind, row.reason) for row in newest.rows).most_common(20)
    counted = {
        sample.labels["outcome"]: int(sample.value)
        for metric in parts.meters.registry.collect()
        if metric.name == "alodial_callbacks"
        for sample in metric.samples
        if sample.name == "alodial_callbacks_total"
    }
    return page(
        request,
        "callbacks.html",
        operator,
        now=now,
        rows=rows,
        groups=[(of, why, _reason(words, why), n) for (of, why), n in groups],
        by_kind=Counter(row.kind for row in newest.rows),
        more_kept=bool(newest.cursor) and now.dead > len(newest.rows),
        kind=kind,
        reason=reason,
        reason_words=_reason(words, reason) if reason else "",
        cursor=found.cursor if len(found.rows) == LISTED or not found.rows else "",
        kinds=KINDS,
        counted=counted,
        spool=parts.keeper.spool.unread,
        may_act=can(operator, "callbacks"),
        done=done,
        count=count,
        here=cursor,
    )


@router.get("/callbacks/{id}")
async def one(request: Request, operator: Signed, id: str) -> Response:
    return await _one(request, operator, id)


async def _one(request: Request, operator: Signed, id: str, *, sure: bool = False) -> Response:
    words = translator_of(request)
    parts = app_context(request)
    _, _, name = _asked({"cursor": id})
    item = await asyncio.to_thread(_find, request, name) if name else None
    if item is None:
        return page(request, "callback.html", operator, status=404, item=None)
    full = call_rows.in_full(operator)
    results = parse_results(item.body, item.content_type)
    understood = [one for one in results if isinstance(one, CallResult)]
    near = []
    if understood:
        for number in dict.fromkeys([*understood[0].to_numbers[:2], *understood[0].from_numbers[:1]]):
            digits = number if number.startswith("+") else f"+998{number}" if len(number) == 9 else f"+{number}"
            found = await parts.queue.calls(CallFilter(phone=digits), limit=NEAR)
            near += [call_rows.row_of(record, full=full) for record in found.calls]
    try:
        text, is_text = item.body[:BODY_SHOWN].decode("utf-8"), True
    except UnicodeDecodeError as exc:
        # A character may have been cut in two at the end of what is shown.
        is_text = len(item.body) > BODY_SHOWN and exc.start >= BODY_SHOWN - 4
        text = item.body[:BODY_SHOWN].decode("utf-8", "ignore") if is_text else _hex(item.body[:HEX_SHOWN])
    if not full:
        text = mask_numbers(text) if is_text else ""
    told_of: list[dict[str, Any]] = [json.loads(one.model_dump_json()) for one in understood[:UNDERSTOOD]]
    drawn = [json.dumps(one, ensure_ascii=False, indent=1) for one in told_of]
    return page(
        request,
        "callback.html",
        operator,
        item=item,
        at=iso(int(item.id.partition("-")[0])),
        reason=_reason(words, item.reason),
        text=text,
        is_text=is_text,
        part=min(len(item.body), BODY_SHOWN if is_text else HEX_SHOWN),
        drawn=[one if full else mask_numbers(one) for one in drawn],
        near=list({row.id: row for row in near}.values())[: 2 * NEAR],
        may_act=can(operator, "callbacks"),
        sure=sure,
    )


def _hex(body: bytes) -> str:
    lines = []
    for at in range(0, len(body), 16):
        block = body[at : at + 16]
        plain = "".join(chr(b) if 32 <= b < 127 else "." for b in block)
        lines.append(f"{at:06x}  {block.hex(' '):<47}  {plain}")
    return "\n".join(lines)


def _find(request: Request, name: str) -> dead_letters.DeadResult | None:
    with CallQueue(settings=app_context(request).settings) as queue:
        return queue.store.call(dead_letters.find, name)


@router.post("/callbacks/all/{act}")
async def all_of_it(request: Request, operator: Signed, act: str) -> Response:
    """Asks with the count first; then does it."""
    form = await form_of(request, operator, "callbacks")
    kind, reason, _ = _asked({"kind": text_of(form, "kind"), "reason": text_of(form, "reason")})
    if act not in ("replay", "drop"):
        return await _screen(request, operator)
    if text_of(form, "sure") != "yes":
        count = await asyncio.to_thread(_count, request, kind, reason)
        words = translator_of(request)
        return page(
            request,
            "callbacks_ask.html",
            operator,
            act=act,
            kind=kind,
            reason=reason,
            reason_words=_reason(words, reason),
            count=count,
        )
    count = await asyncio.to_thread(_do_all, request, act, kind, reason)
    audit(operator, f"callbacks.{act}_all", kind=kind, reason=mask_numbers(reason), count=count)
    return await _screen(request, operator, "replayed" if act == "replay" else "dropped", count)


def _count(request: Request, kind: str, reason: str) -> int:
    with CallQueue(settings=app_context(request).settings) as queue:
        return sum(1 for _ in dead_letters.ids(queue.store, kind=kind, reason=reason, limit=MAX_AT_ONCE))


def _do_all(request: Request, act: str, kind: str, reason: str) -> int:
    with CallQueue(settings=app_context(request).settings) as queue:
        if act == "drop":
            return drop_all(queue.store, kind=kind, reason=reason)
        count = replay_all(queue.store, kind=kind, reason=reason)
        queue.waker.collect()
        return count


@router.post("/callbacks/{id}/{act}")
async def of_one(request: Request, operator: Signed, id: str, act: str) -> Response:
    form = await form_of(request, operator, "callbacks")
    _, _, name = _asked({"cursor": id})
    if act == "drop" and text_of(form, "sure") != "yes":
        return await _one(request, operator, id, sure=True)
    done = await asyncio.to_thread(_do_one, request, act, name) if name and act in ("replay", "drop") else False
    if not done:
        return page(request, "callback.html", operator, status=404, item=None)
    audit(operator, f"callbacks.{act}", result=name)
    return await _screen(request, operator, "replayed" if act == "replay" else "dropped", 1)


def _do_one(request: Request, act: str, name: str) -> bool:
    with CallQueue(settings=app_context(request).settings) as queue:
        if act == "drop":
            return queue.store.call(dead_letters.drop, name)
        item = queue.store.call(dead_letters.find, name)
        if item is None:
            return False
        queue.store.call(dead_letters.replay, item)
        queue.waker.collect()
        return True
