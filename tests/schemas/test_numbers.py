"""The numbers of a request body are the same for every reader: Python's models, the store's indexes and the Lua scripts."""

import json
import re
from importlib import resources
from typing import Any

import pytest
from call_bodies import bodies
from hypothesis import given
from hypothesis import strategies as st

from alodial.store.call_filter import CallFilter, recipients
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import TwoWayCall, body_json, numbers_of, parse_call, parties_of

keys = Keys()

CAMPAIGN = (resources.files("alodial.store") / "lua" / "campaign.lua").read_text("utf-8")
(LUA,) = re.findall(r"^local function numbers_of\(body\)\n.*?^end\n", CAMPAIGN, re.MULTILINE | re.DOTALL)
SCRIPT = LUA + "local out = {} for i, body in ipairs(ARGV) do out[i] = numbers_of(body) end return out"


def test_the_scripts_name_the_same_numbers(redis_server: EmbeddedRedis) -> None:
    own_line = bodies.map(lambda body: body | {"callto": body["fromline"]} if "fromline" in body else body)

    @given(st.lists(bodies | own_line, min_size=1, max_size=20))
    def compare(some: list[dict[str, Any]]) -> None:
        texts = [body_json(parse_call(body)) for body in some]
        by_lua: Any = client.eval(SCRIPT, 0, *texts)
        assert [[number.decode() for number in numbers] for numbers in by_lua] == [numbers_of(body) for body in some]

    with redis_server.client() as client:
        compare()


@given(bodies)
def test_the_indexes_and_filters_of_the_store_name_the_same_numbers(body: dict[str, Any]) -> None:
    text = body_json(parse_call(body))
    numbers = numbers_of(body)
    assert keys.buckets(text, "").split() == [
        ("i:" if party == "initiator" else "n:") + number[-4:] for party, number in parties_of(body) if party != "queue"
    ]
    record = {b"id": b"1", b"b": text.encode()}
    assert all(CallFilter(phone=number).matches(record) for number in numbers)
    assert recipients(record) == set(numbers[1:] if "callfrom" in body else numbers)


def test_a_masked_number_stays_in_the_list_of_its_last_digits() -> None:
    """Lists of old calls are kept alive by their records, in which age may have masked the numbers."""
    text = '{"callfrom":{"phone":"+99871***7006"},"callto":[{"phone":"+99899***2860"},{"phone":"***"}]}'
    assert keys.buckets(text, "").split() == ["i:7006", "n:2860", "n:***"]


@given(bodies)
def test_the_parties_are_those_of_the_call(body: dict[str, Any]) -> None:
    call = parse_call(body)
    names = [name for _, name in parties_of(body)]
    if isinstance(call, TwoWayCall):
        targets = [getattr(target, "phone", None) or getattr(target, "queue", None) for target in call.callto]
        assert names == [call.callfrom.phone, *targets]
        assert parties_of(body)[0][0] == "initiator"
    else:
        assert parties_of(body) == [("ivr", call.callto)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"callto": []},
        {"callto": None, "callfrom": {"phone": "+998712037006"}},
        {"callto": [{}], "callfrom": {"phone": "+998712037006"}},
        {"callto": ["+998712037006"], "callfrom": {"phone": "+998712037006"}},
        {"callto": [{"phone": 998712037006}], "callfrom": {"phone": "+998712037006"}},
        {"callto": [{"phone": "+998712037006"}], "callfrom": "+998712037006"},
        {"callto": [{"phone": "+998712037006"}]},
        [],
        None,
        "callto",
        7,
    ],
    ids=json.dumps,
)
def test_a_body_that_no_validation_has_seen_is_an_error_instead_of_fewer_numbers(body: Any) -> None:
    with pytest.raises(ValueError, match="not canonical"):
        numbers_of(body)
