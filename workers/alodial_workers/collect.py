"""Reads results from the inbox and applies them to their calls. Plain functions; the store is an argument."""

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
from alodial_schemas.alovoice.result import CallResult, Unreadable, parse_results

from .result_metrics import measure

log = structlog.get_logger("alodial.collect")

BATCH = 100
"""Bodies read, and results applied, in one round trip."""
GATHER = 0.01
"""Seconds between small batches, so that more results go together."""

PUT_AGAIN_TRIES, PUT_AGAIN_PAUSE = 60, 0.5
"""How often and after how many seconds a body is put back that a failover may have lost: longer than one takes."""

MAX_RESULT = 8_000
"""Bytes of a result's JSON: with 16 entries of metadata in Cyrillic, 10 kB, an event stays under 20 kB."""

GIVE_UP_READS = 10
GIVE_UP_AFTER = 600.0
"""A body that we fail to process is read again every 10 s; after so many times and seconds it becomes a dead letter."""

MAX_TEXT = 200
MAX_ITEM_TEXT = 64


def result_json(result: CallResult) -> str:
    """Returns the ``result`` of an event as JSON, at most MAX_RESULT bytes: attempts that do not fit are left out and counted."""
    public = result.public()
    text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
    kept = len(result.attempts)
    while len(text.encode()) > MAX_RESULT and kept:
        kept //= 2
        public = {**public, "attempts": [*result.attempts[:kept], {"truncated": len(result.attempts) - kept}]}
        text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_RESULT:
        # A control character is six bytes of JSON: the texts are cut so short that even these fit.
        short = {name: _shortened(value) for name, value in public.items()}
        text = json.dumps({**short, "truncated": True}, ensure_ascii=False, separators=(",", ":"))
    return text


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [item[:MAX_ITEM_TEXT] if isinstance(item, str) else item for item in value[:4]]
    return value[:MAX_TEXT] if isinstance(value, str) else value


def collect(store: Store, settings: Settings, reader: str) -> int:
    """Processes all unread bodies of the inbox and returns how many. Raises StoreUnavailable."""
    store.call(inbox.clear_wakeup)
    total = 0
    while entries := store.call(inbox.read_new, reader, BATCH):
        process(entries, store, settings)
        total += len(entries)
        if len(entries) < BATCH // 4:
            # The first result of a burst has not waited; the next ones gather.
            time.sleep(GATHER)
    return total


def recover(store: Store, settings: Settings, reader: str, idle: float) -> int:
    """Processes bodies that collectors read more than ``idle`` seconds ago and did not finish; returns how many."""
    entries = store.call(inbox.reclaim, reader, idle, BATCH)
    process(entries, store, settings)
    return len(entries)


def process(entries: Sequence[InboxEntry], store: Store, settings: Settings) -> None:
    """Applies every result of these bodies. One that we fail to process stays in the inbox and does not stop the others.

    Raises StoreUnavailable; then the bodies are read again, which does no harm.
    """
    primary = store.primary_number
    try:
        _process(entries, store, settings)
    except StoreUnavailable:
        raise
    except Exception as exc:  # a fault of ours, such as a lack of memory or descriptors: it says nothing about a body
        if len(entries) > 1:
            for entry in entries:
                process([entry], store, settings)
            return
        _postpone(entries[0], exc, store, settings)
    finally:
        if store.primary_number != primary:
            _put_again(entries, store)


def _put_again(entries: Sequence[InboxEntry], store: Store) -> None:
    """Puts bodies back into the inbox of a primary that was promoted meanwhile.

    They may have been applied on the old one and removed from the inbox of this one.
    """
    log.warning("result.put_again", entries=len(entries))
    for left in reversed(range(PUT_AGAIN_TRIES)):
        try:
            store.call(inbox.put_again, entries)
            return
        except StoreUnavailable:
            if not left:
                raise
            time.sleep(PUT_AGAIN_PAUSE)


