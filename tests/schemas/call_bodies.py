"""Canonical request bodies of any valid call, and the plain forms that the hand-written encoders are compared with."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from alodial_schemas import CallRequest, Phone, Queue, TwoWayCall

phones = st.integers(2 * 10**8, 10**9 - 1).map(lambda n: f"+998{n}")
langs = st.none() | st.from_regex("[A-Za-z-]{2,8}", fullmatch=True)
people = st.builds(lambda phone, lang: {"phone": phone, "lang": lang} if lang else {"phone": phone}, phones, langs)
queues = st.builds(lambda queue: {"queue": queue}, st.from_regex("[0-9A-Za-z_.-]{1,32}", fullmatch=True))
two_way_bodies = st.fixed_dictionaries(
    {"callfrom": people, "callto": st.lists(people | queues, min_size=1, max_size=20)}
)
ivr_bodies = st.fixed_dictionaries({"callto": phones, "ivrid": st.integers(1, 2**31 - 1), "fromline": phones})
bodies = two_way_bodies | ivr_bodies


def _target_body(target: Phone | Queue) -> dict[str, Any]:
    if isinstance(target, Queue):
        return {"queue": target.queue}
    return {"phone": target.phone} if target.lang is None else {"phone": target.phone, "lang": target.lang}


def request_body(call: CallRequest) -> dict[str, Any]:
    """What `body_json` writes, as an object."""
    if isinstance(call, TwoWayCall):
        return {"callfrom": _target_body(call.callfrom), "callto": [_target_body(target) for target in call.callto]}
    return {"callto": call.callto, "ivrid": call.ivrid, "fromline": call.fromline}


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}[{key}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(f"{name}[{index}]", item)
    else:
        yield name, str(value)


def flatten(obj: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Bracket names and texts in the order of the object's keys: `callfrom[phone]`, `callto[0][phone]`, `extid`."""
    return [pair for name, value in obj.items() for pair in _flat(name, value)]
