"""Whoever reads the archive sees what is theirs: a key its own calls, an installation its own archive."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from archive_harness import CALL, NoCampaigns, archive_all, complete, completed, submit
from sqlalchemy import Engine

from alodial import CallFilter, CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.counts import counter
from alodial.archive.engine import writing
from alodial.archive.namespace import OWNER
from alodial.archive.retention import mask_before
from alodial.archive.write import write_position
from alodial.calls.merged_list import count_calls
from alodial.campaigns.archived_calls import archived_records
from alodial.errors import ArchiveUnavailable, ArchiveUnfit, NotRedialable
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.store.call_listing import Count

ZONE = ZoneInfo("Asia/Tashkent")
KEYS = "planted-key-of-all;name=all,planted-key-of-shop;name=shop;roles=submit+read;own"


async def ask(settings: Settings, key: str, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1",
            headers={"Authorization": f"Bearer {key}"},
        ) as http,
    ):
        return [await http.request(method, path, **options) for method, path, options in requests]


def get(path: str, **headers: str) -> tuple[str, str, dict[str, Any]]:
    return "GET", path, {"headers": headers}


def test_an_own_key_sees_its_own_archived_calls_alone_in_lists_events_reports_and_files(
    archiving: Settings, engine: Engine
) -> None:
    settings = archiving.model_validate({**dict(archiving), "api_keys": KEYS})
    with CallQueue(settings=settings) as queue:
        other = completed(queue)[0]
        (placed,) = asyncio.run(ask(settings, "planted-key-of-shop", ("POST", "/v1/calls", {"json": CALL})))
        mine = placed.json()["id"]
        complete(queue, submit(queue))
        archiver = Archiver(queue.store, engine, settings, campaigns=NoCampaigns(), count=counter(ZONE))
        archiver.begin()
        archive_all(archiver)
        for id in (mine, other):
            queue.store.redis.delete(queue.store.keys.record(queue.get(id).wire_extid))
        queue.store.redis.delete(queue.store.keys.EVENTS)
    lists = (
        "",
        "ended=1",
        "part=994412",
        "phone=994412860",
        "campaign=none&line=712000000",
        "times=called&operator=99",
    )
    paths = [get(f"/v1/calls?{query}") for query in lists]
    paths += [get(f"/v1/calls/{other}"), get(f"/v1/calls/{other}/events"), get(f"/v1/calls/{mine}/events")]
    paths += [get("/v1/reports/outcomes"), get("/v1/reports/hours?format=csv")]
    paths += [get("/v1/reports/outcomes?by=initiator", accept="text/csv")]
    *pages, hidden, no_events, events, report, hours, file = asyncio.run(ask(settings, "planted-key-of-shop", *paths))
    for query, page in zip(lists, pages, strict=True):
        assert [call["id"] for call in page.json()["calls"]] == [mine], query
    assert (hidden.status_code, no_events.status_code) == (404, 404)
    kinds = [event["type"] for event in events.json()["events"]]
    assert (kinds[0], kinds[-1]) == ("alodial.call.queued", "alodial.call.completed")
    assert report.json()["total"]["calls"] == 1
    assert hours.headers["content-type"].startswith("text/csv")
    ((hour, calls, *_),) = list(csv.reader(io.StringIO(hours.content.decode("utf-8-sig"))))[1:]
    assert (hour.isdigit(), calls) == (True, "1")
    header, row = csv.reader(io.StringIO(file.content.decode("utf-8-sig")))
    assert (header[:2], row[:2]) == (["initiator", "calls"], ["'+998712037006", "1"])
    everything, all_events = asyncio.run(
        ask(settings, "planted-key-of-all", get("/v1/calls"), get(f"/v1/calls/{other}/events"))
    )
    assert {call["id"] for call in everything.json()["calls"]} == {mine, other}
    assert len(all_events.json()["events"]) == len(kinds)


def test_the_archive_of_another_namespace_is_refused_in_words(archiving: Settings, engine: Engine) -> None:
    settings = archiving.model_validate({**dict(archiving), "api_keys": KEYS})
    with writing(engine) as connection:
        write_position(connection, OWNER, "somebody")
    with CallQueue(settings=settings) as queue:
        live = queue.enqueue(CALL)
        assert queue.get(live.id).id == live.id
        with pytest.raises(
            ArchiveUnfit, match=f"those of namespace somebody; give {settings.namespace} a database of its own"
        ):
            queue.calls()
        assert settings.archive_url is not None
        with pytest.raises(ArchiveUnavailable):
            archived_records(settings.archive_url.get_secret_value(), settings.namespace, ["1"])
        archive = queue.archive
        assert archive is not None
        with pytest.raises(ArchiveUnfit):
            archive.events(live.id)
    answers = asyncio.run(
        ask(settings, "planted-key-of-all", get("/v1/calls"), get("/v1/reports/outcomes"), get(f"/v1/calls/{live.id}"))
    )
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert all("namespace somebody" in answer.json()["detail"] for answer in answers[:2])
    assert answers[0].json()["code"] == "archive_unfit"


def test_all_archived_calls_of_a_filter_are_redialed_once_and_masked_ones_are_refused(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    ids = completed(queue, 3)
    archive_all(archiver)
    for id in ids:
        queue.store.redis.delete(queue.store.keys.record(queue.get(id).wire_extid))
    wanted = CallFilter(disposition="answered")
    assert count_calls(queue.store, queue.archive, wanted, 2) == Count(2, more=True)
    assert count_calls(queue.store, queue.archive, CallFilter(phone="+998994412860", ended=True), 9).number == 3
    few = queue.redial_all(wanted, limit=2)
    assert (few.done, few.more) == (2, True)
    rest = queue.redial_all(wanted, cursor=few.cursor)
    assert (rest.done, rest.left_out, rest.more) == (1, {}, False)
    assert queue.redial_all(wanted).left_out == {"already": 3}
    assert queue.count(CallFilter(state="queued")).number == 3
    mask_before(engine, datetime.now(UTC).date() + timedelta(days=2))
    masked = queue.redial_all(wanted)
    assert (masked.done, masked.left_out) == (0, {"masked": 3})
    with pytest.raises(NotRedialable, match="numbers are no longer known"):
        queue.redial(ids[0])
