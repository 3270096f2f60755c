"""Two tenants with the same names for different things: neither sees, changes nor blocks the other's."""

import json
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.store import call_transitions
from alodial.store.call_transitions import Applying
from web.conftest import Web

from .conftest import ALL, CRM, SHOP, Clients

TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}
OTHER = {"callfrom": "712037006", "callto": ["977076909"]}
CAMPAIGN = {"name": "autumn", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860"]}


def place(client: httpx.Client, body: Any, status: int = 202) -> Any:
    answer = client.post("/v1/calls", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_same_extid_and_body_of_another_tenant_is_another_call(by: Clients) -> None:
    shop = place(by(SHOP), TWO_WAY | {"extid": "17"})
    crm = place(by(CRM), TWO_WAY | {"extid": "17"})
    deployment = place(by(ALL), TWO_WAY | {"extid": "17"})
    assert len({shop["id"], crm["id"], deployment["id"]}) == 3
    assert {call["extid"] for call in (shop, crm, deployment)} == {"17"}
    for key, call in ((SHOP, shop), (CRM, crm), (ALL, deployment)):
        assert place(by(key), TWO_WAY | {"extid": "17"}, 200)["id"] == call["id"]
        shown = by(key).get("/v1/calls/17").json()
        assert (shown["id"], shown["extid"]) == (call["id"], "17")
    assert by(CRM).post("/v1/calls/17/cancel").json()["id"] == crm["id"]
    assert by(SHOP).get("/v1/calls/17").json()["state"] == "queued"


def test_a_tenant_that_takes_extids_first_blocks_nobody(by: Clients) -> None:
    batch = [OTHER | {"callto": [f"97707{number:04}"], "extid": str(number)} for number in range(1, 101)]
    assert by(CRM).post("/v1/calls/batch", json=batch).status_code == 202
    phones = {number: {"callto": [f"99441{number:04}"]} for number in range(1, 101)}
    wanted = [TWO_WAY | phones[number] | {"extid": str(number)} for number in range(1, 101)]
    results = by(SHOP).post("/v1/calls/batch", json=wanted).json()["results"]
    assert [row.get("extid") for row in results] == [str(number) for number in range(1, 101)]
    again = by(SHOP).post("/v1/calls/batch", json=wanted).json()["results"]
    assert [row["id"] for row in again] == [row["id"] for row in results]


def test_a_conflict_of_extids_names_a_call_of_ones_own_only(by: Clients) -> None:
    crm = place(by(CRM), TWO_WAY | {"extid": "17"})
    shop = place(by(SHOP), TWO_WAY | {"extid": "17"})
    refused = by(SHOP).post("/v1/calls", json=OTHER | {"extid": "17"})
    assert refused.status_code == 409
    assert shop["id"] in refused.text
    assert crm["id"] not in refused.text


def test_the_drop_in_keeps_tenants_apart_as_well(by: Clients, web: Web) -> None:
    place(by(CRM), TWO_WAY | {"extid": "17"})
    client = web.client(None)
    answer = client.post(f"/requestcall/{SHOP}", json=OTHER | {"extid": "17"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"]["extid"] == "17"
    assert by(SHOP).get("/v1/calls/17").json()["request"]["callto"][0]["phone"] == "+998977076909"


def wire_extids(queue: CallQueue) -> dict[str, str]:
    """By the id of each call that a worker claims, the extid that AloVoice gets."""
    account = queue.settings.account("default")
    epoch = queue.store.redis.get("alodial:{dial}:epoch")
    operation = call_transitions.claim(
        queue.settings, "default", account, epoch=(epoch or b"").decode(), room=50, horizon=1000, attend=0
    )
    calls = queue.store.run(operation).calls
    armed = call_transitions.arm(
        queue.settings,
        account,
        [call_transitions.Arming(c.record, c.token, c.slot) for c in calls],
        epoch=(epoch or b"").decode(),
        worker="w",
    )
    assert {row.outcome for row in queue.store.run(armed)} == {"armed"}
    return {call.id: call.extid for call in calls}


def test_results_find_the_call_of_their_tenant(by: Clients, queue: CallQueue) -> None:
    queue.store.redis.set("alodial:{dial}:epoch", "e")
    crm = place(by(CRM), TWO_WAY | {"extid": "17"})
    shop = place(by(SHOP), OTHER | {"extid": "17"})
    wire = wire_extids(queue)
    assert wire[crm["id"]] == "17"
    assert wire[shop["id"]] != "17"
    results = [Applying(wire[shop["id"]], "{}", "d1", "answered", 5), Applying("17", "{}", "d2", "busy")]
    assert [row.id for row in queue.store.run(call_transitions.apply_results(results))] == [shop["id"], crm["id"]]
    shown = by(SHOP).get("/v1/calls/17").json()
    assert (shown["disposition"], shown["extid"]) == ("answered", "17")
    assert by(CRM).get("/v1/calls/17").json()["disposition"] == "busy"
    events = [json.loads(row[b"event"]) for _, row in queue.store.redis.xrange("alodial:events")]
    completed = [event for event in events if event["type"] == "alodial.call.completed"]
    assert {(event["owner"], event["data"]["extid"]) for event in completed} == {("shop", "17"), ("crm", "17")}


def test_calls_that_were_stored_before_tenants_had_names_of_their_own_are_found(by: Clients, queue: CallQueue) -> None:
    shop = place(by(SHOP), TWO_WAY | {"extid": "17"})
    queue.store.redis.hdel("alodial:{dial}:c:17", "tn")  # as an older version wrote it
    queue.enqueue(TWO_WAY, extid="18")
    assert place(by(SHOP), TWO_WAY | {"extid": "17"}, 200)["id"] == shop["id"]
    assert by(ALL).get("/v1/calls/17").json()["id"] == shop["id"]
    assert by(ALL).get("/v1/calls/18").json()["owner"] is None
    assert by(SHOP).get("/v1/calls/18").status_code == 404


@pytest.mark.parametrize("field", ["not_before", "expires_at"])
def test_a_time_too_far_ahead_is_refused_with_the_setting_that_allows_it(by: Clients, field: str) -> None:
    refused = by(SHOP).post("/v1/calls", json=TWO_WAY | {"extid": "17", field: "9000-01-01T00:00:00Z"})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["field"], error["code"]) == (field, "too_far_ahead")
    assert "ALODIAL_SCHEDULE_AHEAD" in error["remedy"]


def test_a_campaign_too_far_ahead_is_refused(by: Clients) -> None:
    policy = {"starts_at": "9000-01-01T00:00:00Z", "ends_at": "9001-01-01T00:00:00Z"}
    refused = by(SHOP).post("/v1/campaigns", json=CAMPAIGN | {"policy": policy})
    assert refused.status_code == 422
    assert {error["code"] for error in refused.json()["errors"]} >= {"too_far_ahead"}
