"""Plain numbers in bulk take a short way, which stores what the model would have stored."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from alodial import CallQueue
from alodial.calls.outcomes import RefusedCall
from alodial.calls.prepare import plain_row, prepare, read_call
from alodial.errors import InvalidCall
from alodial.settings import Settings
from alodial.store.caller import Caller
from alodial_schemas import Phone, TwoWayCall, body_json, parse_call

SETTINGS = Settings(_env_file=None, allowed_prefixes="+998,+7727")

numbers = st.sampled_from(
    ["712037006", "+998994412860", "99 441-28-60", "+77271234567", "+77012345678", "8 90 1234567", "12", "", "abc"]
) | st.text(max_size=14)
values = st.none() | st.booleans() | st.integers(0, 10**12) | numbers
objects = st.fixed_dictionaries({}, optional={"phone": values, "lang": st.just("ru"), "queue": st.just("6000")})
references = st.text(max_size=130) | st.sampled_from(["order-17", "", "a" * 128, "a" * 129, "line\n", "\u202e", "é"])
sources = st.fixed_dictionaries(
    {},
    optional={
        "callfrom": values | objects,
        "callto": st.lists(values | objects, max_size=22) | values | objects,
        "reference": references | values,
        "extid": st.just("77"),
        "ivrid": st.just(222),
        "calltoo": st.just("712037006"),
    },
)
PLAIN = {"callfrom": "712037006", "callto": ["994412860", "99 441-28-60"], "reference": "order-17"}


OBJECTS = {"callfrom": {"phone": "712037006"}, "callto": [{"phone": "994412860"}, "+998 97 707 69 09"]}


@given(sources)
@example(PLAIN)
@example(OBJECTS)
@example(OBJECTS | {"reference": "order-18"})
@example({"callfrom": "712037006", "callto": [], "reference": "order-18"})
@example({"callfrom": "712037006", "callto": ["994412860"] * 21})
@example({"callfrom": "712037006", "callto": ["994412860"]})
def test_the_short_way_stores_what_the_model_stores_and_leaves_all_else_to_it(source: dict[str, Any]) -> None:
    caller = Caller("shop", tenant=True, quota="shop 5")
    row = plain_row(source, SETTINGS, caller=caller)
    try:
        expected = prepare(read_call(source, SETTINGS), SETTINGS, caller=caller)
    except InvalidCall:
        assert row is None
        return
    if row is not None:
        assert row._replace(id="", extid="") == expected._replace(id="", extid="")
        assert (len(row.id), len(row.extid)) == (len(expected.id), len(expected.extid))


def test_plain_rows_take_the_short_way_and_wrong_ones_are_named_as_ever(settings: Settings) -> None:
    for source in (PLAIN, OBJECTS):
        row = plain_row(source, settings)
        assert row is not None
        assert row.body == body_json(parse_call(source))
    with CallQueue(settings=settings) as queue:
        stored, refused = queue.enqueue_many([PLAIN, PLAIN | {"callto": ["12"]}])
        assert queue.get(stored.id).reference == "order-17"  # type: ignore[union-attr]  # it was stored
    assert isinstance(refused, RefusedCall)
    assert [problem.field for problem in refused.problems] == ["callto.0.phone"]


PHONE = Phone(phone="712037006")


def test_what_a_call_holds_is_stored_whatever_was_given_to_its_constructor() -> None:
    filled = TwoWayCall(callfrom="712037006", callto=["994412860"])
    filled.metadata["customer"] = "17"
    assert prepare(filled, SETTINGS).metadata == '{"customer":"17"}'
    unsaid = TwoWayCall.model_construct(
        {"callfrom", "callto"}, callfrom=PHONE, callto=(PHONE,), extid="77", priority="bulk"
    )
    assert prepare(unsaid, SETTINGS)[:1] + prepare(unsaid, SETTINGS)[4:5] == ("77", "b")
    nobody = TwoWayCall.model_construct(callfrom=PHONE, callto=())
    assert prepare(nobody, SETTINGS).body == body_json(nobody)
