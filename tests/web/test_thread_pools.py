"""Stop, pause, do-not-call and probes are answered at once, however many files are being checked."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.campaigns.exporting import results
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.web.routes import campaigns

KEY = "planted-api-key-90dd"
CAMPAIGN = {"name": "spring", "call": {"callfrom": "712037006"}}
CALL = {"callfrom": "712037006", "callto": ["994412860"]}
ROWS = ["994412860", "977076909"]


@pytest.mark.parametrize("busy", ["checks", "exports"])
def test_stop_pause_do_not_call_and_readyz_do_not_wait_behind_files(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, busy: str
) -> None:
    settings = settings.model_copy(
        update={"api_keys": Settings(_env_file=None, api_keys=KEY).api_keys}  # type: ignore[call-arg, arg-type]
    )
    with CallQueue(settings=settings) as queue:
        record = queue.submit_campaign(ROWS, CAMPAIGN)
    opening, release = threading.Semaphore(0), threading.Event()
    real = campaigns.open_source

    def slow(*args: Any, **kwargs: Any) -> Any:
        opening.release()
        release.wait(60)
        return real(*args, **kwargs)

    def slow_blocks(*_: Any, **__: Any) -> Iterator[bytes]:
        opening.release()
        release.wait(60)
        yield b"phone"

    monkeypatch.setattr(campaigns, "open_source", slow)
    monkeypatch.setattr(results, "csv_blocks", slow_blocks)

    async def run() -> list[str]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {KEY}"}
        answered: list[str] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=60) as http:
            form = {"file": ("people.csv", b"phone\n994412860\n"), "campaign": (None, json.dumps(CAMPAIGN))}
            if busy == "checks":
                files = [asyncio.create_task(http.post("/v1/campaigns/check", files=form)) for _ in range(60)]
            else:
                url = f"/v1/campaigns/{record.id}/results.csv"
                files = [asyncio.create_task(http.get(url)) for _ in range(60)]
            while not opening.acquire(blocking=False):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # as many as there are threads for are being opened by now

            async def answers(name: str, answer: Any) -> None:
                # Until `release` is set no file comes to its end, however long this waits.
                async with asyncio.timeout(20):
                    assert (await answer).status_code < 300
                answered.append(name)

            await answers("readyz", http.get("/readyz"))
            await answers("pause", http.post(f"/v1/campaigns/{record.id}/pause"))
            await answers("do not call", http.post("/v1/dnc", json={"numbers": ["+998994412860"]}))
            async with asyncio.timeout(20):
                assert await app.state.context.queue.stop("fire")
            await answers("campaign", http.get(f"/v1/campaigns/{record.id}"))
            await answers("call", http.post("/v1/calls", json=CALL))
            assert not any(task.done() for task in files)
            release.set()
            assert {answer.status_code for answer in await asyncio.gather(*files)} == {200}
        await app.state.context.queue.aclose()
        return answered

    assert len(asyncio.run(run())) == 5


def test_nothing_runs_in_the_pool_of_the_event_loop_which_everything_would_share() -> None:
    root = Path(__file__).parents[2]
    shared = ("asyncio.to_thread", "run_in_executor(None", "run_in_threadpool")
    users = [
        str(path.relative_to(root))
        for folder in ("producers", "workers")
        for path in (root / folder).rglob("*.py")
        if any(name in path.read_text() for name in shared)
        and path.name != "threads.py"
        # A command at a terminal, which does nothing beside.
        and path.parent.name != "provider_check"
    ]
    assert users == []
