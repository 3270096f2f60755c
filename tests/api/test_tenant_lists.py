"""Tenants' do-not-call lists, campaigns and cursors: each has its own, and answers tell nothing of others."""

import json
from typing import Any

import httpx

from alodial import CallQueue
from alodial.store import call_transitions, campaigns
from alodial.store.keys import Keys

from .conftest import ALL, CRM, SHOP, SUBMIT, Clients

TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}
CAMPAIGN = {"name": "autumn", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860", "994412861"]}
NOWHERE = "0199c0de-7000-7000-8000-00c8f5b3e5d1"


def forbid(client: httpx.Client, number: str = "994412860", **more: str) -> httpx.Response:
    return client.post("/v1/dnc", json={"numbers": [number]} | more)


def submit(client: httpx.Client, **more: Any) -> Any:
    answer = client.post("/v1/campaigns", json=CAMPAIGN | more)
    assert answer.status_code == 202, answer.text
    return answer.json()


def outcomes(by: Clients, queue: CallQueue) -> dict[str, str]:
    """Places a call by each key, lets a worker claim, and returns the states by key."""
    queue.store.redis.set("alodial:{dial}:epoch", "e")
    placed = {key: by(key).post("/v1/calls", json=TWO_WAY).json()["id"] for key in (SHOP, CRM, ALL)}
    account = queue.settings.account("default")
    operation = call_transitions.claim(queue.settings, "default", account, epoch="e", room=50, horizon=1000, attend=0)
    queue.store.run(operation)
    return {key: queue.get(id).state.value for key, id in placed.items()}


def test_a_tenants_do_not_call_list_binds_its_calls_and_no_others(by: Clients, queue: CallQueue) -> None:
    assert forbid(by(SHOP)).json() == {"changed": 1}
    assert outcomes(by, queue) == {SHOP: "rejected", CRM: "queued", ALL: "queued"}
    assert by(ALL).get("/v1/dnc").json()["entries"] == []
    assert by(CRM).get("/v1/dnc").json()["entries"] == []
    (entry,) = by(SHOP).get("/v1/dnc").json()["entries"]
    assert (entry["number"], entry["scope"]) == ("+998994412860", "")
    assert by(SHOP).post("/v1/dnc/remove", json={"numbers": ["994412860"]}).json() == {"changed": 1}


def test_the_list_of_the_installation_binds_tenants_and_does_not_answer_them(by: Clients, queue: CallQueue) -> None:
    assert forbid(by(ALL)).json() == {"changed": 1}
    assert forbid(by(SHOP)).json() == {"changed": 1}, "the answer tells who is listed"
    assert by(CRM).get("/v1/dnc", params={"number": "994412860"}).json()["entries"] == []
    assert by(CRM).post("/v1/dnc/remove", json={"numbers": ["994412860"]}).json() == {"changed": 0}
    assert outcomes(by, queue) == dict.fromkeys((SHOP, CRM, ALL), "rejected")


def test_a_number_that_is_listed_between_claim_and_post_is_not_rung(by: Clients, queue: CallQueue) -> None:
    queue.store.redis.set("alodial:{dial}:epoch", "e")
    by(SHOP).post("/v1/calls", json=TWO_WAY)
    account = queue.settings.account("default")
    operation = call_transitions.claim(queue.settings, "default", account, epoch="e", room=50, horizon=1000, attend=0)
    (call,) = queue.store.run(operation).calls
    forbid(by(SHOP))
    arming = [call_transitions.Arming(call.record, call.token, call.slot)]
    (armed,) = queue.store.run(call_transitions.arm(queue.settings, account, arming, epoch="e", worker="w"))
    assert armed.outcome == "lost"


def test_campaigns_of_others_and_none_at_all_get_the_same_answer(by: Clients) -> None:
    foreign = submit(by(CRM))["id"]
    own = submit(by(SHOP))["id"]
    for path in ("/v1/dnc", "/v1/dnc/remove"):
        answers = []
        for campaign in (foreign, NOWHERE):
            answer = by(SHOP).post(path, json={"numbers": ["994412860"], "campaign": campaign})
            answers.append((answer.status_code, answer.text.replace(campaign, "")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert by(SHOP).get("/v1/dnc", params={"campaign": foreign}).status_code == 404
    assert forbid(by(SHOP), campaign=own).json() == {"changed": 1}
    assert forbid(by(SHOP), campaign="autumn").json() == {"changed": 0}, "its own campaign of that name"


def test_rows_that_a_tenant_lists_are_not_called_in_its_campaigns(by: Clients) -> None:
    forbid(by(SHOP))
    assert by(SHOP).post("/v1/campaigns/check", json=CAMPAIGN).json()["suppressed"] == 1
    assert by(CRM).post("/v1/campaigns/check", json=CAMPAIGN).json()["suppressed"] == 0
    assert submit(by(SHOP))["rows"]["suppressed"] == 1


def test_added_rows_are_not_compared_with_those_of_other_tenants(by: Clients) -> None:
    rows = {"file": ("more.csv", b"phone\n977076909\n", "text/csv")}
    campaigns = {key: submit(by(key))["id"] for key in (CRM, SHOP)}
    for key, id in campaigns.items():
        answer = by(key).post(f"/v1/campaigns/{id}/rows", files=rows)
        assert answer.status_code == 202, answer.text
    again = by(SHOP).post(f"/v1/campaigns/{campaigns[SHOP]}/rows", files=rows)
    assert again.status_code == 409
    assert again.json()["campaign_id"] == campaigns[SHOP]
    assert campaigns[CRM] not in again.text


def test_a_name_means_a_campaign_of_ones_own(by: Clients) -> None:
    for _ in range(2):
        submit(by(CRM), again=True)
    assert by(SHOP).get("/v1/campaigns/autumn").json()["detail"].startswith("no campaign autumn;")
    own = submit(by(SHOP))["id"]
    assert by(SHOP).get("/v1/campaigns/autumn").json()["id"] == own
    assert by(SHOP).post("/v1/campaigns/autumn/pause").json()["id"] == own
    refused = by(CRM).get("/v1/campaigns/autumn")
    assert "several campaigns" in refused.json()["detail"]
    assert own not in refused.text


def test_a_retry_by_an_operator_stays_the_tenants(by: Clients) -> None:
    id = submit(by(SHOP))["id"]
    by(SHOP).post(f"/v1/campaigns/{id}/cancel")
    retry = by(ALL).post(f"/v1/campaigns/{id}/retry")
    assert retry.status_code == 202, retry.text
    assert retry.json()["owner"] == "shop"
    assert by(SHOP).post(f"/v1/campaigns/{id}/retry").json()["campaign_id"] == retry.json()["id"]


def test_cursors_name_nothing_of_others(by: Clients) -> None:
    for _ in range(3):
        submit(by(SHOP), again=True)
        foreign = [submit(by(CRM), again=True)["id"], by(CRM).post("/v1/calls", json=TWO_WAY).json()["extid"]]
        by(SHOP).post("/v1/calls", json=TWO_WAY | {"reference": "r"})
        seen = []
        cursor = ""
        while cursor is not None:
            page = by(SHOP).get("/v1/campaigns", params={"limit": 1, "cursor": cursor}).json()
            seen += [campaign["id"] for campaign in page["campaigns"]]
            cursor = page["cursor"]
            assert cursor is None or cursor == seen[-1]
        assert len(seen) == len(set(seen))
    assert len(seen) == 3
    for query in ("phone=994412860", "reference=r", "state=queued", "state=scheduled", "state=canceled", ""):
        cursor = ""
        while cursor is not None:
            page = by(SHOP).get(f"/v1/calls?{query}&limit=1&cursor={cursor}").json()
            cursor = page["cursor"]
            assert not any(name in json.dumps(page) for name in foreign)


def test_a_key_with_submit_alone_does_not_write_lists_of_foreign_campaigns_for_another_tenant(by: Clients) -> None:
    foreign = submit(by(CRM))["id"]
    assert by(SUBMIT).post("/v1/dnc/remove", json={"numbers": ["994412860"], "campaign": foreign}).status_code == 403


def test_times_before_all_others_are_no_fault_of_the_server(by: Clients) -> None:
    for path in ("/v1/calls", "/v1/logs"):
        for moment in ("1900-01-02T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9998-12-30T23:59:59Z"):
            for name in ("since", "until"):
                assert by(ALL).get(path, params={name: moment}).status_code == 200, (path, name, moment)
        for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            assert by(ALL).get(path, params={"since": moment}).status_code == 422, (path, moment)
    assert by(SHOP).get("/v1/calls", params={"until": "1969-12-31T23:59:59Z"}).json()["calls"] == []


def test_a_list_reads_nothing_of_others_and_finds_what_an_earlier_version_stored(by: Clients, queue: CallQueue) -> None:
    redis = queue.store.redis
    own = [submit(by(SHOP), again=True)["id"] for _ in range(3)][::-1]
    for _ in range(20):
        submit(by(CRM), again=True)

    def pages() -> list[str]:
        ids, cursor = [], ""
        while cursor is not None:
            page = by(SHOP).get("/v1/campaigns", params={"limit": 2, "cursor": cursor}).json()
            ids += [row["id"] for row in page["campaigns"]]
            cursor = page["cursor"]
        return ids

    assert pages() == own
    redis.config_resetstat()
    assert pages() == own
    assert by(SHOP).get("/v1/campaigns/nothing").status_code == 404
    calls = redis.info("commandstats")
    assert calls.get("cmdstat_hget", {"calls": 0})["calls"] < 10, "looked at campaigns of others"
    keys = Keys()
    for key in (*redis.keys("*campaigns:~*"), keys.CAMPAIGN_OWNERS, keys.TIDIED):
        redis.delete(key)
    assert pages() == own
    redis.delete(keys.campaign(own[1]))
    campaigns.forget_gone(redis, keys)
    assert pages() == [own[0], own[2]]
