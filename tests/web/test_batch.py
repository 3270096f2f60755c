"""POST /v1/calls/batch."""

import json
import threading
import time

import pytest

from .conftest import TWO_WAY, Web


def test_good_rows_are_queued_whatever_the_bad_ones_are(web: Web) -> None:
    rows = [TWO_WAY, {"callto": []}, 5, TWO_WAY | {"extid": "77"}, TWO_WAY | {"extid": "77", "reference": "x"}, TWO_WAY]
    answer = web.http.post("/v1/calls/batch", json=rows)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert ["id" in row for row in results] == [True, False, False, True, False, True]
    assert results[4]["error"]["code"] == "extid_conflict"
    assert results[1]["error"]["errors"][0]["field"]
    assert len(web.http.get("/v1/calls").json()["calls"]) == 3


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", ""])
def test_a_line_of_ndjson_that_is_broken_is_that_rows_error_alone(web: Web, content_type: str) -> None:
    good = json.dumps(TWO_WAY)
    body = f"{good}\r\n{{broken\n\n{good}\nnull\n" + '{"a":' * 20_000 + "\n" + good
    answer = web.http.post("/v1/calls/batch", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert ["id" in row for row in results] == [True, False, True, False, False, True]
    assert "line 2" in results[1]["error"]["errors"][0]["problem"]


def test_a_batch_sent_again_with_its_key_places_nothing_twice(web: Web) -> None:
    headers = {"Idempotency-Key": "file-1"}
    first = web.http.post("/v1/calls/batch", json=[TWO_WAY] * 300, headers=headers).json()
    again = web.http.post("/v1/calls/batch", json=[TWO_WAY] * 300, headers=headers).json()
    assert first == again
    assert len({row["id"] for row in first["results"]}) == 300


@pytest.mark.parametrize("body", ["7", '"x"', "null"])
def test_a_body_that_is_no_list_is_refused(web: Web, body: str) -> None:
    assert web.http.post("/v1/calls/batch", content=body).status_code == 422


def test_a_broken_array_is_refused_whole(web: Web) -> None:
    assert web.http.post("/v1/calls/batch", content=f"[{json.dumps(TWO_WAY)},").status_code == 400
    assert web.http.get("/v1/calls").json()["calls"] == []


def test_an_empty_batch_has_no_results(web: Web) -> None:
    assert web.http.post("/v1/calls/batch", json=[]).json() == {"results": []}


def test_more_rows_or_bytes_than_allowed_are_refused_and_nothing_is_queued(web: Web) -> None:
    assert web.http.post("/v1/calls/batch", json=[TWO_WAY] * 10_001).status_code == 413
    lines = (json.dumps(TWO_WAY) + "\n") * 10_001
    assert web.http.post("/v1/calls/batch", content=lines).status_code == 413
    assert web.http.post("/v1/calls/batch", content=b" " * (16 * 1024 * 1024 + 1)).status_code == 413
    assert web.http.get("/v1/calls").json()["calls"] == []


@pytest.mark.slow
def test_other_requests_are_answered_while_ten_thousand_rows_are_stored(web: Web) -> None:
    done = threading.Event()
    waits: list[float] = []

    def look() -> None:
        with web.client("planted-api-key-90dd") as client:
            while not done.is_set():
                begun = time.monotonic()
                assert client.get("/healthz").status_code == 200
                waits.append(time.monotonic() - begun)

    body = json.dumps([TWO_WAY] * 10_000)
    looker = threading.Thread(target=look)
    looker.start()
    while len(waits) < 5:
        time.sleep(0.01)
    waits.clear()
    answer = web.http.post("/v1/calls/batch", content=body)
    done.set()
    looker.join()
    assert answer.status_code == 202
    assert len({row["id"] for row in answer.json()["results"]}) == 10_000
    # The batch takes 1 to 5 s here: whoever asked meanwhile was not made to wait for it.
    assert len(waits) > 20
    assert sorted(waits)[len(waits) * 95 // 100] < 0.25
