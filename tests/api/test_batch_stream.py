"""Batches as NDJSON: placed while they arrive."""

import http.client
import json
import time
from collections.abc import Callable, Iterator

import httpx

from alodial import CallQueue
from web.conftest import Web

from .conftest import ALL

By = Callable[[str], httpx.Client]
KIND = {"Content-Type": "application/x-ndjson"}
LINE = json.dumps({"callfrom": "712037006", "callto": ["994412860"]}).encode()


def lines(count: int) -> bytes:
    return b"\n".join([LINE] * count)


def test_each_line_is_answered_in_order_whatever_stands_beside_it(by: By) -> None:
    body = (
        b"\xef\xbb\xbf"
        + LINE
        + b"\r\n\r\nnot json\n"
        + b'{"callto":"x"}\n'
        + b'{"a":"'
        + b"x" * 70_000
        + b'"}\n'
        + LINE
    )
    answer = by(ALL).post("/v1/calls/batch", content=body, headers=KIND)
    assert answer.status_code == 202
    rows = answer.json()["results"]
    assert ["id" in row for row in rows] == [True, False, False, False, True]
    assert rows[1]["error"]["errors"][0]["problem"].startswith("line 3: ")
    assert "longer than 65536" in rows[3]["error"]["errors"][0]["problem"]


def test_the_answer_comes_as_lines_when_asked(by: By) -> None:
    answer = by(ALL).post("/v1/calls/batch", content=lines(3), headers=KIND | {"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [set(json.loads(line)) for line in answer.text.splitlines()] == [{"id", "extid", "state"}] * 3


def test_rows_are_placed_before_the_body_has_ended(web: Web, queue: CallQueue) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    seen: list[int] = []

    def body() -> Iterator[bytes]:
        yield lines(600) + b"\n"
        until = time.monotonic() + 10
        while queue.count().number < 250 and time.monotonic() < until:
            time.sleep(0.02)
        seen.append(queue.count().number)
        yield LINE

    headers = KIND | {"Authorization": f"Bearer {ALL}"}
    connection.request("POST", "/v1/calls/batch", body=body(), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 202
    assert len(json.loads(answer.read())["results"]) == 601
    assert seen[0] >= 250
    connection.close()


def test_the_same_body_again_places_nothing_twice_even_when_the_first_broke_off(
    by: By, web: Web, queue: CallQueue
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.putrequest("POST", "/v1/calls/batch")
    for name, value in (
        KIND | {"Authorization": f"Bearer {ALL}", "Idempotency-Key": "k1", "Content-Length": "999999"}
    ).items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(lines(600) + b"\n")
    until = time.monotonic() + 10
    while queue.count().number < 250 and time.monotonic() < until:
        time.sleep(0.02)
    connection.close()
    answer = by(ALL).post("/v1/calls/batch", content=lines(700), headers=KIND | {"Idempotency-Key": "k1"})
    assert len({row["id"] for row in answer.json()["results"]}) == 700
    assert queue.count().number == 700


def test_above_ten_thousand_rows_it_answers_what_it_placed_and_says_from_where_to_go_on(
    by: By, queue: CallQueue
) -> None:
    answer = by(ALL).post("/v1/calls/batch", content=lines(10_500), headers=KIND)
    assert answer.status_code == 202
    *placed, last = answer.json()["results"]
    assert len({row["id"] for row in placed}) == 10_000 == queue.count().number
    assert last["error"]["code"] == "too_many_rows"
    assert last["error"]["errors"][0]["remedy"] == "send line 10001 and what follows in another batch"


def test_a_body_that_grows_too_large_on_its_way_is_answered_for_what_was_placed(by: By, queue: CallQueue) -> None:
    def body() -> Iterator[bytes]:
        yield lines(600) + b"\n"
        for _ in range(17):
            yield b" " * 1024 * 1024

    answer = by(ALL).post("/v1/calls/batch", content=body(), headers=KIND)
    assert answer.status_code == 202
    *placed, last = answer.json()["results"]
    assert len({row["id"] for row in placed}) == 600 == queue.count().number
    assert (last["error"]["code"], "line 601" in last["error"]["errors"][0]["remedy"]) == ("too_large", True)
