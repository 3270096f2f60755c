"""How fast one worker process on one core empties a full queue, against the anchor."""

from alodial import CallQueue, TwoWayCall

from .anchor import declare
from .machine import WORKER_CORE, child, drained, redis_on_other_core, stub

TOKEN = "benchmark-token"
WORKER = """
from alodial.settings import load_settings
from alodial_workers.main import run_worker
run_worker(load_settings())
"""


def anchor(delay: float, calls: int) -> float:
    """Bare Dramatiq, calls a second."""
    with redis_on_other_core() as redis, stub(delay) as url:
        actor = declare(redis.url, url)
        for n in range(calls):
            actor.send(str(100_000 + n))
        with child(["-m", "benchmarks.anchor", redis.url, f"{url}/requestcall/{TOKEN}"], WORKER_CORE):
            return drained(url, calls)


def alodial(delay: float, calls: int, *, fsync: str = "everysec", **settings: str) -> float:
    """An alodial worker with its limits on (set out of the way) and its log written, calls a second."""
    with redis_on_other_core(fsync) as redis, stub(delay) as url:
        with CallQueue(redis_url=redis.url) as queue:
            queue.enqueue_many(
                TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]) for _ in range(calls)
            )
        env = {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_URL": url,
            "ALODIAL_PROVIDER_TOKEN": TOKEN,
            "ALODIAL_CALLS_PER_SECOND": "10000",
            "ALODIAL_MAX_CONCURRENT_CALLS": "1000000",
            "ALODIAL_BURST": "10000",
            **settings,
        }
        with child(["-c", WORKER], WORKER_CORE, env):
            return drained(url, calls)
