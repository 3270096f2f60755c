"""The limits of a key: one tenant exhausts neither another nor the person that it calls."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.api_keys import ApiKey
from alodial.key_limits import KeyLimits
from alodial.web.auth import file_slot
from alodial.web.problems import Refusal
from web.conftest import Web

from .conftest import ALL, SHOP, Clients

SMALL, SLOW = "planted-key-small-88bb", "planted-key-slow-88bc"
FEW, BULKY, LIMITED = "planted-key-few-88bd", "planted-key-bulky-88be", "planted-key-limited-88bf"
SMALL_LIMITS = "daily_calls=3;priorities=normal;accounts=default;event_streams=1"
KEYS = f"{ALL},{SHOP};own;name=shop,{SMALL};own;name=small;{SMALL_LIMITS},{SLOW};own;name=slow;requests_per_second=0.1"
KEYS += f",{BULKY};own;name=bulky;requests_per_second=1"
KEYS += f",{FEW};own;name=few;recipient_cap=0;waiting_calls=2;stored_bytes=100000"
KEYS += f",{LIMITED};waiting_calls=1;recipient_cap=3/1h"
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}


def number(index: int) -> dict[str, Any]:
    return {"callfrom": "712037006", "callto": [f"99441{index:04}"]}


def refusal(answer: httpx.Response, status: int, limit: str) -> None:
    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (status, "limit_reached", limit)


def test_five_thousand_urgent_calls_to_one_person_are_ten(by: Clients) -> None:
    batch = [TWO_WAY | {"priority": "urgent"}] * 5000
    results = by(SHOP).post("/v1/calls/batch", json=batch).json()["results"]
    assert sum("id" in row for row in results) == 10
    refused = next(row["error"] for row in results if "error" in row)
    assert (refused["code"], refused["limit"]) == ("limit_reached", "recipient_cap")
    answer = by(SHOP).post("/v1/calls", json=TWO_WAY)
    refusal(answer, 429, "recipient_cap")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    call = next(row["id"] for row in results if "id" in row)
    by(SHOP).post(f"/v1/calls/{call}/cancel")
    refusal(by(SHOP).post(f"/v1/calls/{call}/redial"), 429, "recipient_cap")
    assert by(ALL).post("/v1/calls", json=TWO_WAY).status_code == 202
    assert by(SHOP).post("/v1/calls", json=number(1)).status_code == 202


def test_the_calls_of_a_day_are_counted_once_each(by: Clients, web: Web) -> None:
    keyed = {"Idempotency-Key": "k"}
    for _ in range(3):
        assert by(SMALL).post("/v1/calls", json=number(1), headers=keyed).status_code in (200, 202)
    assert by(SMALL).post("/v1/calls", json=number(2)).status_code == 202
    assert web.client(None).post(f"/requestcall/{SMALL}", json=number(3)).status_code == 200
    refusal(by(SMALL).post("/v1/calls", json=number(4)), 429, "daily_calls")
    assert by(SMALL).post("/v1/calls", json=number(1), headers=keyed).status_code == 200
    dropped = web.client(None).post(f"/requestcall/{SMALL}", json=number(5))
    assert dropped.status_code == 429
    assert "daily_calls" in dropped.json()["error"]
    assert by(SHOP).post("/v1/calls", json=number(4)).status_code == 202


def test_a_key_uses_its_accounts_and_priorities_only(by: Clients) -> None:
    refusal(by(SMALL).post("/v1/calls", json=TWO_WAY | {"priority": "urgent"}), 403, "priorities")
    campaign = {"name": "c", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860"]}
    refusal(by(SMALL).post("/v1/campaigns", json=campaign), 403, "priorities")
    refusal(by(SMALL).post("/v1/calls", json=TWO_WAY | {"account": "second"}), 403, "accounts")


def test_so_many_calls_of_a_key_wait_and_so_many_bytes_are_kept(by: Clients) -> None:
    rows = [number(n) for n in range(3)]
    results = by(FEW).post("/v1/calls/batch", json=rows).json()["results"]
    assert ["id" in row for row in results] == [True, True, False]
    assert results[2]["error"]["limit"] == "waiting_calls"
    refusal(by(FEW).post("/v1/calls", json=number(4)), 429, "waiting_calls")
    campaign = {"name": "c", "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}, "rows": ["994412860"]}
    refusal(by(FEW).post("/v1/campaigns", json=campaign), 429, "waiting_calls")
    assert by(SHOP).post("/v1/campaigns", json=campaign).status_code == 202
    assert by(FEW).post(f"/v1/calls/{results[0]['id']}/cancel").status_code == 200
    large = number(5) | {"metadata": {f"m{n}": "x" * 200 for n in range(16)}}
    placed = by(FEW).post("/v1/calls", json=large)
    while placed.status_code == 202:
        by(FEW).post(f"/v1/calls/{placed.json()['id']}/cancel")
        placed = by(FEW).post("/v1/calls", json=large)
    refusal(placed, 429, "stored_bytes")


def test_one_key_does_not_take_every_event_stream(by: Clients, web: Web) -> None:
    with by(SMALL).stream("GET", "/v1/events") as first:
        assert first.status_code == 200
        refusal(web.client(SMALL).get("/v1/events"), 429, "event_streams")
        with by(SHOP).stream("GET", "/v1/events") as other:
            assert other.status_code == 200


def test_a_key_sends_as_many_files_at_once_as_its_limit_says() -> None:
    def key(scope: str) -> ApiKey:
        return ApiKey(scope, scope, frozenset(), own=True, limits=KeyLimits(files=1))

    state = SimpleNamespace(authenticator=SimpleNamespace(files=Counter()))
    request: Any = SimpleNamespace(app=SimpleNamespace(state=state))
    for _ in range(2):
        with file_slot(request, key("shop")), file_slot(request, key("crm")):
            with pytest.raises(Refusal) as refused, file_slot(request, key("shop")):
                pass
            assert (refused.value.status, refused.value.limit) == (429, "files")


def test_a_request_counts_by_what_it_costs(by: Clients) -> None:
    rows = [number(n) for n in range(1000)]
    batch = by(BULKY).post("/v1/calls/batch", json=rows)
    assert batch.status_code == 202
    refused = by(BULKY).get("/v1/calls")
    refusal(refused, 429, "requests_per_second")
    assert 5 <= int(refused.headers["retry-after"]) <= 11, "a batch of 1,000 rows is as 11 requests"
    assert by(SHOP).get("/v1/calls").status_code == 200


def test_a_key_with_a_rate_of_its_own_waits_above_it(by: Clients) -> None:
    answers = [by(SLOW).get("/v1/calls") for _ in range(6)]
    assert answers[0].status_code == 200
    refusal(answers[-1], 429, "requests_per_second")
    assert by(SHOP).get("/v1/calls").status_code == 200


def test_campaigns_of_a_tenant_and_their_copies_take_its_turns_and_those_of_the_installation_none(
    by: Clients, queue: CallQueue
) -> None:
    body = {"name": "list", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860"]}
    own = by(ALL).post("/v1/campaigns", json=body).json()["id"]
    campaign = by(SHOP).post("/v1/campaigns", json=body).json()["id"]
    copies = [by(key).post(f"/v1/campaigns/{campaign}/clone").json()["id"] for key in (SHOP, ALL)]
    by(SHOP).post(f"/v1/campaigns/{campaign}/cancel")
    copies.append(by(ALL).post(f"/v1/campaigns/{campaign}/retry").json()["id"])
    tenants = [queue.store.redis.hget(queue.store.keys.campaign(id), "tn") for id in (own, campaign, *copies)]
    assert tenants == [None, *[b"shop"] * 4]


def test_a_copy_of_a_campaign_without_limits_has_those_of_the_key_that_asks_for_it(
    by: Clients, queue: CallQueue
) -> None:
    body = {"name": "list", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860", "994412861"]}
    campaign = by(ALL).post("/v1/campaigns", json=body).json()["id"]
    by(ALL).post(f"/v1/campaigns/{campaign}/cancel")
    for way in ("clone", "retry"):
        refusal(by(LIMITED).post(f"/v1/campaigns/{campaign}/{way}"), 429, "waiting_calls")
    small = by(ALL).post("/v1/campaigns", json=body | {"rows": ["994412862"]}).json()["id"]
    copy = by(LIMITED).post(f"/v1/campaigns/{small}/clone").json()["id"]
    assert queue.store.redis.hget(queue.store.keys.campaign(copy), "kc").endswith(b" 3 3600 0 0")
