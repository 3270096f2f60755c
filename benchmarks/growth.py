"""``python -m benchmarks.growth``: what each step costs while the store, the campaigns, the workers and the readers grow.

Costs are microseconds inside of Redis (``INFO commandstats``), the least of some rounds, so that other processes hardly
matter; for readers and workers they are processor time and counts of commands.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.call_filter import CallFilter
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

from . import drain, live_campaigns
from .foreign import tree_seconds
from .intake import KEY
from .machine import ENVIRONMENTS, WORKER_CORE, child
from .million import fill

keys = Keys()

PARTS = ("store", "campaigns", "workers", "readers")
ROUNDS, BATCH = 12, 50
"""Rounds of each step at each size, and calls in each of them."""

MANY_ROWS = 100

LISTS = {
    "all": CallFilter(),
    "queued": CallFilter(state="queued"),
    "completed": CallFilter(state="completed"),
    "by phone": CallFilter(phone="+998712037006"),
    "by reference": CallFilter(reference="order-77"),
}
Series = dict[str, dict[int, float]]


def ran(client: Any, act: Callable[[], object]) -> tuple[float, int]:
    """Microseconds and number of all commands that Redis ran for this, those of scripts included."""
    client.config_resetstat()
    act()
    stats = client.info("commandstats")
    rows = [row for name, row in stats.items() if not name.startswith(("cmdstat_config", "cmdstat_info"))]
    # A script's time holds that of its commands, which are counted on their own too.
    scripts = [
        row["usec"] for name, row in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_fcall")
    ]
    return float(sum(scripts) or sum(row["usec"] for row in rows)), sum(row["calls"] for row in rows)


def spent(client: Any, act: Callable[[], object]) -> float:
    """Microseconds of Redis for this."""
    return ran(client, act)[0]


class Steps:
    """The steps of a call's way on a store, each of a batch, by what they cost Redis for one call."""

    def __init__(self, queue: CallQueue) -> None:
        self._queue, self._store = queue, queue.store
        self._client: Any = queue.store.redis
        self._limits = queue.settings.account("default")
        self._epoch = redis_checks.epoch(queue.store.redis, keys)

    def round(self) -> dict[str, float]:
        """Microseconds of each step for one call; with " commands" after its name, how many commands it runs."""
        costs: dict[str, float] = {}
        settings, limits, run = self._queue.settings, self._limits, self._store.run

        def measured(name: str, act: Callable[[], Any]) -> Any:
            answers = []
            took, commands = ran(self._client, lambda: answers.append(act()))
            costs[name], costs[f"{name} commands"] = took / BATCH, commands / BATCH
            return answers[0]

        calls = (TwoWayCall(callfrom="712037006", callto=["994412860"]) for _ in range(BATCH))
        measured("enqueue", lambda: self._queue.enqueue_many(calls))
        claim = call_transitions.claim(settings, "default", limits, epoch=self._epoch, room=BATCH, horizon=1, attend=0)
        claimed = measured("claim", lambda: run(claim)).calls
        armed = [Arming(call.record, call.token, call.slot) for call in claimed]
        measured("arm", lambda: run(call_transitions.arm(settings, limits, armed, epoch=self._epoch, worker="w")))
        settled = [Settling(call.record, call.token, "taken") for call in claimed]
        measured("settle", lambda: run(call_transitions.settle(settings, limits, settled)))
        results = [Applying(call.extid, '{"dialstatus":"X"}', call.extid, "answered", 20) for call in claimed]
        measured("callback", lambda: run(call_transitions.apply_results(results)))
        return costs


def least(rounds: Iterable[dict[str, float]]) -> dict[str, float]:
    """The least of each cost: what others do can only make a round dearer."""
    rows = list(rounds)
    return {name: min(row[name] for row in rows) for name in rows[0]}


