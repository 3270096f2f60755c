"""``POST /v1/forget``: a person is counted first and erased when that is confirmed, and the audit names the act."""

import json

from .conftest import TWO_WAY, Web

NUMBER = TWO_WAY["callto"][0]


def test_a_person_is_erased_only_when_that_is_confirmed(web: Web) -> None:
    id = web.http.post("/v1/calls", json=TWO_WAY).json()["id"]
    for spelling in (NUMBER, f"8 {NUMBER}"):
        assert len(web.http.get("/v1/calls", params={"phone": spelling}).json()["calls"]) == 1
        counted = web.http.post("/v1/forget", json={"phone": spelling})
        assert (counted.status_code, counted.json()["calls"]) == (200, 1)
    assert web.http.get(f"/v1/calls/{id}").status_code == 200
    erased = web.http.post("/v1/forget", json={"phone": NUMBER, "confirm": True})
    assert (erased.json()["calls"], erased.json()["under_way"]) == (1, [])
    assert web.http.get(f"/v1/calls/{id}").status_code == 404
    assert web.http.post("/v1/calls", json=TWO_WAY).status_code == 202, "the list tells nobody who was erased"
    acts = [act for act in web.http.get("/v1/audit").json()["acts"] if act["act"] == "POST /v1/forget"]
    assert [act["target"].split()[-1] for act in acts] == ["erased", "counted", "counted"]
    assert NUMBER not in json.dumps(acts)


def test_what_is_no_request_to_erase_is_refused_field_by_field(web: Web) -> None:
    answer = web.http.post("/v1/forget", json={"phone": 5, "confirm": "yes", "all": True})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["all", "phone", "confirm"]
    assert web.http.post("/v1/forget", json={"phone": "12"}).json()["code"] == "invalid_call"
