"""What each role may and may not, and what a key that is marked own sees."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from alodial import CallQueue
from alodial.api_keys import ApiKeys, read_key
from alodial.errors import ConfigurationError
from monitor.client import Operator
from waiting import wait_until
from web.conftest import Web

from .conftest import ALL, CRM, OPERATE, READ, SHOP, SUBMIT

By = Callable[[str], httpx.Client]
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}
CAMPAIGN = {"name": "mine", "call": {"kind": "two-way", "callfrom": "712037006"}, "rows": ["994412860"]}


def place(client: httpx.Client, **more: Any) -> Any:
    answer = client.post("/v1/calls", json=TWO_WAY | more)
    assert answer.status_code == 202, answer.text
    return answer.json()


TABLE = [
    ("POST", "/v1/calls", TWO_WAY, {SUBMIT, SHOP, CRM, ALL}),
    ("POST", "/v1/calls/batch", [TWO_WAY], {SUBMIT, SHOP, CRM, ALL}),
    ("GET", "/v1/calls", None, {READ, SHOP, CRM, ALL}),
    ("GET", "/v1/campaigns", None, {READ, SHOP, CRM, ALL}),
    ("POST", "/v1/campaigns", CAMPAIGN, {SUBMIT, SHOP, CRM, ALL}),
    ("POST", "/v1/campaigns/check", CAMPAIGN, {SUBMIT, SHOP, CRM, ALL}),
    ("GET", "/v1/dnc", None, {READ, SHOP, CRM, ALL}),
    ("POST", "/v1/dnc", {"numbers": ["994412861"]}, {SUBMIT, OPERATE, SHOP, CRM, ALL}),
    ("POST", "/v1/dnc/remove", {"numbers": ["994412861"]}, {OPERATE, SHOP, CRM, ALL}),
    ("POST", "/v1/forget", {"phone": "994412862"}, {OPERATE, ALL}),
    ("GET", "/v1/logs", None, {READ, ALL}),
    ("GET", "/v1/webhooks", None, {READ, ALL}),
    ("POST", "/v1/webhooks/abcdef/enable", None, {OPERATE, ALL}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), TABLE, ids=[f"{m} {p}" for m, p, _, _ in TABLE])
def test_a_route_opens_to_its_roles_and_to_no_other(
    by: By, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    for key in (ALL, READ, SUBMIT, OPERATE, SHOP, CRM):
        answer = by(key).request(method, path, json=body)
        if key in allowed:
            assert answer.status_code in (200, 202, 404, 409), answer.text
        else:
            assert answer.status_code == 403, (key, answer.text)
            assert answer.json()["code"] == "forbidden"


def test_a_refusal_names_the_missing_role_and_where_it_is_given(by: By) -> None:
    problem = by(READ).post("/v1/calls", json=TWO_WAY).json()
    assert "submit (place calls" in problem["detail"]
    assert "ALODIAL_API_KEYS" in problem["detail"]
    assert READ not in json.dumps(problem)


def test_the_drop_in_needs_the_role_submit(web: Web) -> None:
    body = {"callfrom": {"phone": "712037006"}, "callto": [{"phone": "994412860"}]}
    assert web.client(None).post(f"/requestcall/{READ}", json=body).status_code == 403
    assert web.client(None).post(f"/requestcall/{SUBMIT}", json=body).status_code == 200


def test_with_submit_alone_only_ones_own_calls_are_canceled(by: By) -> None:
    mine, other = place(by(SUBMIT)), place(by(ALL))
    assert by(SUBMIT).post(f"/v1/calls/{other['id']}/cancel").status_code == 403
    assert by(SUBMIT).post(f"/v1/calls/{mine['id']}/cancel").status_code == 200
    assert by(OPERATE).post(f"/v1/calls/{other['id']}/cancel").status_code == 200


def test_a_key_marked_own_sees_its_own_calls_and_no_others(by: By) -> None:
    shop, crm, other = place(by(SHOP)), place(by(CRM)), place(by(ALL))
    listed = by(SHOP).get("/v1/calls").json()["calls"]
    assert [(call["id"], call["owner"]) for call in listed] == [(shop["id"], "shop")]
    missing = by(SHOP).get("/v1/calls/0199c0de-7000-7000-8000-00c8f5b3e5d1")
    for name in (crm["id"], crm["extid"], other["id"]):
        for answer in (
            by(SHOP).get(f"/v1/calls/{name}"),
            by(SHOP).post(f"/v1/calls/{name}/cancel"),
            by(CRM).post(f"/v1/calls/{shop['id']}/redial"),
        ):
            assert answer.status_code == 404
            assert answer.json()["code"] == missing.json()["code"] == "not_found"
    assert by(SHOP).get(f"/v1/calls/{shop['extid']}").json()["owner"] == "shop"
    assert by(SHOP).post(f"/v1/calls/{shop['id']}/cancel").status_code == 200
    assert len(by(READ).get("/v1/calls").json()["calls"]) == 3


@pytest.mark.parametrize("wanted", ["state=queued", "phone=994412860", "reference=r1", "account=default"])
def test_no_filter_leads_to_the_calls_of_others(by: By, wanted: str) -> None:
    shop = place(by(SHOP), reference="r1")
    place(by(CRM), reference="r1")
    listed = by(SHOP).get(f"/v1/calls?{wanted}").json()["calls"]
    assert [call["id"] for call in listed] == [shop["id"]]


def test_campaigns_of_others_are_not_there(by: By) -> None:
    shop = by(SHOP).post("/v1/campaigns", json=CAMPAIGN).json()
    crm = by(CRM).post("/v1/campaigns", json=CAMPAIGN)  # the same rows are no duplicate of somebody else's
    assert crm.status_code == 202, crm.text
    id = crm.json()["id"]
    assert [one["id"] for one in by(SHOP).get("/v1/campaigns").json()["campaigns"]] == [shop["id"]]
    for address in ("", "/activity", "/results.csv", "/results.xlsx", "/problems.csv", "/report"):
        assert by(SHOP).get(f"/v1/campaigns/{id}{address}").status_code == 404, address
    for act in ("pause", "resume", "cancel", "change", "clone", "retry"):
        assert (
            by(SHOP).post(f"/v1/campaigns/{id}/{act}", json={"pace": 1} if act == "change" else {}).status_code == 404
        )
    assert by(SHOP).post(f"/v1/campaigns/{shop['id']}/pause", json={}).status_code == 200
    assert by(SHOP).get(f"/v1/campaigns/{shop['id']}").json()["created_by"] == "key:shop"


def events(client: httpx.Client, query: str = "", last: str = "0", wanted: int = 1) -> list[Any]:
    found: list[Any] = []
    with client.stream("GET", f"/v1/events{query}", headers={"Last-Event-ID": last}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
            elif line.startswith("id: ") and len(found) >= wanted:
                break
            if len(found) >= wanted:
                break
    return found


def test_the_events_of_other_keys_are_not_sent(by: By) -> None:
    place(by(CRM), metadata={"owner": "shop"})
    place(by(ALL), metadata={"owner": "shop"})
    shop = place(by(SHOP))
    (event,) = events(by(SHOP))
    assert event["subject"] == shop["id"]


def test_events_are_narrowed_by_type_and_campaign(by: By) -> None:
    call = place(by(ALL))
    by(ALL).post(f"/v1/calls/{call['id']}/cancel")
    (event,) = events(by(ALL), "?type=canceled")
    assert (event["type"], event["subject"]) == ("alodial.call.canceled", call["id"])
    campaign = by(ALL).post("/v1/campaigns", json=CAMPAIGN).json()
    (event,) = events(by(ALL), f"?campaign={campaign['id']}")
    assert event["subject"] == campaign["id"]
    assert by(ALL).get("/v1/events?type=bogus").status_code == 422


def test_a_position_older_than_the_stream_answers_410(by: By, queue: CallQueue) -> None:
    for _ in range(3):
        place(by(ALL))
    first, *_, last = (row[0].decode() for row in queue.store.redis.xrange("alodial:events"))
    queue.store.redis.xtrim("alodial:events", minid=last, approximate=False)

    def refused() -> str:
        with by(ALL).stream("GET", "/v1/events", headers={"Last-Event-ID": first}) as answer:
            return answer.read().decode() if answer.status_code == 410 else ""

    # While a reader of before is not quite gone, web has what the stream has lost.
    assert last in wait_until(refused, every=0.2)
    assert events(by(ALL), last="0")[0]["type"] == "alodial.call.queued"


def test_a_call_can_be_redialed(by: By) -> None:
    call = place(by(ALL))
    assert by(ALL).post(f"/v1/calls/{call['id']}/redial").status_code == 409
    by(ALL).post(f"/v1/calls/{call['id']}/cancel")
    answer = by(ALL).post(f"/v1/calls/{call['id']}/redial", json={"attempt": 1})
    assert answer.status_code == 202, answer.text
    again = by(ALL).get(answer.headers["location"]).json()
    assert again["redial_of"] == call["id"]
    assert by(ALL).post(f"/v1/calls/{call['id']}/redial", json={"attempt": 1}).json()["id"] == again["id"]
    for wrong in ({"attempt": 0}, {"attempt": True}, {"x": 1}, []):
        assert by(ALL).post(f"/v1/calls/{call['id']}/redial", json=wrong).status_code == 422


@pytest.mark.parametrize("wrong", ["since=yesterday", "since=2026-11-23T14:00", "until=x", "disposition=fine"])
def test_an_unknown_filter_is_refused(by: By, wrong: str) -> None:
    answer = by(ALL).get(f"/v1/calls?{wrong}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == wrong.partition("=")[0]


def test_calls_are_found_by_the_time_they_were_made(by: By) -> None:
    call = place(by(ALL))
    at = by(ALL).get(f"/v1/calls/{call['id']}").json()["created_at"]
    assert by(ALL).get("/v1/calls", params={"until": at}).json()["calls"] == []
    assert len(by(ALL).get("/v1/calls", params={"since": at}).json()["calls"]) == 1


def test_a_key_marked_own_or_without_read_cannot_sign_in(web: Web) -> None:
    for key in (SHOP, SUBMIT):
        assert Operator(web, None).sign_in(key).status_code == 403
    assert Operator(web, None).sign_in("no-key-at-all").status_code == 401
    reader = Operator(web, READ)
    assert "key:reader (Aziza)" in Operator(web, READ, name="Aziza").get("/").text
    assert 'href="/stop"' not in reader.get("/").text
    assert reader.post("/stop", {"reason": "x"}).status_code == 403
    assert reader.post("/campaigns/new").status_code == 403
    assert 'href="/stop"' in Operator(web, ALL).get("/").text


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (";name=shop", "has no key"),
        ("KEY;name=Shop", "name"),
        ("KEY;name=", "name"),
        ("KEY;roles=admin", "unknown role"),
        ("KEY;roles=", "unknown role"),
        ("KEY;own", "add name="),
        ("KEY;name=a;name=b", "twice"),
        ("KEY;colour=red", "attribute"),
    ],
)
def test_a_malformed_key_is_an_error_that_does_not_contain_it(entry: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_API_KEYS: entry 3") as error:
        read_key(entry.replace("KEY", "planted-secret"), 3)
    assert why in str(error.value)
    assert "planted-secret" not in str(error.value)


def test_a_plain_key_has_every_role() -> None:
    keys = ApiKeys([SecretStr("one"), SecretStr("two; roles=read ;name=x")])
    assert keys.find("one") is not None
    assert keys.find("one").roles == {"submit", "read", "operate"}  # type: ignore[union-attr]  # found above
    assert keys.find("two").roles == {"read"}  # type: ignore[union-attr]  # as above
    assert keys.find("two; roles=read ;name=x") is None
    with pytest.raises(ConfigurationError, match="entry 2 is the key of an earlier one"):
        ApiKeys([SecretStr("one"), SecretStr("one;name=x")])
