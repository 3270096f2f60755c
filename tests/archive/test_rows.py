"""The rows of a call say what readers of its record are shown."""

import json

import pytest
from archive_harness import CALL, RESULT

from alodial.archive.rows import archived_call, record_of
from alodial.store.answers import unix_ms
from alodial.store.call_facts import facts_of
from alodial_schemas.ids import row_extid, row_id

AT = 1_795_424_400_000
EXTID = row_extid(b"seed", 0)
BARE = {
    "id": row_id(b"seed", 0, EXTID, AT),
    "s": "canceled",
    "b": json.dumps(CALL),
    "tl": f"queued {AT};canceled {AT + 9} by;hand",
}
TWICE = BARE | {
    "s": "completed",
    "n": "2",
    "v": "7",
    "ox": f"shop:{EXTID[::-1]}",
    "w": "shop",
    "p": "u",
    "r": 'order "\x00"17',
    "m": json.dumps({"name": "Азиза"}),
    "a1": f"{AT + 1} worker-1",
    "d1": "busy",
    "r1": json.dumps(RESULT | {"dialstatus": "BUSY"}),
    "a2": f"{AT + 2} worker-1",
    "x2": row_extid(b"seed", 1),
    "o2": '{"outcome": "taken", "code": "", "ms": 12, "status": 200, "body": ""}',
    "d2": "answered",
    "tc2": "20",
    "r2": json.dumps(RESULT | {"to_numbers": ["977076909"]}),
    "rc2": " " + json.dumps(RESULT),
    "dp": "answered",
    "tl": f"queued {AT};submitted {AT + 1};completed {AT + 3};submitting {AT + 4};completed {AT + 5};corrected {AT + 6}",
}
OTHERS = (
    BARE | {"b": json.dumps({"callto": "712037006", "ivrid": 222, "fromline": 712037006})},
    BARE | {"b": json.dumps(CALL | {"callto": [{"queue": "6000"}]})},
    TWICE | {"n": "3", "s": "timed_out", "a3": f"{AT + 6}", "g": "c" * 32, "ri": "17", "why": "no_result"},
)


def fields(record: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in record.items()}


@pytest.mark.parametrize("record", [BARE, TWICE, *OTHERS])
def test_rows_say_what_the_archived_record_says(record: dict[str, str]) -> None:
    row = archived_call(EXTID, fields(record))
    assert row is not None
    call, shown = row.call, record_of(row.call["record"])
    facts = facts_of(shown)
    assert (call["call_id"], call["extid"], call["wire_extid"]) == (shown.id, shown.extid, shown.wire_extid)
    assert (call["created_at"], call["state"], call["priority"]) == (
        unix_ms(shown.created_at),
        shown.state,
        shown.priority,
    )
    assert (call["owner"] or None, call["campaign_id"] or None) == (shown.owner, shown.campaign_id)
    assert (call["disposition"] or None, call["reason"] or None) == (shown.disposition, shown.reason)
    assert (call["reference"] or None) == (shown.reference and shown.reference.replace("\0", ""))
    assert (call["initiator"], call["recipients"].split()) == (facts.initiator, facts.recipients)
    assert (call["line"], call["operator_code"]) == (facts.line, facts.operator)
    ends = [moment["at"] for moment in shown.timeline if moment["state"] in ("completed", "canceled", "timed_out")]
    assert call["ended_at"] == unix_ms(ends[-1])
    assert [attempt["submitted_at"] for attempt in row.attempts] == [
        unix_ms(attempt["submitted_at"]) for attempt in shown.attempts
    ]
    assert [(attempt["extid"], attempt["disposition"] or None) for attempt in row.attempts] == [
        (attempt["extid"], attempt["disposition"]) for attempt in shown.attempts
    ]
    assert call["talk_seconds"] == sum(attempt["talk_seconds"] for attempt in row.attempts)
    assert call["talk_seconds"] == (20 if record["s"] != "canceled" else 0)


@pytest.mark.parametrize(
    "damage", [{"o1": "{"}, {"r2": "{}x"}, {"rc2": "["}, {"m": "{"}, {"b": ""}, {"rd": "x"}, {"tl": ""}, {"n": "two"}]
)
def test_a_record_that_readers_could_not_read_is_not_archived(damage: dict[str, str]) -> None:
    with pytest.raises((ValueError, LookupError)):
        archived_call(EXTID, fields(TWICE | damage))
