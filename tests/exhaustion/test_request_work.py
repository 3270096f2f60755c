"""What takes long for one request ends: when its client has gone, and when it has used up its processor time."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request

from alodial import CallQueue
from alodial.api_keys import ApiKey
from alodial.calls.prepare import BatchKeys
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.interruption import go_on, interrupted_by
from alodial.campaigns.service import CampaignService
from alodial.campaigns.stored_fields import read_campaign
from alodial.monitor.upload_drafts import DraftWork, UploadDrafts
from alodial.server.serve import make_server
from alodial.settings import Settings
from alodial.store.client import Store
from alodial.store.enqueue import PreparedCalls
from alodial.web.batch_placing import BatchPlacing
from alodial.web.client_presence import ProcessorTime, RequestWork, in_turns, while_present
from alodial.web.problems import Refusal


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_work_for_a_client_that_has_gone_ends() -> None:
    async def run() -> None:
        gone = asyncio.Event()

        async def next_message() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        async with while_present(Request({"type": "http", "headers": []}, next_message), 60) as work:
            assert await work.run(lambda: 5) == 5
            gone.set()
            await asyncio.sleep(0)

            def go_on_for_long() -> None:
                for _ in range(1000):
                    work.check()
                    time.sleep(0.01)

            await work.run(go_on_for_long)

    with pytest.raises(ClientDisconnect):
        asyncio.run(run())


def test_work_has_so_much_processor_time_however_many_threads_do_it() -> None:
    async def run() -> None:
        work = RequestWork(0.05)
        await work.run(burn, 0.04)
        await asyncio.to_thread(burn, 0.1)
        await work.run(burn, 0.04)
        await work.run(burn, 0)

    with pytest.raises(Refusal) as refused:
        asyncio.run(run())
    assert (refused.value.status, refused.value.code, refused.value.limit) == (
        413,
        "too_much_work",
        "processor_seconds",
    )


def test_reading_ends_when_the_client_hangs_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = threading.Event(), threading.Event()

    def read_for_long(*_args: Any, **_more: Any) -> None:
        began.set()
        try:
            for _ in range(6000):
                go_on()
                time.sleep(0.01)
        except ClientDisconnect:
            ended.set()
            raise

    monkeypatch.setattr(CampaignService, "check", read_for_long)
    secret = "planted-key-of-a-test-0123"
    server, listeners = make_server(settings.model_copy(update={"api_keys": (SecretStr(secret),)}), "127.0.0.1", 0)
    listeners[0].listen()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(listeners)))
    thread.start()
    try:
        body = b'{"name": "a", "call": {"callfrom": "712037006"}, "rows": ["994412860"]}'
        head = (
            f"POST /v1/campaigns/check HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(listeners[0].getsockname()) as client:
            client.sendall(head.encode() + body)
            assert began.wait(15)
        assert ended.wait(15), "the work went on for nobody"
    finally:
        server.should_exit = True
        thread.join(30)


def test_others_get_a_turn_however_long_each_of_many_values_takes() -> None:
    async def run() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for _ in in_turns(range(10)):
            burn(0.004)
        task.cancel()
        return turns

    assert asyncio.run(run()) >= 9


def ends_after(count: int) -> Callable[[], None]:
    left = iter(range(count))

    def check() -> None:
        if next(left, None) is None:
            raise ClientDisconnect

    return check


def test_a_submission_that_ends_half_way_has_called_nobody_and_goes_on_when_it_is_sent_again(
    settings: Settings,
) -> None:
    with CallQueue(settings=settings) as queue:
        campaign = read_campaign(
            {"name": "list", "call": {"kind": "ivr", "ivrid": 222, "fromline": "712037006"}}, settings
        )
        rows = [f"{990000000 + n}" for n in range(5000)]
        with interrupted_by(ends_after(3)), pytest.raises(ClientDisconnect):
            queue.campaigns.submit(rows, campaign, actor="test")
        assert [record.state for record in queue.campaigns.list().campaigns] == ["draft"]
        record = queue.campaigns.submit(rows, campaign, actor="test")
        assert (record.state, record.rows["good"]) == ("running", 5000)
        assert len(queue.campaigns.list().campaigns) == 1


@pytest.mark.parametrize(("name", "line"), [("a.csv", b";;\n"), ("a.ndjson", b"  \n")])
def test_a_file_of_empty_lines_can_be_ended(tmp_path: Path, name: str, line: bytes) -> None:
    first = b'{"phone": "994412860"}\n' if name.endswith("ndjson") else b"phone;name;note\n994412860;;\n"
    path = tmp_path / name
    path.write_bytes(first + line * 50_000)
    source = open_source(path, name=name)
    with interrupted_by(ends_after(3)), pytest.raises(ClientDisconnect):
        list(source.rows())


def test_rows_of_a_batch_beyond_its_processor_time_are_refused_and_the_others_placed(settings: Settings) -> None:
    stored: list[Any] = []

    class Acceptor:
        def prepare(self, calls: list[Any]) -> PreparedCalls:
            stored.extend(calls)
            return PreparedCalls(calls, None)  # type: ignore[arg-type]  # nothing runs it

        async def accept_many(self, prepared: PreparedCalls) -> list[Any]:
            return []

    context: Any = SimpleNamespace(settings=settings, acceptor=Acceptor())
    key = ApiKey("scope", "shop", frozenset(), own=False)
    spent = ProcessorTime(0)
    spent.start()
    burn(0.001)
    spent.stop()
    placing = BatchPlacing(context, key, BatchKeys("", "scope"), spent)

    async def place() -> list[bytes]:
        async with placing:
            await placing.add([{"ivrid": 1, "callto": "994412860"}])
            return await placing.finish()

    [result] = asyncio.run(place())
    error = json.loads(result)["error"]
    assert (error["code"], error["limit"]) == ("too_much_work", "processor_seconds")
    assert error["errors"][0]["remedy"] == "send the row again in another batch"
    assert stored == []


def test_an_uploaded_file_has_so_much_processor_time(settings: Settings, store: Store) -> None:
    settings.upload_folder.mkdir()
    path = settings.upload_folder / "upload-0123456789abcdef"
    path.write_bytes(b"phone\n" + b"994412860\n" * 50_000)
    drafts = UploadDrafts(store, seconds=0)
    try:
        draft = drafts.add(path, "a.csv", "key", {})

        def read(_work: DraftWork) -> Any:
            source = open_source(path, name="a.csv")
            burn(0.001)
            list(source.rows())

        step, error = drafts._attempt(DraftWork(draft, read))
        assert step == "refused"
        assert error is not None
        assert "split it into several files" in str(error.bad_file)
    finally:
        drafts.close()
