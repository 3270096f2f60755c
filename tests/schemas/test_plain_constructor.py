"""A two-way call of plain numbers is made without pydantic, and is what pydantic would have made of it."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from alodial_schemas import Phone, TwoWayCall, calls
from alodial_schemas.calls import InvalidCall, Queue, _CallPart, _fill_plain

good = st.sampled_from(
    ["712037006", "998712037006", "+998712037006", " 71 203-70-06 ", "tel:+998712037006", "+77272588300", "994412860"]
)
bad = st.sampled_from(
    ["", "112", "71203700", "7.12e8", "+999712037006", "8712037006", "not a number", "९" * 9, "7" * 200]
)
numbers = good | bad | st.sampled_from([712037006, 998712037006, -1, 0, 112, 10**19, 10**5000, True, None, 1.5])
phones = st.sampled_from([Phone(phone="712037006"), Phone(phone="712037006", lang="ru")])
queues = st.sampled_from([Queue(queue="6000"), {"queue": "6000"}, {"queue": ""}])
mappings = st.fixed_dictionaries({"phone": numbers}, optional={"lang": st.sampled_from(["ru", "", 1])})
parties = good | numbers | phones | mappings | queues


class Text(str):
    """A text of a class of its own."""


several = st.lists(good, min_size=1, max_size=3) | st.lists(parties, max_size=4)
targets = (
    several | several.map(tuple) | parties | st.just(["712037006"] * 20) | st.just(["712037006"] * 21) | st.just(set())
)
references = (
    st.text(max_size=4)
    | st.sampled_from(["order-17", "x" * 128, "x" * 129, "a\tb", "\x7f", "заказ", "\ud800", Text("order-17")])
    | st.sampled_from([None, 17, True])
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "callfrom": parties | st.just(Text("712037006")),
        "callto": targets,
        "reference": references,
        "priority": st.sampled_from(["normal", "urgent", "never"]),
        "metadata": st.sampled_from([{}, {"a": "b"}, {"": 1}]),
        "expires_at": st.sampled_from([None, datetime(2030, 1, 1, tzinfo=UTC), "2030"]),
        "unknown": st.just(1),
    },
)
plain = st.fixed_dictionaries({"callfrom": good | phones, "callto": several}, optional={"reference": references})


def made(given_fields: dict[str, Any], *, by_pydantic: bool) -> tuple[Any, ...]:
    """What becomes of the fields: all that the object holds, or the problems."""
    call = TwoWayCall.__new__(TwoWayCall)
    try:
        (_CallPart if by_pydantic else TwoWayCall).__init__(call, **given_fields)
    except InvalidCall as exc:
        return "refused", exc.problems
    values = [(name, type(value), value) for name, value in call.__dict__.items()]
    types = [type(target) for target in call.callto]
    rest = call.__pydantic_extra__, call.__pydantic_private__
    dumped = call.model_dump_json(exclude_unset=True), call.model_dump(), repr(call)
    inner = [(part.__dict__, part.__pydantic_fields_set__) for part in (call.callfrom, *call.callto)]
    return "made", values, types, call.model_fields_set, rest, dumped, inner


@settings(max_examples=1000)
@given(plain | fields)
@example({"callfrom": "712037006", "callto": ["994412860", 977076909], "reference": "order-17"})
@example({"callfrom": Phone(phone="712037006", lang="ru"), "callto": (Phone(phone="994412860"),)})
def test_it_is_what_pydantic_makes_of_the_same_fields(some: dict[str, Any]) -> None:
    assert made(some, by_pydantic=False) == made(some, by_pydantic=True)


def test_plain_calls_do_not_come_to_pydantic() -> None:
    for some in (
        {"callfrom": "712037006", "callto": ["994412860", 977076909]},
        {
            "callfrom": Phone(phone="712037006"),
            "callto": (Phone(phone="994412860", lang="ru"),),
            "reference": "order-17",
        },
    ):
        assert _fill_plain(TwoWayCall.__new__(TwoWayCall), some)


def test_no_two_calls_share_their_metadata() -> None:
    first, second = (TwoWayCall(callfrom="712037006", callto=["994412860"]) for _ in range(2))
    assert first == second
    assert first.metadata is not second.metadata
    assert first.metadata is not calls._UNSET["metadata"]


def test_a_class_below_is_left_to_pydantic() -> None:
    class Own(TwoWayCall):
        note: str = "none"

    call = Own(callfrom="712037006", callto=["994412860"])
    assert call.note == "none"
    assert type(call) is Own