def _postpone(entry: InboxEntry, exc: Exception, store: Store, settings: Settings) -> None:
    """Leaves a body in the inbox, where it is read again, or makes it a dead letter when that went on for too long.

    Only what is wrong with a body itself makes it unreadable at once: then the parser returns Unreadable.
    """
    problem = type(exc).__name__
    reads, age = store.call(inbox.times_read, entry.id), (store.server_ms() - entry.arrived_ms) / 1000
    if reads < GIVE_UP_READS or age < GIVE_UP_AFTER:
        log.error("result.postponed", entry=entry.id, error=problem, reads=reads, exc_info=reads <= 1)
        return
    log.exception("result.crashed", entry=entry.id, error=problem, reads=reads)
    failed = Unreadable(f"processing failed {reads} times: {problem}", None)
    store.run(inbox.park("ack", entry.id, [_unreadable([failed], entry)], settings.orphan_timeout))


def _process(entries: Sequence[InboxEntry], store: Store, settings: Settings) -> None:
    parsed = [(entry, parse_results(entry.body, entry.content_type)) for entry in entries]
    named = [
        (result, entry.arrived_ms)
        for entry, results in parsed
        for result in results
        if isinstance(result, CallResult) and result.extid
    ]
    applied = iter(_apply(named, store))
    if named and not store.clock.fresh:
        store.clock.learn(store.server_ms())
    now_ms = store.clock.deadline(0)
    finished: list[str] = []
    for entry, results in parsed:
        parked: list[ParkedResult] = []
        nameless: list[CallResult] = []
        unreadable: list[Unreadable] = []
        for result in results:
            if isinstance(result, Unreadable):
                unreadable.append(result)
            elif not result.extid:
                nameless.append(result)
            else:
                text, outcome = next(applied)
                if outcome.outcome == "unknown":
                    parked.append(_orphan(result, text, entry, alone=len(results) == 1))
                report(result, outcome)
                measure(result, outcome, entry.id, now_ms)
        # The body is kept whole once for each kind: a list of a thousand must not become a thousand copies of itself.
        if nameless:
            parked.append(_nameless(nameless, entry))
        if unreadable:
            parked.append(_unreadable(unreadable, entry))
        if parked:
            if orphaned := sum(item.kind == "orphan" for item in parked) if len(results) > 1 else 0:
                parked.insert(0, ParkedResult("shared", entry.body, entry.content_type, str(orphaned)))
            store.run(inbox.park("ack", entry.id, parked, settings.orphan_timeout))
        else:
            finished.append(entry.id)
    # Nearly all of them: one round trip for the batch, because a script for each was 40 % of a result's time.
    store.call(inbox.finish, finished)


def _apply(results: Sequence[tuple[CallResult, int]], store: Store) -> list[tuple[str, Applied]]:
    """Applies results with an extid and the ms of their arrival; returns the JSON and the outcome of each, in order."""
    applied: list[tuple[str, Applied]] = []
    texts = [result_json(result) for result, _ in results]
    for start in range(0, len(results), BATCH):
        chunk = [
            Applying(result.extid or "", text, result.digest(), result.disposition, result.talk_seconds, arrived)
            for (result, arrived), text in zip(
                results[start : start + BATCH], texts[start : start + BATCH], strict=True
            )
        ]
        outcomes = store.run(call_transitions.apply_results(chunk))
        applied += zip(texts[start : start + BATCH], outcomes, strict=True)
    return applied


