"""What people typed wrongly, and what they are answered: the same in Python and over HTTP, which share these texts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alodial.calls.prepare import prepare
from alodial.errors import InvalidCall
from alodial.settings import Settings
from alodial.store.call_filter import CallFilter
from alodial_schemas import IvrCall, Queue, TwoWayCall, parse_call

FROM: dict[str, Any] = {"callfrom": "712037006"}
IVR: dict[str, Any] = {"fromline": "712037006", "callto": "994412860"}
IVR_OF_TWO: dict[str, Any] = {"callto": "994412860", "ivrid": 222}
WORD: Any = "menu"
ANYWHERE = ("+998", "+7")

CASES: dict[str, tuple[Callable[[], object], str, str, str]] = {
    "no recipient": (lambda: TwoWayCall(**FROM), "callto", "is missing", 'such as "994412860"'),
    "letters": (lambda: parse_call({**FROM, "callto": ["abc"]}), "callto.0.phone", "'abc' holds something", "9 digits"),
    "letters, constructor": (lambda: TwoWayCall(**FROM, callto="abc"), "callto.0.phone", "'abc' holds", "9 digits"),
    "a leading 8": (
        lambda: parse_call({**FROM, "callto": ["8 90 1234567"]}, allowed=ANYWHERE),
        "callto.0.phone",
        "old long-distance prefix",
        "leave out the leading 8",
    ),
    "another country": (
        lambda: parse_call({**FROM, "callto": ["+77012345678"]}),
        "callto.0.phone",
        "allowed prefix",
        "ALODIAL_ALLOWED_PREFIXES",
    ),
    "callfrom of an IVR call": (
        lambda: parse_call({**FROM, **IVR, "ivrid": 222}),
        "callfrom",
        "this is an IVR call",
        "use fromline",
    ),
    "ivrid of a two-way call": (
        lambda: TwoWayCall(**FROM, **IVR_OF_TWO),
        "ivrid",
        "this is a two-way call",
        "IvrCall",
    ),
    "ivrid in words": (lambda: IvrCall(**IVR, ivrid=WORD), "ivrid", "must be a number", "such as 222"),
    "a queue with spaces": (lambda: Queue(queue="a b"), "queue", "not allowed", "1 to 32 letters, digits"),
    "an extid in words": (
        lambda: TwoWayCall(**FROM, callto="994412860", extid="order-1"),
        "extid",
        "not allowed",
        "use reference for a text of your own",
    ),
    "an unknown state": (lambda: CallFilter(state="done"), "state", "there is no state 'done'", "completed"),
    "an unknown outcome": (lambda: CallFilter(disposition="x"), "disposition", "there is no disposition", "busy"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_value_is_answered_by_a_single_problem_with_its_remedy(case: str) -> None:
    make, field, problem, remedy = CASES[case]
    with pytest.raises(InvalidCall) as refused:
        make()
    problems = [entry for entry in refused.value.problems if entry.code != "missing" or field == "callto"]
    assert [entry.field for entry in problems] == [field]
    assert problem in problems[0].problem
    assert remedy in problems[0].remedy
    assert "pydantic" not in str(refused.value)


def test_a_leading_8_is_left_out_where_only_uzbekistan_may_be_called() -> None:
    call: Any = parse_call({**FROM, "callto": ["8 90 1234567"]})
    assert call.callto[0].phone == "+998901234567"


def test_a_number_of_a_person_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidCall) as refused:
        parse_call({**FROM, "callto": ["90123x4567"]})
    assert "90123" not in str(refused.value)


def test_a_call_that_has_expired_already_is_refused_unless_it_may_have_been_stored_before() -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    settings = Settings()
    with pytest.raises(InvalidCall, match="expires_at: is over already"):
        prepare(TwoWayCall(callfrom="712037006", callto="994412860", expires_at=past), settings)
    assert prepare(TwoWayCall(callfrom="712037006", callto="994412860", expires_at=past), settings, key="k").key
    assert prepare(TwoWayCall(callfrom="712037006", callto="994412860", expires_at=past, extid="17"), settings).digest
