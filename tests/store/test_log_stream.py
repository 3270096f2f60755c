"""Log lines are found by what people know of them, page by page, and damaged ones hide no other."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from alodial.settings import Settings
from alodial.store import log_stream
from alodial.store.client import AsyncStore, Store
from alodial.store.keys import Keys
from alodial.store.log_stream import LogFilter, LogWriter, names_of_call

keys = Keys()

AT_MS = round(time.time()) * 1000
AT = datetime.fromtimestamp(AT_MS / 1000, UTC).isoformat()

LINE: dict[str, Any] = {
    "event": "call.submitted",
    "level": "warning",
    "timestamp": AT,
    "worker": "pbx1:812",
    "call_id": "id-1",
    "extid": "77",
    "campaign": "spring",
    "account": "sales",
}


@pytest.mark.parametrize(
    ("filter", "matches"),
    [
        (LogFilter(), True),
        (LogFilter(call=frozenset({"id-1"})), True),
        (LogFilter(call=frozenset({"77"})), True),
        (LogFilter(call=frozenset({"id-2", "78"})), False),
        (LogFilter(extid="77"), True),
        (LogFilter(extid="7"), False),
        (LogFilter(campaign="spring", account="sales"), True),
        (LogFilter(campaign="spring", account="support"), False),
        (LogFilter(worker="pbx1"), True),
        (LogFilter(worker="pbx2"), False),
        (LogFilter(level="info"), True),
        (LogFilter(level="warning"), True),
        (LogFilter(level="error"), False),
        (LogFilter(event="call.*"), True),
        (LogFilter(event="call.submitted"), True),
        (LogFilter(event="*.failed"), False),
        (LogFilter(since=AT_MS, until=AT_MS + 1), True),
        (LogFilter(since=AT_MS + 1), False),
        (LogFilter(until=AT_MS), False),
    ],
)
def test_a_line_is_found_by_each_part_of_a_filter(filter: LogFilter, matches: bool, store: Store) -> None:
    write(store, LINE)
    assert filter.matches(LINE) == matches
    assert filter.may_match(json.dumps(LINE, separators=(",", ":")).encode()) or not matches
    assert len(log_stream.page(store.redis, keys, filter).lines) == matches


@pytest.mark.parametrize("timestamp", [None, "yesterday", 5])
def test_a_line_whose_time_cannot_be_read_is_in_no_span_of_time(timestamp: Any) -> None:
    assert not LogFilter(since=AT_MS - 1, until=AT_MS + 1).matches(LINE | {"timestamp": timestamp})
    assert LogFilter().matches(LINE | {"timestamp": timestamp})


def test_a_time_without_a_zone_is_utc() -> None:
    line = LINE | {"timestamp": AT.removesuffix("+00:00")}
    assert LogFilter(since=AT_MS, until=AT_MS + 1).matches(line)


def test_an_unknown_level_counts_as_info() -> None:
    assert LogFilter(level="info").matches(LINE | {"level": "notice"})
    assert not LogFilter(level="warning").matches(LINE | {"level": 30})


def test_damaged_lines_hide_no_other(store: Store) -> None:
    write(store, LINE)
    for raw in (b'{"event": "call.subm', b"[1]", b"\xff"):
        store.redis.xadd(keys.LOGS, {"l": raw})
    store.redis.xadd(keys.LOGS, {"other": "field"})
    assert [line.fields for line in log_stream.page(store.redis, keys, LogFilter()).lines] == [LINE]


def test_pages_go_back_in_time_without_a_gap_and_following_goes_on_where_they_began(store: Store) -> None:
    write(store, *(LINE | {"n": n} for n in range(5)))
    seen: list[int] = []
    first = page = log_stream.page(store.redis, keys, LogFilter(), limit=2)
    while True:
        seen += [line.fields["n"] for line in page.lines]
        if page.cursor is None:
            break
        page = log_stream.page(store.redis, keys, LogFilter(), cursor=page.cursor, limit=2)
    assert seen == [4, 3, 2, 1, 0]
    assert log_stream.after(store.redis, keys, first.newest, LogFilter(), block=1) == ([], first.newest)
    write(store, LINE | {"n": 5}, LINE | {"n": 6, "account": "support"}, first=5)
    lines, position = log_stream.after(store.redis, keys, first.newest, LogFilter(account="sales"), block=1)
    assert [line.fields["n"] for line in lines] == [5]
    assert log_stream.after(store.redis, keys, position, LogFilter(), block=1)[0] == []


def test_a_page_of_an_empty_stream_is_the_last_one(store: Store) -> None:
    page = log_stream.page(store.redis, keys, LogFilter())
    assert (page.lines, page.cursor) == ([], None)


def test_news_are_lines_that_match_and_what_was_lost_is_counted(settings: Settings, store: Store) -> None:
    write(store, LINE)
    newest = log_stream.page(store.redis, keys, LogFilter()).newest

    async def news(filter: LogFilter) -> bool:
        with_store = AsyncStore(settings)
        try:
            return await with_store.call(log_stream.has_news_async, newest, filter)
        finally:
            await with_store.aclose()

    assert not asyncio.run(news(LogFilter()))
    write(store, LINE, first=1, lost=3)
    assert asyncio.run(news(LogFilter()))
    assert not asyncio.run(news(LogFilter(account="support")))

    async def lost() -> int:
        with_store = AsyncStore(settings)
        try:
            return await with_store.call(log_stream.lost_async)
        finally:
            await with_store.aclose()

    assert asyncio.run(lost()) == 3


def test_lines_of_an_answer_that_was_lost_are_not_written_twice(store: Store) -> None:
    store.redis.xadd(keys.LOGS, {"l": b"{}", "p": "another process", "n": 9})
    writer = LogWriter(store.redis, keys, "mine", 1000)
    writer._unsure = True  # the answer to an earlier append never came
    lines = [json.dumps(LINE | {"n": n}).encode() for n in range(3)]
    writer.append(0, lines[:2])
    writer._unsure = True
    writer.append(0, lines)
    assert [line.fields.get("n") for line in log_stream.page(store.redis, keys, LogFilter(account="sales")).lines] == [
        2,
        1,
        0,
    ]


def test_a_call_without_a_record_is_known_by_the_name_that_was_typed() -> None:
    assert names_of_call("77", None) == {"77"}


def write(store: Store, *lines: dict[str, Any], first: int = 0, lost: int = 0) -> None:
    texts = [json.dumps(line, separators=(",", ":")).encode() for line in lines]
    LogWriter(store.redis, keys, "a process", 1000).append(first, texts, lost)
