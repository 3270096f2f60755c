"""A bug of alodial gives an answer without internals and a log line that finds it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import httpx
import pytest
from structlog.testing import capture_logs

from alodial import CallQueue
from alodial.calls.prepare import prepare, read_call
from alodial.calls.queue import AsyncCallQueue
from alodial.errors import StoreUnavailable
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.call_transitions import NewCall
from alodial.web.call_acceptor import CallAcceptor

from .conftest import API_KEY, TWO_WAY


def test_a_bug_is_answered_without_its_text_and_logged_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("alodial.web.routes.calls.prepare", broken)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/v1/calls", json=TWO_WAY, headers={"Authorization": f"Bearer {API_KEY}"})

    with capture_logs() as logs:
        answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "inside" not in answer.json()["title"]
    assert "RuntimeError" not in answer.text
    assert "calls.py" not in answer.text
    assert any(line["event"] == "request.failed" and line["exc_info"] for line in logs)


def test_a_call_that_breaks_the_script_breaks_for_itself_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = call_transitions.enqueue

    def enqueue(calls: Sequence[NewCall], given: Settings, **more: int) -> object:
        if any(call.reference == "poison" for call in calls):
            raise ValueError("the script broke")
        return whole(calls, given, **more)

    monkeypatch.setattr(call_transitions, "enqueue", enqueue)

    async def run() -> list[object]:
        queue = AsyncCallQueue(settings=settings)
        acceptor = CallAcceptor(queue)
        rows = [
            prepare(read_call(TWO_WAY | {"reference": reference}, settings), settings)
            for reference in ("a", "b", "poison", "c")
        ]
        answers: list[object] = list(
            await asyncio.gather(*(acceptor.accept(row) for row in rows), return_exceptions=True)
        )
        acceptor.close()
        await queue.aclose()
        return answers

    answers = asyncio.run(run())
    assert [isinstance(answer, ValueError) for answer in answers] == [False, False, True, False]
    assert len({answer.id for answer in answers if not isinstance(answer, Exception)}) == 3  # type: ignore[attr-defined]  # a QueuedCall


@pytest.mark.parametrize(("blocks", "status", "event"), [(0, 503, "request.refused"), (1, 200, "request.broken_off")])
def test_an_export_whose_store_goes_away_is_503_or_broken_off_and_no_fault_of_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, blocks: int, status: int, event: str
) -> None:
    with CallQueue(settings=settings) as queue:
        id = queue.submit_campaign(["994412860"], {"name": "a", "call": {"callfrom": "712037006"}}).id
    app = create_app(settings)

    def away(*_: object, **__: object) -> Iterator[bytes]:
        yield from [b"a block"] * blocks
        raise StoreUnavailable("Redis is away")

    monkeypatch.setattr("alodial.campaigns.exporting.results.csv_blocks", away)
    statuses: list[int] = []

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            with suppress(AssertionError):  # of the client, about an answer without an end
                statuses.append((await client.get(f"/v1/campaigns/{id}/results.csv")).status_code)

    with capture_logs() as logs:
        asyncio.run(ask())
    assert statuses in ([status], [])
    assert [line["event"] for line in logs if line["event"].startswith("request.")] == [event]
    assert not any(line.get("exc_info") for line in logs)