def retry_orphans(store: Store, settings: Settings, now_ms: int, limit: int = 500) -> int:
    """Applies parked results with an unknown extid again; returns how many now have a call.

    Those past their deadline become dead letters. ``now_ms`` is Redis' clock. Raises StoreUnavailable.
    """
    adopted = 0
    for member, deadline in store.call(inbox.orphans, limit):
        try:
            orphan: dict[str, Any] = json.loads(member)
            extid, result, digest, disposition = (
                str(orphan[name]) for name in ("extid", "result", "digest", "disposition")
            )
            arrived = int(str(orphan.get("entry", "0")).partition("-")[0])
            applying = Applying(extid, result, digest, disposition, int(orphan.get("talk", 0)), arrived)
            # One of several results in a body has no body of its own: that of its entry is kept for all of them.
            shared = str(orphan.get("shared", ""))
            body, content_type = (b"", "") if shared else (base64.b64decode(orphan["body"]), str(orphan["type"]))
        except (ValueError, TypeError, LookupError, AttributeError) as exc:  # it is damaged
            log.exception("result.crashed", error=type(exc).__name__)
            _park_orphan(member, exc, store)
            continue
        primary = store.primary_number
        try:
            outcome = store.run(call_transitions.apply_results([applying]))[0]
        except StoreUnavailable:
            raise
        except Exception as exc:  # a fault of ours: the others have their turn, and this one again until its deadline
            log.exception("result.postponed", extid=extid, error=type(exc).__name__)
            if deadline <= now_ms:
                _park_orphan(member, exc, store)
            continue
        if store.primary_number != primary:
            continue  # it may have been applied on a server that is no longer the primary: again in the next round
        if outcome.outcome != "unknown":
            released = [ParkedResult("released", shared)] if shared else []
            store.run(inbox.park("zrem", member, released, settings.orphan_timeout))
            log.info("result.adopted", call_id=outcome.id, extid=orphan["extid"], outcome=outcome.outcome)
            adopted += 1
        elif deadline <= now_ms:
            data = _event_data(
                orphan["extid"], orphan["disposition"], result=json.loads(orphan["result"]), reason="unknown_extid"
            )
            given_up = ParkedResult("unmatched", body, content_type, "unknown_extid", data)
            if shared:
                given_up = ParkedResult("unmatched_shared", member, shared, "unknown_extid", data)
            if store.run(inbox.park("zrem", member, [given_up], 0)):
                log.warning("result.unmatched", extid=orphan["extid"], reason="unknown_extid")
    return adopted


def _park_orphan(member: bytes, exc: Exception, store: Store) -> None:
    reason = f"processing failed: {type(exc).__name__}"
    parked = ParkedResult("unreadable", member, "application/json", reason, _event_data(None, None, reason=reason))
    store.run(inbox.park("zrem", member, [parked], 0))


def report(result: CallResult, outcome: Applied) -> None:
    """Logs what a result did to its call."""
    ids = {"call_id": outcome.id, "extid": result.extid, "account": outcome.account, "attempt": outcome.attempt}
    if outcome.outcome in ("completed", "redial", "corrected") and outcome.talk < result.talk_seconds:
        log.warning("result.talk_limited", **ids, reported=result.talk_seconds, counted=outcome.talk)
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
    """Returns a result with an unknown extid: with its body when it was ``alone`` in it, else with the name of its entry."""
    orphan: dict[str, Any] = {
        "extid": result.extid,
        "result": text,
        "digest": result.digest(),
        "disposition": result.disposition,
        "talk": result.talk_seconds,
        "entry": entry.id,
    }
    if alone:
        orphan |= {"type": entry.content_type, "body": base64.b64encode(entry.body).decode("ascii")}
    else:
        orphan["shared"] = entry.id
    return ParkedResult("orphan", json.dumps(orphan, separators=(",", ":")))


def _nameless(results: Sequence[CallResult], entry: InboxEntry) -> ParkedResult:
    """Parks results without an exact extid, which are never applied to a similar call. The event shows the first of them."""
    first = results[0]
    reason = _counted("; ".join(first.warnings)[:300] or "no extid", len(results))
    log.warning("result.unmatched", reason=reason, entry=entry.id)
    data = _event_data(None, first.disposition, result=json.loads(result_json(first)), reason=reason)
    return ParkedResult("unmatched", entry.body, entry.content_type, reason, data)


def _unreadable(results: Sequence[Unreadable], entry: InboxEntry) -> ParkedResult:
    first = results[0]
    reason = first.reason if first.hint is None else f"{first.reason} ({first.hint})"
    reason = _counted(reason[:300], len(results))
    log.warning("result.unreadable", reason=reason, entry=entry.id, size=len(entry.body))
    data = _event_data(None, None, reason=reason, size=len(entry.body))
    return ParkedResult("unreadable", entry.body, entry.content_type, reason, data)


def _counted(reason: str, count: int) -> str:
    return reason if count == 1 else f"{reason} (and {count - 1} more in this body)"
