"""GET /v1/events: server-sent events."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import TWO_WAY, Web


@contextmanager
def follow(web: Web, last: str | None = None) -> Iterator[Iterator[tuple[str, Any]]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with web.client("planted-api-key-90dd") as client, client.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer)


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    at = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            at = value
        elif name == "data":
            yield at, json.loads(value)


def test_events_come_as_they_happen(web: Web) -> None:
    with follow(web) as stream:
        placed = web.place(TWO_WAY | {"reference": "order-17"}).json()
        _, event = next(stream)
        assert event["type"] == "alodial.call.queued"
        assert event["subject"] == placed["id"]
        web.http.post(f"/v1/calls/{placed['id']}/cancel")
        assert next(stream)[1]["type"] == "alodial.call.canceled"


def test_a_reader_goes_on_where_it_stopped(web: Web) -> None:
    ids = [web.place().json()["id"] for _ in range(5)]
    with follow(web, "0") as stream:
        seen = [next(stream) for _ in range(2)]
    with follow(web, seen[-1][0]) as stream:
        seen += [next(stream) for _ in range(3)]
    assert [event["subject"] for _, event in seen] == ids
    assert len({at for at, _ in seen}) == 5


def test_without_a_position_only_new_events_are_sent(web: Web) -> None:
    web.place()
    with follow(web) as stream:
        new = web.place().json()["id"]
        assert next(stream)[1]["subject"] == new


@pytest.mark.parametrize("place", ["x", "1-2-3", "-1", "1" * 20, "$"])
def test_a_malformed_position_is_refused(web: Web, place: str) -> None:
    answer = web.http.get("/v1/events", headers={"Last-Event-ID": place})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"


@pytest.mark.slow
def test_event_streams_end_when_the_server_stops(redis_server: Any, settings: object, tmp_path: Path) -> None:
    web = Web(redis_server.url, tmp_path)
    ended = threading.Event()
    ready = threading.Event()

    def read() -> None:
        with web.client("planted-api-key-90dd") as client, client.stream("GET", "/v1/events") as answer:
            for _ in answer.iter_raw():
                ready.set()
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert ready.wait(10)
    begun = time.monotonic()
    assert web.stop() == 0
    assert ended.wait(5)
    reader.join()
    assert time.monotonic() - begun < 10
