"""A bug of alodial gives an answer without internals and a log line that finds it."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from structlog.testing import capture_logs

from alodial.calls.prepare import prepare, read_call
from alodial.calls.queue import AsyncCallQueue
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
