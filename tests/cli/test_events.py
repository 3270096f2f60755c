"""``alodial events``: looking at the stream, and reading it as a group."""

import os
import subprocess

import pytest

from alodial.store.client import Store
from alodial.store.keys import Keys

from .conftest import PROGRAM, TWO_WAY, Alodial

keys = Keys()


def _types(alodial: Alodial, *options: str) -> list[str]:
    done = alodial("events", "--json", *options)
    assert done.code == 0
    return [event["type"].removeprefix("alodial.call.") for event in done.documents]


@pytest.fixture
def happened(alodial: Alodial) -> str:
    """Two calls are placed, and the second is canceled; answers its extid."""
    alodial(*TWO_WAY, "--extid", "1")
    alodial(*TWO_WAY, "--extid", "2", "--reference", "order-17")
    alodial("calls", "cancel", "2")
    return "2"


def test_events_are_printed_oldest_first_and_stay_where_they_are(alodial: Alodial, happened: str) -> None:
    for _ in range(2):
        assert _types(alodial) == ["queued", "queued", "canceled"]
    lines = alodial("events").out.splitlines()
    assert lines[-1].split()[1:] == ["canceled", happened, "reference", "order-17"]


def test_events_are_filtered_by_type(alodial: Alodial, happened: str) -> None:
    assert _types(alodial, "--type", "canceled") == ["canceled"]
    assert _types(alodial, "--type", "alodial.call.canceled", "--type", "queued") == ["queued", "queued", "canceled"]
    assert alodial("events", "--type", "nonsense").code == 2


def test_from_now_prints_no_earlier_event(alodial: Alodial, happened: str) -> None:
    assert _types(alodial, "--from", "now") == []
    assert alodial("events", "--from", "yesterday").code == 2


def test_from_a_stream_id_continues_after_it(alodial: Alodial, happened: str, store: Store) -> None:
    first = store.call(lambda client, _: client.xrange(keys.EVENTS, count=1))[0][0].decode()
    assert _types(alodial, "--from", first) == ["queued", "canceled"]


def test_a_group_gets_each_event_once(alodial: Alodial, happened: str) -> None:
    assert _types(alodial, "--group", "g") == ["queued", "queued", "canceled"]
    assert _types(alodial, "--group", "g") == []
    assert _types(alodial, "--group", "other") == ["queued", "queued", "canceled"]


def test_the_time_of_an_event_is_iso_8601_in_utc_with_milliseconds(alodial: Alodial, happened: str) -> None:
    for options in ((), ("--group", "g")):
        for event in alodial("events", "--json", *options).documents:
            assert len(event["time"]) == len("2026-01-02T03:04:05.678Z")
            assert event["time"].endswith("Z")


def test_a_reader_that_leaves_ends_following_and_loses_its_group_no_event(
    alodial: Alodial, happened: str, store: Store
) -> None:
    # The pipe is closed before the first event is printed: none was seen, so none may be acknowledged.
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*PROGRAM, "events", "--follow", "--group", "g", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    os.close(writing)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, b"")
    assert store.call(lambda client, _: client.xpending(keys.EVENTS, "g"))["pending"] == 3
