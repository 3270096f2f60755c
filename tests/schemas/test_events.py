from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.conversion import to_json
from cloudevents.http import from_json
from pydantic import ValidationError

from alodial import CallQueue
from alodial.settings import Settings
from alodial_schemas.alovoice.result import CallResult
from alodial_schemas.dispositions import Disposition
from alodial_schemas.events import EVENT_TYPES, event_time, parse_event
from alodial_schemas.states import State

ID = "0198c0de-1234-7abc-8000-00000001e0f3"
CALL = {"callfrom": "712037006", "callto": ["994412860"]}
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def event_json(
    type: str,
    *,
    call_id: str,
    version: int,
    time: datetime,
    extid: str,
    state: State,
    attempt: int,
    reference: str | None = None,
    campaign_id: str | None = None,
    disposition: Disposition | None = None,
    metadata: Mapping[str, str] | None = None,
    result: Mapping[str, Any] | None = None,
) -> str:
    """Returns the event of a call's change number `version`: compact JSON, keys in the order of the Lua scripts."""
    data: dict[str, Any] = {
        "call_id": call_id,
        "extid": extid,
        "reference": reference,
        "campaign_id": campaign_id,
        "state": state,
        "disposition": disposition,
        "attempt": attempt,
        "metadata": dict(metadata or {}),
    }
    if result is not None:
        data["result"] = dict(result)
    event = {
        "specversion": "1.0",
        "id": event_id(call_id, version, type, state, disposition, attempt, extid, data.get("result")),
        "source": "/alodial",
        "type": type,
        "subject": call_id,
        "time": event_time(time),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def event_id(call_id: str, version: int, type: str, state: str, *rest: Any) -> str:
    """Returns the id: the call, its version, and eight digits of the digest of what it says, but for its first of all."""
    if version == 1 and type == "alodial.call.queued":
        return f"{call_id}-1"
    *content, result = (type.removeprefix("alodial.call."), state, *rest)
    texts = [*("" if part is None else str(part) for part in content)]
    texts.append("" if result is None else json.dumps(result, ensure_ascii=False, separators=(",", ":")))
    return f"{call_id}-{version}-h{hashlib.sha1('|'.join(texts).encode()).hexdigest()[:8]}"


def made(**changes: Any) -> str:
    values: dict[str, Any] = {
        "call_id": ID,
        "version": 3,
        "time": AT,
        "extid": "123123",
        "state": State.QUEUED,
        "attempt": 1,
        **changes,
    }
    return event_json("alodial.call.queued", **values)


def test_an_event_has_exactly_the_form_that_the_scripts_write(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        call = queue.enqueue(CALL, reference="order-17", metadata={"a": "я"})
        ((_, fields),) = queue.store.redis.xrange("alodial:events")
    text = fields[b"event"].decode()
    time = parse_event(text).time
    assert time is not None
    names: dict[str, Any] = {"call_id": call.id, "extid": call.extid, "version": 1, "time": time}
    assert text == made(reference="order-17", metadata={"a": "я"}, **names)
    assert made(reference="order-17", metadata={"a": "я"}) == (
        f'{{"specversion":"1.0","id":"{ID}-3-h38b08735","source":"/alodial","type":"alodial.call.queued","subject":"{ID}",'
        '"time":"2026-01-02T03:04:05.678Z","datacontenttype":"application/json","data":{'
        f'"call_id":"{ID}","extid":"123123","reference":"order-17","campaign_id":null,"state":"queued",'
        '"disposition":null,"attempt":1,"metadata":{"a":"я"}}}'
    )


def test_an_event_is_a_cloud_event_for_the_cloud_events_sdk() -> None:
    text = made(result=CallResult(extid="123123", dialstatus="BUSY").public(), disposition=Disposition.BUSY)
    theirs = from_json(text)
    assert theirs["id"].startswith(f"{ID}-3-h")
    assert theirs["source"] == "/alodial"
    assert theirs["subject"] == ID
    assert theirs.data["result"]["dialstatus"] == "BUSY"
    again = parse_event(to_json(theirs))
    assert again == parse_event(text)


def test_a_read_event_gives_the_contracts_names() -> None:
    event = parse_event(made(reference="r", disposition=Disposition.NO_ANSWER, state=State.COMPLETED).encode())
    assert (event.id, event.type, event.subject) == (f"{ID}-3-h81242d38", "alodial.call.queued", ID)
    assert event.time == AT.replace(microsecond=678000)
    assert (event.call_id, event.extid, event.reference) == (ID, "123123", "r")
    assert event.state is State.COMPLETED
    assert event.disposition is Disposition.NO_ANSWER
    assert event.data["attempt"] == 1


def test_times_of_other_zones_are_written_in_utc() -> None:
    assert '"time":"2026-01-02T03:04:05.678Z"' in made(time=AT.astimezone(timezone(timedelta(hours=5))))


def test_a_whole_second_still_has_three_decimals() -> None:
    assert '"time":"2026-01-02T03:04:05.000Z"' in made(time=AT.replace(microsecond=0))


def test_a_reader_does_not_stop_at_what_a_newer_writer_appends() -> None:
    event = parse_event(
        '{"specversion":"1.0","id":"1","source":"/alodial","type":"alodial.call.sung","traceparent":"00-1",'
        '"data":{"state":"singing","disposition":"sung","call_id":5}}'
    )
    assert event.state is None
    assert event.disposition is Disposition.UNKNOWN
    assert event.call_id is None
    assert event.extid is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        '{"specversion":"0.3","id":"1","source":"/a","type":"t"}',
        '{"specversion":"1.0","id":"","source":"/a","type":"t"}',
    ],
)
def test_what_is_no_cloud_event_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_event(text)


def test_every_end_has_its_event_type() -> None:
    assert all(
        f"alodial.call.{state}" in EVENT_TYPES for state in State if state not in {State.SCHEDULED, State.SUBMITTING}
    )
    assert json.dumps(sorted(EVENT_TYPES)).count("alodial.campaign.") == 5
