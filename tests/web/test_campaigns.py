"""``/v1/campaigns`` and ``/v1/dnc`` over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

from alodial.settings import Settings
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

from .conftest import Web, in_a_year

keys = Keys()

ASKED: dict[str, Any] = {"name": "over http", "call": {"callfrom": "712037006"}}
ROWS = [{"phone": "994412860", "reference": "INV-1"}, {"phone": "977076909"}, {"phone": "12"}]


def submit(web: Web, **more: Any) -> Any:
    return web.http.post("/v1/campaigns", json=ASKED | {"rows": ROWS} | more)


def test_rows_inside_of_json_become_a_campaign_that_can_be_paused_changed_and_canceled(web: Web) -> None:
    made = submit(web)
    assert made.status_code == 202, made.text
    record = made.json()
    assert record["rows"] == {"file": 3, "good": 2, "bad": 1, "duplicate": 0, "suppressed": 0}
    address = made.headers["location"]
    assert web.http.get(address).json()["id"] == record["id"]
    assert web.http.post(f"{address}/pause", json={"reason": "why"}).json()["state"] == "paused"
    assert web.http.post(f"{address}/change", json={"pace": 3}).json()["request"]["policy"]["pace"] == 3
    assert web.http.post(f"{address}/resume").json()["state"] == "running"
    assert web.http.post(f"{address}/cancel").json()["calls"] == {"canceled": 2}
    assert web.http.post(f"{address}/resume").status_code == 409
    assert next(act["action"] for act in web.http.get(f"{address}/activity").json()["activity"]) == "canceled"
    table = web.http.get(f"{address}/results.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert "INV-1" in table.text
    assert web.http.get(f"{address}/results.xlsx").content.startswith(b"PK")
    assert "has 2 national digits" in web.http.get(f"{address}/problems.csv").text
    assert "<svg" in web.http.get(f"{address}/report").text
    assert [one["id"] for one in web.http.get("/v1/campaigns").json()["campaigns"]] == [record["id"]]


def test_a_file_is_spoken_of_in_the_language_of_the_request(web: Web) -> None:
    made = submit(web)
    address = made.headers["location"]
    russian = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}
    rejected = web.http.get(f"{address}/problems.csv", headers=russian)
    assert "Строка;Столбец;Причина;Как исправить" in rejected.text
    assert "в номере не хватает цифр" in rejected.text
    assert "over%20http" in rejected.headers["content-disposition"]
    assert "отчёт о кампании" in web.http.get(f"{address}/report", headers=russian).text
    doubt = ASKED | {"rows": [{"Номер": "301234567", "Сотовый": "901234567"}]}
    report = web.http.post("/v1/campaigns/check", json=doubt, headers=russian).json()
    assert report["questions"][0]["code"] == "weak_phone_column"
    assert "«Номер» (столбец A)" in report["questions"][0]["text"]
    refused = web.http.post("/v1/campaigns", json=doubt, headers=russian)
    assert refused.status_code == 422
    assert refused.json()["questions"] == report["questions"]
    assert "(column A)" in web.http.post("/v1/campaigns", json=doubt).json()["errors"][0]["problem"]


def test_an_uploaded_file_is_checked_and_submitted_once(web: Web) -> None:
    text = "Телефон;Имя\r\n994412860;А\r\n=1+1;Б\r\n".encode("cp1251")
    form = {"campaign": (None, json.dumps(ASKED)), "file": ("list.csv", text, "text/csv")}
    report = web.http.post("/v1/campaigns/check", files=form).json()
    assert (report["encoding"], report["good"], report["problems"][0]["number"]) == ("cp1251", 1, 3)
    made = web.http.post("/v1/campaigns", files=form)
    assert made.status_code == 202, made.text
    again = web.http.post("/v1/campaigns", files=form)
    assert (again.status_code, again.json()["campaign_id"]) == (409, made.json()["id"])
    more = {"file": ("more.csv", "Телефон;Имя\r\n977076909;В\r\n".encode(), "text/csv")}
    added = web.http.post(f"/v1/campaigns/{made.json()['id']}/rows", files=more)
    assert added.status_code == 202, added.text
    assert added.json()["rows"]["good"] == 2
    address = f"/v1/campaigns/{made.json()['id']}/rows"
    titled = {"file": ("t.csv", "Сотовый;Дом\r\nТелефон;Имя\r\n977076910;Г\r\n".encode(), "text/csv")}
    assert web.http.post(address, files=titled).status_code == 422
    said = titled | {"header_row": (None, "2"), "columns": (None, '{"phone": "A"}')}
    added = web.http.post(address, files=said)
    assert added.status_code == 202, added.text
    assert added.json()["rows"]["good"] == 3
    for name, value in (("header_row", "two"), ("hidden", "perhaps"), ("columns", "[1]"), ("columns", "{")):
        refused = web.http.post(address, files=titled | {name: (None, value)})
        assert refused.status_code == 422
        assert name in refused.text


def test_hours_by_the_number_without_the_tables_of_zones_are_422_with_what_to_install(
    redis_server: EmbeddedRedis, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['phonenumbers.tzdata'] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    web = Web(redis_server.url, tmp_path)
    policy = {"hours": {"windows": "00:00-24:00", "timezone": "number"}}
    for address in ("/v1/campaigns", "/v1/campaigns/check"):
        refused = web.http.post(address, json=ASKED | {"rows": ROWS, "policy": policy})
        assert refused.status_code == 422
        assert [(one["field"], one["code"]) for one in refused.json()["errors"]] == [
            ("policy.hours.timezone", "zones_missing")
        ]
        assert "pip install 'alodial[zones]'" in refused.text
    assert web.stop() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rows": ROWS}, "name"),
        (ASKED, "rows"),
        (ASKED | {"rows": ROWS, "policy": {"pace": -1}}, "policy.pace"),
        (ASKED | {"rows": ROWS, "polcy": {}}, "polcy"),
        (ASKED | {"rows": [{"phone": "12"}]}, "file"),
        (ASKED | {"rows": [{"name": "nobody"}]}, "file"),
    ],
)
def test_what_cannot_be_submitted_names_its_field(web: Web, body: dict[str, Any], field: str) -> None:
    refused = web.http.post("/v1/campaigns", json=body)
    assert refused.status_code == 422, refused.text
    assert field in {error["field"] for error in refused.json()["errors"]}


def test_missing_keys_unknown_names_and_other_media_types_are_refused(web: Web) -> None:
    assert web.client(None).get("/v1/campaigns").status_code == 401
    assert web.http.get("/v1/campaigns/nobody").status_code == 404
    assert web.http.post("/v1/campaigns", content=b"x", headers={"Content-Type": "image/png"}).status_code == 415


def test_the_do_not_call_list_over_http(web: Web) -> None:
    added = web.http.post("/v1/dnc", json={"numbers": ["994412860"], "reason": "asked"})
    assert added.json() == {"changed": 1}
    entry = web.http.get("/v1/dnc", params={"number": "994412860"}).json()["entries"][0]
    assert (entry["number"], entry["reason"]) == ("+998994412860", "asked")
    assert submit(web).json()["rows"]["suppressed"] == 1
    assert web.http.post("/v1/dnc/remove", json={"numbers": ["994412860"]}).json() == {"changed": 1}
    assert web.http.post("/v1/dnc", json={"numbers": ["x"]}).status_code == 422


def test_a_campaign_sent_twice_with_its_key_is_one_also_again(web: Web) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = ASKED | {"rows": ROWS, "again": True}
    first = web.http.post("/v1/campaigns", json=body, headers=headers)
    second = web.http.post("/v1/campaigns", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert (second.json()["id"], second.headers["location"]) == (first.json()["id"], first.headers["location"])
    other = web.http.post("/v1/campaigns", json=body | {"name": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert web.http.post("/v1/campaigns", json=body, headers={"Idempotency-Key": "k 1"}).status_code == 422
    assert len(web.http.get("/v1/campaigns").json()["campaigns"]) == 1


def test_retry_clone_and_rows_sent_twice_with_their_key_act_once(web: Web) -> None:
    address = submit(web).headers["location"]
    more = {"file": ("more.csv", b"phone,reference\r\n977076910,x\r\n", "text/csv")}
    headers = {"Idempotency-Key": "k"}
    added = [web.http.post(f"{address}/rows", files=more, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in added] == [202, 200], added[0].text
    assert added[1].json()["rows"]["good"] == 3
    clones = [web.http.post(f"{address}/clone", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in clones] == [202, 200]
    assert clones[0].json()["id"] == clones[1].json()["id"] != added[0].json()["id"]
    web.http.post(f"{address}/cancel")
    retries = [web.http.post(f"{address}/retry", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in retries] == [202, 200]
    assert retries[0].json()["id"] == retries[1].json()["id"]
    refused = web.http.post(f"{address}/retry")
    assert (refused.status_code, refused.json()["campaign_id"]) == (409, retries[0].json()["id"])
    assert "again" not in refused.json()["detail"]


def test_a_retry_while_calls_are_out_says_how_many_and_goes_on_without_them(
    web: Web, redis_server: EmbeddedRedis
) -> None:
    address = submit(web).headers["location"]
    web.http.post(f"{address}/cancel")
    redis_server.client().hset(keys.campaign_counts(address.rpartition("/")[2]), "unconfirmed", "1")
    refused = web.http.post(f"{address}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "campaign_state")
    assert "1 call of it is still in progress" in refused.json()["detail"]
    assert web.http.post(f"{address}/retry?leave_out=perhaps").status_code == 422
    assert web.http.post(f"{address}/retry?leave_out=true").status_code == 202


def test_a_do_not_call_scope_is_a_campaign_that_exists(web: Web) -> None:
    id = submit(web, name="spring").json()["id"]
    numbers = {"numbers": ["994412860"]}
    assert web.http.post("/v1/dnc", json=numbers | {"campaign": "spring"}).json() == {"changed": 1}
    assert len(web.http.get("/v1/dnc", params={"campaign": id}).json()["entries"]) == 1
    for answer in (
        web.http.post("/v1/dnc", json=numbers | {"campaign": "sprnig"}),
        web.http.post("/v1/dnc/remove", json=numbers | {"campaign": "sprnig"}),
        web.http.get("/v1/dnc", params={"campaign": "sprnig"}),
        web.http.get("/v1/dnc", params={"campaign": "sprnig", "number": "994412860"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_end_that_has_passed_is_refused_with_what_to_do(web: Web) -> None:
    address = submit(web, rows=ROWS[:1]).headers["location"]
    assert web.http.post(f"{address}/change", json={"ends_at": "2020-01-01T00:00:00Z"}).status_code == 200
    later = web.http.post(f"{address}/change", json={"ends_at": in_a_year()})
    assert (later.status_code, later.json()["code"]) == (409, "campaign_state")
    assert "retry" in later.json()["detail"]


def test_a_file_that_leaves_a_doubt_is_answered_with_its_questions_and_each_answer_fits_the_campaign(web: Web) -> None:
    text = "Номер;ФИО;Сотовый тел.\n301234567;Иванов;901234567\n".encode()
    form = {"campaign": (None, json.dumps(ASKED)), "file": ("list.csv", text, "text/csv")}
    assert [one["code"] for one in web.http.post("/v1/campaigns/check", files=form).json()["questions"]] == [
        "weak_phone_column"
    ]
    refused = web.http.post("/v1/campaigns", files=form)
    assert refused.status_code == 422
    assert refused.json()["code"] == "open_questions"
    (question,) = refused.json()["questions"]
    answer = question["choices"][0]["answer"]
    assert answer == {"columns": {"phone": "Сотовый тел."}}
    form["campaign"] = (None, json.dumps(ASKED | answer))
    assert web.http.post("/v1/campaigns", files=form).json()["rows"]["good"] == 1


def test_a_cursor_of_another_list_is_a_problem_with_its_field(web: Web) -> None:
    answer = web.http.get("/v1/campaigns", params={"cursor": "f90a580ee0-07f6e-14cf225dc998f0f0b27"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "cursor"
