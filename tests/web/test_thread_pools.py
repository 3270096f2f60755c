"""Stop, pause, do-not-call and probes are answered at once, however many files are being checked."""

import asyncio
import json
import threading
import time
from typing import Any

import httpx
import pytest

from alodial import CallQueue
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.web.routes import campaigns

KEY = "planted-api-key-90dd"
CAMPAIGN = {"name": "spring", "call": {"callfrom": "712037006"}}
ROWS = ["994412860", "977076909"]


def test_stop_pause_do_not_call_and_readyz_do_not_wait_behind_uploads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
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
        release.wait(30)
        return real(*args, **kwargs)

    monkeypatch.setattr(campaigns, "open_source", slow)

    async def run() -> dict[str, float]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {KEY}"}
        took: dict[str, float] = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=60) as http:
            form = {"file": ("people.csv", b"phone\n994412860\n"), "campaign": (None, json.dumps(CAMPAIGN))}
            uploads = [asyncio.create_task(http.post("/v1/campaigns/check", files=form)) for _ in range(60)]
            while not opening.acquire(blocking=False):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # as many as there are threads for are being opened by now

            async def timed(name: str, answer: Any) -> None:
                began = time.monotonic()
                async with asyncio.timeout(10):
                    assert (await answer).status_code < 300
                took[name] = time.monotonic() - began

            await timed("readyz", http.get("/readyz"))
            await timed("pause", http.post(f"/v1/campaigns/{record.id}/pause"))
            await timed("do not call", http.post("/v1/dnc", json={"numbers": ["+998994412860"]}))
            began = time.monotonic()
            async with asyncio.timeout(10):
                assert await app.state.context.queue.stop("fire")
            took["stop"] = time.monotonic() - began
            release.set()
            assert {answer.status_code for answer in await asyncio.gather(*uploads)} == {200}
        await app.state.context.queue.aclose()
        return took

    took = asyncio.run(run())
    assert max(took.values()) < 3, took