def grow_store(sizes: list[int]) -> dict[str, Any]:
    steps: Series = {}
    commands: Series = {}
    lists: Series = {}
    memory: Series = {"a call": {}}
    for size in sizes:
        with EmbeddedRedis(fsync="no", append_only=False) as redis:
            settings = Settings(_env_file=None, redis_url=redis.url, calls_per_second=0, max_concurrent_calls=0)
            with CallQueue(settings=settings) as queue:
                client: Any = queue.store.redis
                empty = int(client.info("memory")["used_memory"])
                fill(queue, size, size // 5)
                memory["a call"][size] = round((int(client.info("memory")["used_memory"]) - empty) / size)
                way = Steps(queue)
                for name, cost in least(way.round() for _ in range(ROUNDS)).items():
                    series = commands if name.endswith(" commands") else steps
                    series.setdefault(name.removesuffix(" commands"), {})[size] = round(cost, 2)
                for name, query in LISTS.items():
                    costs = [spent(client, partial(queue.calls, query, limit=50)) for _ in range(5)]
                    lists.setdefault(name, {})[size] = round(min(costs) / 1000, 3)
        print(f"{size:,} stored: {', '.join(f'{name} {row[size]}' for name, row in steps.items())} us", file=sys.stderr)
    return {
        "steps": chart("Redis for one call, by the calls stored", "us", steps),
        "commands": chart("Commands of Redis for one call, by the calls stored", "", commands),
        "lists": chart("Redis for a page of 50, by the calls stored", "ms", lists),
        "memory": chart("Memory of a call with its events, by the calls stored", "bytes", memory),
    }


def grow_campaigns(counts: list[int]) -> dict[str, Any]:
    costs: Series = {"step of the pacer": {}, "claim": {}}
    fills: Series = {"filling a hopper": {}}
    with EmbeddedRedis(fsync="no", append_only=False) as server:
        field = live_campaigns.Field("running", server.url)
        client: Any = field.store.redis
        for count in counts:
            field.grow(count)
            for name, act in (("step of the pacer", field.pace), ("claim", field.claim)):
                costs[name][count] = round(min(spent(client, act) for _ in range(ROUNDS)), 1)
            field.submit(f"filled-{count}", 200)
            fills["filling a hopper"][count] = round(_fill(field, client), 1)
            print(f"{count:,} campaigns: {costs}", file=sys.stderr)
    return {
        "campaigns": chart("Redis for a step, by the live campaigns", "us", costs),
        "hopper": chart("Redis for a row that goes into the hopper, by the live campaigns", "us", fills),
    }


def _fill(field: live_campaigns.Field, client: Any) -> float:
    """Microseconds for a row of a campaign that was just submitted."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        for hopper in field.store.run(call_transitions.pace(field.filler.rooms())).hoppers:
            before = client.llen(keys.campaign_ready(hopper.campaign))
            cost = spent(client, partial(field.filler.fill, hopper))
            rows = client.llen(keys.campaign_ready(hopper.campaign)) - before
            if rows >= MANY_ROWS:  # a hopper that lacks one or two has the price of the step itself
                return cost / float(rows)
    raise TimeoutError("no pacer was told to fill the hopper")


def grow_workers(counts: list[int], rate: int) -> dict[str, Any]:
    commands: Series = {"commands of Redis for a call": {}}
    processor: Series = {"all workers": {}}
    for count in counts:
        held = drain.limited(rate, count, seconds=5)
        commands["commands of Redis for a call"][count] = round(held.redis_commands, 1)
        processor["all workers"][count] = round(held.cpu * 1000, 3)
        print(f"{count} workers: {held}", file=sys.stderr)
    return {
        "workers-commands": chart(f"Commands for a call at {rate}/s, by the workers", "", commands),
        "workers-processor": chart(f"Processor of all workers for a call at {rate}/s, by the workers", "ms", processor),
    }


async def _read(host: str, port: int, seen: list[int], number: int, opened: asyncio.Semaphore) -> None:
    async with opened:
        reader, writer = await asyncio.open_connection(host, port)
        head = f"GET /v1/events HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readline()
        assert b" 200 " in status, status
    seen[number] = 0
    while data := await reader.read(65_536):
        seen[number] += data.count(b"\ndata:") + data.startswith(b"data:")


async def _follow(url: str, readers: int, redis: EmbeddedRedis, web: int, events: int) -> tuple[float, float, float]:
    host, _, port = url.removeprefix("http://").partition(":")
    seen, opened = [-1] * readers, asyncio.Semaphore(20)
    tasks = [asyncio.create_task(_read(host, int(port), seen, number, opened)) for number in range(readers)]
    with redis.client() as client, CallQueue(redis_url=redis.url) as queue:
        await _until(lambda: min(seen) == 0, tasks)
        await asyncio.sleep(1)
        cpu, ran = tree_seconds(web), client.info("stats")["total_commands_processed"]
        for _ in range(events):
            await asyncio.to_thread(queue.enqueue, TwoWayCall(callfrom="712037006", callto=["994412860"]))
            await asyncio.sleep(0.05)
        await _until(lambda: min(seen) >= events, tasks)
        cpu, ran = tree_seconds(web) - cpu, client.info("stats")["total_commands_processed"] - ran
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return cpu / events * 1000, ran / events, sum(seen) / (readers * events)


async def _until(condition: Callable[[], bool], tasks: list["asyncio.Task[None]"]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the readers did not get every event within 60 s")
        for task in tasks:
            if task.done():
                task.result()
                raise ConnectionError("the web process ended an event stream")
        await asyncio.sleep(0.02)


def grow_readers(counts: list[int], events: int = 60) -> dict[str, Any]:
    processor: Series = {"for an event to all readers": {}}
    commands: Series = {"commands of Redis for an event": {}}
    for count in counts:
        with EmbeddedRedis(fsync="no", append_only=False) as redis:
            env = {"ALODIAL_REDIS_URL": redis.url, "ALODIAL_API_KEYS": KEY, "ALODIAL_API_REQUESTS_PER_SECOND": "100000"}
            # Else one address may have 500 requests under way.
            env |= {"ALODIAL_LOG_LEVEL": "error", "ALODIAL_TRUSTED_PROXIES": "127.0.0.1"}
            with child(["-m", "alodial.cli", "web", "--port", "0"], WORKER_CORE, env) as web:
                assert web.stdout is not None
                url = web.stdout.readline().split()[-1].rstrip("/")
                cpu, ran, _ = asyncio.run(_follow(url, count, redis, web.pid, events))
        processor["for an event to all readers"][count] = round(cpu, 3)
        commands["commands of Redis for an event"][count] = round(ran, 1)
        print(f"{count} readers: {cpu:.2f} ms and {ran:.1f} commands for an event", file=sys.stderr)
    return {
        "readers-processor": chart("Processor of web for an event, by its readers (SSE)", "ms", processor),
        "readers-commands": chart("Commands of Redis for an event, by its readers (SSE)", "", commands),
    }


def chart(title: str, unit: str, series: Series) -> dict[str, Any]:
    return {"title": title, "unit": unit, "series": series, "growth": growth(series)}


def growth(series: Series) -> dict[str, float]:
    """How many times dearer the largest size is than the smallest."""
    return {
        name: round(line[max(line)] / line[min(line)], 2) for name, line in series.items() if line and line[min(line)]
    }


def numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", type=numbers, default=[1000, 10_000, 100_000, 1_000_000], help="stored calls")
    parser.add_argument("--campaigns", type=numbers, default=[1, 10, 100, 1000, 5000])
    parser.add_argument("--workers", type=numbers, default=[1, 2, 4, 8])
    parser.add_argument("--rate", type=int, default=500, help="calls a second that the workers share")
    parser.add_argument("--readers", type=numbers, default=[1, 10, 100, 1000], help="at most 1,000 a web process")
    parser.add_argument("--json", type=Path, default=ENVIRONMENTS / "growth.json")
    options = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "store": lambda: grow_store(options.sizes),
        "campaigns": lambda: grow_campaigns(options.campaigns),
        "workers": lambda: grow_workers(options.workers, options.rate),
        "readers": lambda: grow_readers(options.readers),
    }
    document: dict[str, Any] = {"when": time.strftime("%Y-%m-%d", time.gmtime()), "charts": {}}
    if options.json.exists() and len(options.only) < len(PARTS):
        document["charts"] = json.loads(options.json.read_text())["charts"]  # parts may be measured one by one
    for name in options.only:
        document["charts"].update(parts[name]())
        options.json.parent.mkdir(exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    for row in document["charts"].values():
        print(f"{row['title']}: {row['growth']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
