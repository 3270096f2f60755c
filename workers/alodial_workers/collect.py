"""Takes results out of the inbox and gives them to their calls. Plain functions given their collaborators."""

import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import structlog

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, inbox
from alodial.store.call_transitions import Applied, Applying
from alodial.store.client import Store
from alodial.store.inbox import InboxEntry, ParkedResult
from alodial.store.server_clock import server_ms
from alodial_schemas.alovoice.result import CallResult, Unreadable, parse_results

from .result_metrics import measure

log = structlog.get_logger("alodial.collect")

BATCH = 100
GATHER = 0.01
"""Seconds between small batches."""

MAX_RESULT = 8_000
"""Bytes of a result's JSON: with 16 entries of metadata in Cyrillic, 10 kB, an event stays under 20 kB."""

MAX_DATA = 200
MAX_ENTRY = 64


def result_json(result: CallResult) -> str:
    """The contract's ``result`` as JSON; its attempts give way, with a mark, where it would be too long for an event."""
    public = result.public()
    text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
    kept = len(result.attempts)
    while len(text.encode()) > MAX_RESULT and kept:
        kept //= 2
        public = {**public, "attempts": [*result.attempts[:kept], {"truncated": len(result.attempts) - kept}]}
        text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_RESULT:
        # A control character is six bytes of JSON, so that even the shortest form counts on the worst.
        short = {name: _shortened(value) for name, value in public.items()}
        text = json.dumps({**short, "truncated": True}, ensure_ascii=False, separators=(",", ":"))
    return text


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [part[:MAX_ENTRY] if isinstance(part, str) else part for part in value[:4]]
    return value[:MAX_DATA] if isinstance(value, str) else value


def collect(store: Store, settings: Settings, reader: str) -> int:
    """Empties the inbox of what nobody has taken yet; answers how many bodies. Raises StoreUnavailable."""
    store.call(inbox.clear_wakeup)
    total = 0
    while entries := store.call(inbox.read_new, reader, BATCH):
        process(entries, store, settings)
        total += len(entries)
        if len(entries) < BATCH // 4:
            # More of them go together in the next round trips; the first of a burst did not wait.
            time.sleep(GATHER)
    return total


def recover(store: Store, settings: Settings, reader: str, idle: float) -> int:
    """Takes over what silent collectors left behind."""
    entries = store.call(inbox.reclaim, reader, idle, BATCH)
    process(entries, store, settings)
    return len(entries)


def process(entries: Sequence[InboxEntry], store: Store, settings: Settings) -> None:
    """Applies every result of these bodies. What one body does wrong, the others do not feel.

    Raises StoreUnavailable; then they are read once more, which does no harm.
    """
    try:
        _process(entries, store, settings)
    except StoreUnavailable:
        raise
    except Exception as exc:  # one of them: each alone, and the one that cannot be is kept whole for an operator
        if len(entries) > 1:
            for entry in entries:
                process([entry], store, settings)
            return
        log.exception("result.crashed", entry=entries[0].id, error=type(exc).__name__)
        unreadable = Unreadable(f"processing failed: {type(exc).__name__}", None)
        store.run(inbox.park("ack", entries[0].id, [_unreadable([unreadable], entries[0])], settings.orphan_timeout))


def _process(entries: Sequence[InboxEntry], store: Store, settings: Settings) -> None:
    read: list[tuple[InboxEntry, list[CallResult | Unreadable]]] = []
    for entry in entries:
        try:
            read.append((entry, parse_results(entry.body, entry.content_type)))
        except Exception as exc:  # the parser promises not to raise; a body must not stop the others if it does
            log.error("result.crashed", entry=entry.id, error=type(exc).__name__)
            read.append((entry, [Unreadable(f"parser failed: {type(exc).__name__}", None)]))
    results = [result for _, found in read for result in found if isinstance(result, CallResult) and result.extid]
    texts = [result_json(result) for result in results]
    applied: list[Applied] = []
    for start in range(0, len(results), BATCH):
        chunk: list[Applying] = [
            Applying(result.extid or "", text, result.digest(), result.disposition, result.talk_seconds)
            for result, text in zip(results[start : start + BATCH], texts[start : start + BATCH], strict=True)
        ]
        answers: list[Applied] = store.run(call_transitions.apply_results(chunk))
        applied += answers
    outcomes = iter(zip(results, texts, applied, strict=True))
    if results and not store.clock.fresh:
        store.clock.learn(store.call(server_ms))
    now = store.clock.deadline(0)
    finished: list[str] = []
    for entry, found in read:
        kept: list[ParkedResult] = []
        nameless: list[CallResult] = []
        unreadable: list[Unreadable] = []
        for result in found:
            if isinstance(result, Unreadable):
                unreadable.append(result)
            elif not result.extid:
                nameless.append(result)
            else:
                known, text, outcome = next(outcomes)
                if outcome.outcome == "unknown":
                    kept.append(_orphan(known, text, entry, alone=len(found) == 1))
                report(known, outcome)
                measure(known, outcome, entry.id, now)
        # The body is kept whole once for each kind: a list of a thousand must not become a thousand copies of itself.
        if nameless:
            kept.append(_nameless(nameless, entry))
        if unreadable:
            kept.append(_unreadable(unreadable, entry))
        if kept:
            store.run(inbox.park("ack", entry.id, kept, settings.orphan_timeout))
        else:
            finished.append(entry.id)
    # Nearly all of them: one round trip for the batch instead of a script each was 40 % of a result's time.
    store.call(inbox.finish, finished)


