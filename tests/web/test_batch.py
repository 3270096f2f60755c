"""POST /v1/calls/batch."""

import json
import threading
import time

import pytest

from alodial import CallQueue
from alodial.calls.prepare import BatchKeys, prepare, read_call
from alodial.settings import Settings
from alodial.store import call_transitions

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


def test_a_batch_sent_again_with_corrected_rows_places_exactly_those(web: Web) -> None:
    headers = {"Idempotency-Key": "file-2"}
    other = TWO_WAY | {"reference": "other"}
    with_extid = TWO_WAY | {"extid": "78"}
    first = web.http.post("/v1/calls/batch", json=[{"callto": []}, TWO_WAY, other, TWO_WAY], headers=headers)
    placed = [row["id"] for row in first.json()["results"][1:]]
    corrected = [TWO_WAY | {"reference": "corrected"}, other, with_extid, TWO_WAY, TWO_WAY]
    second = [row["id"] for row in web.http.post("/v1/calls/batch", json=corrected, headers=headers).json()["results"]]
    assert [second[1], second[3], second[4]] == [placed[1], placed[0], placed[2]]
    assert len({*placed, *second}) == 5
    alone = web.http.post("/v1/calls/batch", json=[other], headers=headers).json()["results"]
    assert alone[0]["id"] == placed[1]
    assert len(web.http.get("/v1/calls").json()["calls"]) == 5


def test_a_row_sent_alone_with_the_batches_key_is_placed_if_it_was_not(web: Web) -> None:
    """What the remedy of `store_unavailable` and of a bad row leads to: the key's first place belongs to another row."""
    headers = {"Idempotency-Key": "file-3"}
    web.http.post("/v1/calls/batch", json=[TWO_WAY, {"callto": []}], headers=headers)
    alone = web.http.post("/v1/calls/batch", json=[TWO_WAY | {"reference": "second"}], headers=headers).json()[
        "results"
    ]
    assert alone[0]["state"] == "queued"
    assert len(web.http.get("/v1/calls").json()["calls"]) == 2


def test_a_batch_that_an_older_version_stored_by_its_rows_places_is_not_placed_again(settings: Settings) -> None:
    scope = "an-older-version"
    with CallQueue(settings=settings) as queue:
        call = read_call(TWO_WAY, queue.settings)
        rows = [prepare(call, queue.settings, key=f"file-4\0{n}", scope=scope) for n in range(3)]
        _, old = queue.store.run(call_transitions.enqueue(rows, queue.settings))
        keys = BatchKeys("file-4", scope)
        again = [keys.prepare(call, queue.settings, n) for n in range(3)]
        _, new = queue.store.run(call_transitions.enqueue(again, queue.settings))
        assert [(row.outcome, row.id) for row in new] == [("same", row.id) for row in old]
        changed = BatchKeys("file-4", scope).prepare(call.model_copy(update={"reference": "new"}), queue.settings, 0)
        _, placed = queue.store.run(call_transitions.enqueue([changed], queue.settings))
        assert placed[0].outcome == "created"


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
    begun = time.monotonic()
    answer = web.http.post("/v1/calls/batch", content=body)
    took = time.monotonic() - begun
    done.set()
    looker.join()
    assert answer.status_code == 202
    assert len({row["id"] for row in answer.json()["results"]}) == 10_000
    # Nobody who asked meanwhile was made to wait for the batch, on a fast machine and on a slow one.
    assert len(waits) > 20
    assert sorted(waits)[len(waits) * 95 // 100] < took / 2
