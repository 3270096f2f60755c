"""A queue is a queue of the PBX: a phone number in its place does not go round the allowed prefixes."""

from typing import Any

import pytest

from alodial import CallQueue, InvalidCall
from alodial.settings import Settings

from .conftest import Web


def call(queue: str) -> dict[str, Any]:
    return {"callfrom": "712037006", "callto": [{"queue": queue}]}


def test_a_phone_number_is_no_queue(web: Web) -> None:
    refused = web.place(call("79161234567"))
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["field"], error["code"]) == ("callto.0.queue", "queue_is_number")
    assert "ALODIAL_QUEUES" in error["remedy"]
    assert web.place(call("6000")).status_code == 202
    campaign = {"name": "c", "call": {"kind": "queue", "queue": "79161234567"}, "rows": ["994412860"]}
    assert web.http.post("/v1/campaigns", json=campaign).json()["errors"][0]["code"] == "queue_is_number"
    rows = [{"phone": "994412860", "queue": "79161234567"}]
    checked = web.http.post(
        "/v1/campaigns/check", json=campaign | {"call": {"kind": "queue", "queue": "6000"}, "rows": rows}
    )
    assert checked.json()["bad"] == 1, checked.text


def test_with_listed_queues_no_other_is_taken(settings: Settings) -> None:
    listed = settings.model_copy(update={"queues": ("6000", "79161234567")})
    with CallQueue(settings=listed) as queue:
        queue.enqueue(call("79161234567"))
        with pytest.raises(InvalidCall, match="use one of 6000"):
            queue.enqueue(call("6001"))
