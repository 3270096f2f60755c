"""Turns a validated call into the row that the store takes. No I/O; bulk runs through here at 25,000 calls a second."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from alodial_schemas import (
    CallRequest,
    FieldProblem,
    IvrCall,
    Phone,
    TwoWayCall,
    body_json,
    make_id,
    new_ids,
    parse_call,
    plain_body,
)
from alodial_schemas.phones import PhoneError, check_allowed

from ..campaigns.pbx_queues import queue_problem
from ..errors import InvalidCall
from ..settings import Settings
from ..store.call_transitions import NewCall
from ..store.caller import INSTALLATION, Caller
from ..store.keys import PRIORITY_LETTERS


def each_call(calls: Iterable[CallRequest | Mapping[str, Any]]) -> Iterator[CallRequest | Mapping[str, Any]]:
    """The calls, as they are. Raises TypeError for a single call: its parts would be taken for calls."""
    if isinstance(calls, CallRequest | Mapping | str | bytes):
        raise TypeError("enqueue_many takes a list of calls; give a single call to enqueue")
    return iter(calls)


def read_call(
    source: CallRequest | Mapping[str, Any], settings: Settings, options: Mapping[str, Any] | None = None
) -> CallRequest:
    """Returns a model as it is and reads a mapping by AloVoice's body; ``options`` replace fields and are validated too.

    Raises InvalidCall that names each bad field.
    """
    call = (
        source
        if type(source) is TwoWayCall or isinstance(source, CallRequest)
        else parse_call(source, allowed=settings.allowed_prefixes)
    )
    if not options:
        return call
    fields: dict[str, Any] = {name: getattr(call, name) for name in call.model_fields_set} | dict(options)
    return type(call)(**fields)


def _ms(moment: datetime | None) -> int | str:
    return "" if moment is None else int(moment.timestamp() * 1000)


def _check_policy(call: CallRequest, settings: Settings) -> None:
    """Raises InvalidCall unless the account and the queues exist and every number that would ring has an allowed prefix."""
    if call.account not in settings.account_names:
        names = ", ".join(settings.account_names)
        raise InvalidCall(
            [FieldProblem("account", "account_unknown", f"no account {call.account!r}", f"use one of {names}")]
        )
    # Not isinstance: of pydantic's classes it takes 0.3 microseconds, and there are none below these.
    numbers = [call.callto] if type(call) is IvrCall else [call.callfrom.phone]  # type: ignore[union-attr]  # a TwoWayCall
    if type(call) is TwoWayCall:
        for i, target in enumerate(call.callto):
            if type(target) is Phone:
                numbers.append(target.phone)
            elif problem := queue_problem(target.queue, settings):  # type: ignore[union-attr]  # a Queue: the union has two members
                raise InvalidCall([FieldProblem(f"callto.{i}.queue", *problem)])
    if not (allowed := settings.allowed_prefixes):
        return
    for number in numbers:
        if not number.startswith(allowed):
            raise InvalidCall(_not_allowed(call, allowed))


def _not_allowed(call: CallRequest, allowed: tuple[str, ...]) -> list[FieldProblem]:
    if isinstance(call, IvrCall):
        numbers = {"callto": call.callto}
    else:
        recipients = {f"callto.{i}.phone": to.phone for i, to in enumerate(call.callto) if isinstance(to, Phone)}
        numbers = {"callfrom.phone": call.callfrom.phone} | recipients
    problems = []
    for field, number in numbers.items():
        try:
            check_allowed(number, allowed)
        except PhoneError as exc:
            problems.append(FieldProblem(field, exc.code, exc.reason, exc.remedy))
    return problems


def key_hash(key: str, scope: str = "") -> str:
    """Returns the hash of an idempotency key that the store keeps; ``scope`` separates the keys of different callers."""
    return hashlib.sha256(f"{scope}\0{key}".encode()).hexdigest()[:32]


_seldom_given = itemgetter(
    "extid", "not_before", "expires_at", "priority", "account", "on_unconfirmed", "redial", "metadata"
)
_NONE_GIVEN: Final[tuple[object, ...]] = (None, None, None, "normal", "default", "wait", None, {})
"""What most calls have there. ``model_fields_set`` does not say so: metadata is a dict that may be filled later."""


def _plain_body(call: CallRequest, allowed: tuple[str, ...]) -> str | None:
    """What `body_json` writes of a two-way call of phones without a language that are allowed; None for any other call."""
    if type(call) is not TwoWayCall or call.callfrom.lang is not None:
        return None
    if not call.callto:  # made without validation
        return None
    numbers = [call.callfrom.phone]
    for target in call.callto:
        if type(target) is not Phone or target.lang is not None:
            return None
        numbers.append(target.phone)
    if allowed:
        for number in numbers:
            if not number.startswith(allowed):
                return None
    head = f'{{"callfrom":{{"phone":"{numbers[0]}"}},"callto":[{{"phone":"'
    return head + '"},{"phone":"'.join(numbers[1:]) + '"}]}'


def prepare(
    call: CallRequest,
    settings: Settings,
    *,
    key: str = "",
    scope: str = "",
    caller: Caller = INSTALLATION,
) -> NewCall:
    """Returns the store's row for a call, with ids made where it has no extid.

    ``scope`` separates the idempotency keys of different callers. Raises InvalidCall when the account is unknown or a number
    has no allowed prefix.
    """
    if not key and caller == INSTALLATION and _seldom_given(call.__dict__) == _NONE_GIVEN:
        body = _plain_body(call, settings.allowed_prefixes)
        if body is not None:
            call_id, extid = new_ids()
            return NewCall(extid, call_id, body, "default", "n", call.reference or "")
    _check_policy(call, settings)
    # A call with a name may have been stored before that time: then the store answers with that call.
    if call.expires_at is not None and call.extid is None and not key and call.expires_at <= datetime.now(UTC):
        remedy = "give a later time, or leave it out"
        raise InvalidCall(
            [FieldProblem("expires_at", "expired", "is over already, so the call would never ring", remedy)]
        )
    body = body_json(call)
    if call.extid is None:
        call_id, extid = new_ids()
    else:
        extid = call.extid
        call_id = make_id(extid)
    row = NewCall(
        extid,
        call_id,
        body,
        call.account,
        PRIORITY_LETTERS[call.priority],
        call.reference or "",
        json.dumps(call.metadata, ensure_ascii=False, separators=(",", ":")) if call.metadata else "",
        _ms(call.not_before),
        _ms(call.expires_at),
        "redial" if call.on_unconfirmed == "redial" else "",
        call.redial.model_dump_json() if call.redial else "",
        owner=caller.owner,
        tenant="1" if caller.tenant else "",
        quota=caller.quota,
    )
    if call.extid is None and not key:
        return row
    content = _content(row, call)
    return row._replace(
        digest=hashlib.sha256(content.encode()).hexdigest()[:16],
        key=key_hash(key, scope) if key else "",
        spare=_spare() if call.extid is not None else "",
    )


def plain_row(source: object, settings: Settings, *, caller: Caller = INSTALLATION) -> NewCall | None:
    """Returns what :func:`prepare` makes of a mapping of plain numbers and a reference, without a model and without a key.

    None for any other call, valid or not.
    """
    body = plain_body(source, settings.allowed_prefixes)
    if body is None:
        return None
    call_id, extid = new_ids()
    reference: str = source.get("reference", "")  # type: ignore[attr-defined]  # a dict, as it has a plain body
    row = NewCall(extid, call_id, body, "default", "n", reference)
    if caller == INSTALLATION:
        return row
    return row._replace(owner=caller.owner, tenant="1" if caller.tenant else "", quota=caller.quota)


def _spare() -> str:
    call_id, extid = new_ids()
    return f"{extid} {call_id}"


def _content(row: NewCall, call: CallRequest) -> str:
    """Every field of the request but the ids that were made here: "the same body" compares these."""
    return "\0".join(str(part) for part in row[2:12]) + "\0" + (call.extid or "")


class BatchKeys:
    """Gives each row of a batch a key of its own, made of the batch's idempotency key and the row itself.

    A row is known by its extid, or else by its content and how many equal rows stood before it; its place does not
    matter. So the batch may be sent again with rows corrected, added or left out: those placed before are found again.
    ``key`` is the batch's idempotency key, "" for none, ``scope`` its caller.
    """

    def __init__(self, key: str, scope: str) -> None:
        self.key = key
        self._scope = scope
        self._equal: Counter[str] = Counter()

    def prepare(
        self, call: CallRequest, settings: Settings, position: int, *, caller: Caller = INSTALLATION
    ) -> NewCall:
        """Returns the store's row for the call at a position of the batch, as :func:`prepare`. Raises InvalidCall."""
        # An older version knew a row by its place: the key of that time finds what it stored.
        key = f"{self.key}\0{position}" if self.key else ""
        row = prepare(call, settings, key=key, scope=self._scope, caller=caller)
        if not key:
            return row
        content = f"extid\0{call.extid}" if call.extid else _content(row, call)
        equal = self._equal[content]
        self._equal[content] += 1
        own = key_hash(f"{self.key}\0row\0{equal}\0{content}", self._scope)
        return row._replace(key=f"{own} {row.key}")