def retry_orphans(store: Store, settings: Settings, now_ms: int, limit: int = 500) -> int:
    """Tries results with an unknown extid once more; gives up those whose time is over. Answers how many found a call."""
    found = 0
    for member, deadline in store.call(inbox.orphans, limit):
        try:
            orphan: dict[str, Any] = json.loads(member)
            extid, result, digest, disposition = (str(orphan[n]) for n in ("extid", "result", "digest", "disposition"))
            applying = Applying(extid, result, digest, disposition, int(orphan.get("talk", 0)))
            body, content_type = base64.b64decode(orphan["body"]), str(orphan["type"])
            outcome = store.run(call_transitions.apply_results([applying]))[0]
        except StoreUnavailable:
            raise
        except Exception as exc:  # damaged, or it meets a damaged record: the others must have their turn
            log.exception("result.crashed", error=type(exc).__name__)
            reason = f"processing failed: {type(exc).__name__}"
            parked = ParkedResult(
                "unreadable", member, "application/json", reason, _event_data(None, None, reason=reason)
            )
            store.run(inbox.park("zrem", member, [parked], 0))
            continue
        if outcome.outcome != "unknown":
            store.run(inbox.park("zrem", member, [], settings.orphan_timeout))
            log.info("result.adopted", call_id=outcome.id, extid=orphan["extid"], outcome=outcome.outcome)
            found += 1
        elif deadline <= now_ms:
            data = _event_data(
                orphan["extid"], orphan["disposition"], result=json.loads(orphan["result"]), reason="unknown_extid"
            )
            if store.run(
                inbox.park("zrem", member, [ParkedResult("unmatched", body, content_type, "unknown_extid", data)], 0)
            ):
                log.warning("result.unmatched", extid=orphan["extid"], reason="unknown_extid")
    return found


def report(result: CallResult, outcome: Applied) -> None:
    """One line for what a result did."""
    ids = {"call_id": outcome.id, "extid": result.extid, "account": outcome.account, "attempt": outcome.attempt}
    match outcome.outcome:
        case "completed":
            log.info("call.completed", **ids, disposition=result.disposition, duration=result.duration)
        case "redial":
            log.info("call.redial_scheduled", **ids, disposition=result.disposition)
        case "corrected":
            log.warning("call.corrected", **ids, state=outcome.state, disposition=result.disposition)
        case "unknown":
            log.warning("result.orphaned", extid=result.extid)
        case other:
            log.debug("result.kept", **ids, outcome=other)


def _event_data(
    extid: str | None, disposition: str | None, *, result: object = None, reason: str, **more: object
) -> str:
    data = {
        "call_id": None,
        "extid": extid,
        "reference": None,
        "campaign_id": None,
        "state": None,
        "disposition": disposition,
        "attempt": None,
        "metadata": {},
        "reason": reason,
        **more,
    }
    if result is not None:
        data["result"] = result
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _orphan(result: CallResult, text: str, entry: InboxEntry, *, alone: bool) -> ParkedResult:
    """Kept with its own body; one of many results in a body is kept as a body of its own."""
    body = entry.body if alone else _as_body(result)
    orphan = {
        "extid": result.extid,
        "result": text,
        "digest": result.digest(),
        "disposition": result.disposition,
        "talk": result.talk_seconds,
        "type": entry.content_type if alone else "application/json",
        "body": base64.b64encode(body).decode("ascii"),
        "entry": entry.id,
    }
    return ParkedResult("orphan", json.dumps(orphan, separators=(",", ":")))


def _as_body(result: CallResult) -> bytes:
    """A result in AloVoice's own shape, so that it can be replayed alone."""

    def unix(moment: Any) -> int | None:
        return None if moment is None else int(moment.timestamp())

    return json.dumps(
        {
            "externalid": result.extid,
            "id": result.call_ids,
            "from_number": result.from_numbers,
            "to_number": result.to_numbers,
            "trunk_number": result.trunk_number,
            "begin_time": unix(result.begin_time),
            "answer_time": unix(result.answer_time),
            "end_time": unix(result.end_time),
            "duration": result.duration,
            "dialstatus": result.dialstatus,
            "record": result.record,
            "attempts": result.attempts,
        }
    ).encode()


def _nameless(results: Sequence[CallResult], entry: InboxEntry) -> ParkedResult:
    """Results that name no call exactly are never given to a neighbour. The event shows the first of them."""
    first = results[0]
    reason = _counted("; ".join(first.warnings)[:300] or "no extid", len(results))
    log.warning("result.unmatched", reason=reason, entry=entry.id)
    data = _event_data(None, first.disposition, result=json.loads(result_json(first)), reason=reason)
    return ParkedResult("unmatched", entry.body, entry.content_type, reason, data)


def _unreadable(found: Sequence[Unreadable], entry: InboxEntry) -> ParkedResult:
    first = found[0]
    reason = first.reason if first.hint is None else f"{first.reason} ({first.hint})"
    reason = _counted(reason[:300], len(found))
    log.warning("result.unreadable", reason=reason, entry=entry.id, size=len(entry.body))
    data = _event_data(None, None, reason=reason, size=len(entry.body))
    return ParkedResult("unreadable", entry.body, entry.content_type, reason, data)


def _counted(reason: str, count: int) -> str:
    return reason if count == 1 else f"{reason} (and {count - 1} more in this body)"
