"""A taken extid or idempotency key gets the same code and remedy in Python, over HTTP and on the command line."""

from collections.abc import Callable
from typing import Any

import pytest

from alodial import CallQueue, Conflict
from alodial.calls.outcomes import RefusedCall
from alodial.cli.app import run
from alodial.settings import Settings
from alodial.store.archiving import EndedCall, shorten

from .conftest import API_KEY, TWO_WAY, Web

Answer = tuple[str, str]
"""Code and text."""

CHANGED = {"callfrom": "712037006", "callto": ["994412860"]}
EXTID = {"extid": "123123"}
KEY = {"Idempotency-Key": "order-17"}


def by_python(_web: Web, settings: Settings, key: str, extid: dict[str, str]) -> Answer:
    with CallQueue(settings=settings) as queue:
        queue.enqueue(TWO_WAY | extid, idempotency_key=key)
        with pytest.raises(Conflict) as refused:
            queue.enqueue(CHANGED | extid, idempotency_key=key)
    return refused.value.code, str(refused.value)


def by_python_in_bulk(_web: Web, settings: Settings, _key: str, extid: dict[str, str]) -> Answer:
    with CallQueue(settings=settings) as queue:
        refused = queue.enqueue_many([TWO_WAY | extid, CHANGED | extid])[1]
    assert isinstance(refused, RefusedCall)
    return refused.code, str(refused.problems[0])


def by_http(web: Web, _settings: Settings, key: str, extid: dict[str, str]) -> Answer:
    headers = KEY if key else {}
    assert web.place(TWO_WAY | extid, **headers).status_code == 202
    answer = web.place(CHANGED | extid, **headers)
    assert answer.status_code == 409
    return answer.json()["code"], answer.json()["detail"]


def by_batch(web: Web, _settings: Settings, key: str, extid: dict[str, str]) -> Answer:
    def post(body: dict[str, Any]) -> Any:
        answer = web.http.post("/v1/calls/batch", json=[body | extid], headers=KEY if key else {})
        return answer.json()["results"][0]

    assert "id" in post(TWO_WAY)
    error = post(CHANGED)["error"]
    (problem,) = error["errors"]
    assert problem["code"] == error["code"]
    return error["code"], f"{problem['field']}: {problem['problem']}; {problem['remedy']}"


def by_drop_in(web: Web, _settings: Settings, _key: str, extid: dict[str, str]) -> Answer:
    path = f"/requestcall/{API_KEY}"
    assert web.http.post(path, json=TWO_WAY | extid).status_code == 200
    answer = web.http.post(path, json=CHANGED | extid)
    assert answer.status_code == 409
    code, _, text = answer.json()["error"].partition(": ")
    return code, text


WAYS = [by_python, by_python_in_bulk, by_http, by_batch, by_drop_in]
WAYS_WITH_KEY = [by_python, by_http]
"""A row of a batch whose content changed is another row, under a key of its own."""


@pytest.mark.parametrize("way", WAYS)
def test_a_taken_extid_has_the_same_code_and_remedy_everywhere(
    web: Web, settings: Settings, way: Callable[..., Answer]
) -> None:
    code, text = way(web, settings, "", EXTID)
    assert code == "extid_conflict"
    assert text.endswith("with another body; use another extid or send the same body")
    assert "extid: belongs to call " in text


@pytest.mark.parametrize("way", WAYS_WITH_KEY)
def test_a_taken_idempotency_key_has_the_same_code_and_remedy_everywhere(
    web: Web, settings: Settings, way: Callable[..., Answer]
) -> None:
    code, text = way(web, settings, KEY["Idempotency-Key"], {})
    assert code == "idempotency_conflict"
    assert text.endswith("with another body; use another Idempotency-Key or send the same body")
    assert "Idempotency-Key: belongs to call " in text


@pytest.mark.parametrize("way", WAYS_WITH_KEY)
def test_with_both_the_extid_is_named_where_the_other_call_has_it(
    web: Web, settings: Settings, way: Callable[..., Answer]
) -> None:
    code, text = way(web, settings, KEY["Idempotency-Key"], EXTID)
    assert code == "extid_conflict"
    assert text.endswith("use another extid or send the same body")


def test_the_command_line_prints_the_same_code_and_remedy(
    web: Web, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALODIAL_REDIS_URL", settings.redis_url.get_secret_value())
    two_way = ("call", "two-way", "--from", "712037006", "--to")
    for taken, code, field in (
        (("--extid", "123123"), "extid_conflict", "extid"),
        (("--idempotency-key", "order-17"), "idempotency_conflict", "Idempotency-Key"),
    ):
        assert run([*two_way, "977076909", *taken]) == 0
        capsys.readouterr()
        assert run([*two_way, "994412860", *taken]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"error: {code}: {field}: belongs to call ")
        assert f"with another body; use another {field} or send the same body\n" in error


def test_an_extid_whose_record_left_redis_for_the_archive_is_the_same_call_by_every_way_in(
    web: Web, settings: Settings
) -> None:
    body, headers = TWO_WAY | EXTID, {"Idempotency-Key": "order-18"}
    placed = web.place(body).json()
    assert web.http.post(f"/v1/calls/{placed['id']}/cancel").status_code == 200
    with CallQueue(settings=settings) as queue:
        record, store = queue.get(placed["id"]), queue.store
        version = int(store.redis.hget(store.keys.record(record.wire_extid), "v") or 0)
        assert store.run(shorten([EndedCall(record.wire_extid, version, store.server_ms())], 3600)) == [True]
        store.redis.delete(store.keys.record(record.wire_extid))
        for answer in (web.place(body), web.place(body, **headers)):
            assert (answer.status_code, answer.json()["id"]) == (200, placed["id"])
            assert answer.json()["state"] == "canceled"
        rows = web.http.post("/v1/calls/batch", json=[body, CHANGED | EXTID]).json()["results"]
        assert rows[0]["id"] == placed["id"]
        assert rows[1]["error"]["code"] == "extid_conflict"
        dropped_in = web.http.post(f"/requestcall/{API_KEY}", json=body)
        assert dropped_in.json() == {"answer": {"id": placed["id"], "extid": "123123"}}
        assert web.place(CHANGED | EXTID).status_code == 409
        assert not store.redis.exists(store.keys.record(record.wire_extid)), "nobody is rung"
