"""POST /v1/calls, reading back, listing, canceling: over real HTTP on a real Redis."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .conftest import OTHER_KEY, TWO_WAY, Web


def codes(answer: httpx.Response) -> set[str]:
    return {error["field"] for error in answer.json()["errors"]}


def test_a_call_is_accepted_and_can_be_read_back_by_id_and_by_extid(web: Web) -> None:
    answer = web.place(TWO_WAY | {"reference": "order-17", "metadata": {"shop": "3"}})
    assert answer.status_code == 202
    placed = answer.json()
    assert placed["state"] == "queued"
    assert placed["reference"] == "order-17"
    assert answer.headers["location"] == f"/v1/calls/{placed['id']}"
    for name in (placed["id"], placed["extid"]):
        record = web.http.get(f"/v1/calls/{name}").json()
        assert record["id"] == placed["id"]
        assert record["request"]["callfrom"] == {"phone": "+998712037006"}
        assert record["timeline"][0]["state"] == "queued"
        assert record["metadata"] == {"shop": "3"}


def test_the_same_key_and_body_give_the_same_call_and_another_body_a_conflict(web: Web) -> None:
    first = web.place(**{"Idempotency-Key": "k-1"})
    again = web.place(**{"Idempotency-Key": "k-1"})
    other = web.place(TWO_WAY | {"reference": "x"}, **{"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
    assert again.json() == first.json()
    assert other.json()["code"] == "idempotency_conflict"
    assert other.headers["content-type"] == "application/problem+json"


def test_the_same_extid_and_body_give_the_same_call_and_another_body_a_conflict(web: Web) -> None:
    first = web.place(TWO_WAY | {"extid": "123123"})
    again = web.place(TWO_WAY | {"extid": "123123"})
    other = web.place(TWO_WAY | {"extid": "123123", "reference": "x"})
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
    assert other.json()["code"] == "extid_conflict"


def test_two_clients_may_use_the_same_idempotency_key_without_meeting(web: Web) -> None:
    mine = web.place(**{"Idempotency-Key": "k-1"}).json()
    with web.client(OTHER_KEY) as client:
        theirs = client.post("/v1/calls", json=TWO_WAY, headers={"Idempotency-Key": "k-1"})
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine["id"]


def test_fifty_posts_at_once_with_the_same_key_place_one_call(web: Web) -> None:
    def post(_: int) -> httpx.Response:
        with web.client("planted-api-key-90dd") as client:
            return client.post("/v1/calls", json=TWO_WAY, headers={"Idempotency-Key": "storm"})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    assert sorted({a.status_code for a in answers}) == [200, 202]
    assert [a.status_code for a in answers].count(202) == 1
    assert len({a.json()["id"] for a in answers}) == 1
    assert len(web.http.get("/v1/calls").json()["calls"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "ключ", "x" * 256])
def test_an_idempotency_key_that_is_no_plain_text_is_refused(web: Web, key: str) -> None:
    answer = web.http.post("/v1/calls", json=TWO_WAY, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    assert codes(answer) == {"Idempotency-Key"}


def test_every_bad_field_is_named_with_its_remedy_and_no_number_is_repeated(web: Web) -> None:
    body = {"callfrom": "712037116", "callto": ["12"], "referense": "x", "priority": "soon", "ivr": 1}
    answer = web.place(body)
    assert answer.status_code == 422
    assert {"callto.0.phone", "referense", "priority", "ivr"} <= codes(answer)
    assert all(error["remedy"] and error["problem"] for error in answer.json()["errors"])
    assert "712037116" not in answer.text
    assert "2037116" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"ivrid":' + b"1" * 5000 + b"}",
        b'{"ivrid":NaN}',
        b'{"ivrid":-Infinity}',
        b'{"callto":"712037006","callto":"994412860"}',
        b"\xff\xfe{}",
        b'{"a":"\x80"}',
        b"callto=1",
    ],
)
def test_what_is_no_json_is_refused_as_such(web: Web, body: bytes) -> None:
    answer = web.http.post("/v1/calls", content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_json"


def test_an_empty_body_is_said_to_be_empty(web: Web) -> None:
    for body in (b"", b" \r\n"):
        assert web.http.post("/v1/calls", content=body).json()["detail"] == "The body is not usable JSON: it is empty."


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'"x"',
        b'{"ivrid":1e999,"callto":"712037006","fromline":1}',
        b'{"ivrid":' + b"9" * 100 + b"}",
        b'{"callfrom":"712037006","callto":["994412860"],"reference":"\\ud800"}',
        b'{"callfrom":"712037006","callto":["994412860"],"metadata":{"\\ud800":"x"}}',
        b'{"callfrom":"712037006","callto":["994412860"],"\\ud800":"x"}',
        b'{"callfrom":"712037006","callto":["994412860"],"not_before":1e308}',
        b'{"callfrom":{"phone":[]},"callto":{"0":{}}}',
        b'{"callfrom":"712037006","callto":["994412860"],"account":"nobody"}',
    ],
)
def test_what_is_json_and_no_call_is_refused_with_its_fields(web: Web, body: bytes) -> None:
    answer = web.http.post("/v1/calls", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert "Traceback" not in answer.text


def test_json_is_taken_whatever_its_content_type_says(web: Web) -> None:
    answer = web.http.post("/v1/calls", content=json.dumps(TWO_WAY), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 202


def test_a_body_above_one_mebibyte_is_refused(web: Web) -> None:
    assert web.http.post("/v1/calls", content=b" " * (1024 * 1024 + 1)).status_code == 413


def test_without_a_key_every_route_answers_401(web: Web) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer"},
    ):
        for method, path in (
            ("POST", "/v1/calls"),
            ("POST", "/v1/calls/batch"),
            ("GET", "/v1/calls"),
            ("GET", "/v1/events"),
        ):
            answer = httpx.request(method, web.url + path, headers=headers, content=json.dumps(TWO_WAY))
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] == "unauthorized"
    assert web.http.get("/v1/calls").json()["calls"] == []


def test_a_list_is_filtered_and_continues_with_its_cursor(web: Web) -> None:
    for n in range(5):
        assert web.place(TWO_WAY | {"reference": f"r-{n}"}).status_code == 202
    web.place({"callto": "901234567", "ivrid": 5, "fromline": 712037006})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = web.http.get("/v1/calls", params={"limit": 2, "cursor": cursor}).json()
        seen += [call["reference"] for call in page["calls"]]
        cursor = page["cursor"]
        assert not any("timeline" in call for call in page["calls"])
    assert seen == [None, "r-4", "r-3", "r-2", "r-1", "r-0"]
    assert len(web.http.get("/v1/calls", params={"phone": "994412860"}).json()["calls"]) == 5
    assert len(web.http.get("/v1/calls?phone=+998901234567").json()["calls"]) == 1
    assert len(web.http.get("/v1/calls", params={"reference": "r-3"}).json()["calls"]) == 1
    assert len(web.http.get("/v1/calls", params={"state": "queued"}).json()["calls"]) == 6
    assert web.http.get("/v1/calls", params={"state": "completed"}).json() == {"calls": [], "cursor": None}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=100000",
        "state=nix",
        "phone=12",
        "phone=%00",
        "cursor=abc",
        "cursor=99999999999999999999-0",
        "stat=queued",
        "reference=" + "x" * 200,
    ],
)
def test_a_list_refuses_what_it_does_not_understand(web: Web, query: str) -> None:
    answer = web.http.get(f"/v1/calls?{query}")
    assert answer.status_code == 422
    assert codes(answer) == {query.partition("=")[0]}


def test_a_queued_call_can_be_canceled_and_an_ended_one_cannot(web: Web, store: object) -> None:
    placed = web.place().json()
    answer = web.http.post(f"/v1/calls/{placed['id']}/cancel")
    assert answer.status_code == 200
    assert answer.json() == {"id": placed["id"], "extid": placed["extid"], "state": "canceled"}
    assert web.http.get(f"/v1/calls/{placed['id']}").json()["state"] == "canceled"
    assert web.http.post("/v1/calls/999/cancel").status_code == 404


def test_a_call_that_ended_otherwise_is_not_cancelable(web: Web, redis_server: object) -> None:
    placed = web.place().json()
    with redis_server.client() as client:  # type: ignore[attr-defined]  # the fixture is typed in the root conftest
        client.hset(f"alodial:{{dial}}:c:{placed['extid']}", "s", "completed")
    answer = web.http.post(f"/v1/calls/{placed['id']}/cancel")
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_cancelable"


@pytest.mark.parametrize("name", ["999", "nonsense", "0199c0de-7000-7000-8000-00c8f5b3e5d1", "%00", "٣٣", "9" * 30])
def test_a_call_that_is_not_there_is_not_found(web: Web, name: str) -> None:
    answer = web.http.get(f"/v1/calls/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_whatever_is_not_there_is_answered_with_the_list_of_its_own_kind(web: Web) -> None:
    campaign = web.http.get("/v1/campaigns/nobody").json()["detail"]
    assert campaign == "no campaign nobody; GET /v1/campaigns lists campaigns."
    assert "ids are kept for" in web.http.get("/v1/calls/nobody").json()["detail"]


def test_a_value_that_a_parameter_cannot_have_is_answered_with_those_it_can(web: Web) -> None:
    (error,) = web.http.get("/v1/calls", params={"state": "done"}).json()["errors"]
    assert (error["field"], error["problem"]) == ("state", "is none of the values that it may have")
    assert error["remedy"].startswith("give scheduled, queued, ")
    (error,) = web.http.get("/v1/calls", params={"limit": "many"}).json()["errors"]
    assert error["problem"].startswith("must be a valid integer")


def test_a_wrong_key_is_answered_otherwise_than_none(web: Web) -> None:
    wrong = httpx.get(f"{web.url}/v1/calls", headers={"Authorization": "Bearer pu-wrong-key-of-some-length"})
    assert wrong.status_code == 401
    assert wrong.json()["title"] == "The API key is not known"
    assert wrong.json()["detail"].startswith("This key is not known; it begins with pu…. Compare it with")
    short = httpx.get(f"{web.url}/v1/calls", headers={"Authorization": "Bearer pu"})
    assert short.json()["detail"].startswith("This key is not known. Compare it with")
    assert "is not known" not in httpx.get(f"{web.url}/v1/calls").json()["detail"]
