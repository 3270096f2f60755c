"""arq, 512 jobs in flight, no results kept, the queue read every 10 ms (its default is 500).

python arq_peer.py feed|work REDIS_URL POST_URL
"""

import asyncio
import sys
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from feeder import feed
from post import IN_FLIGHT, post


def main() -> None:
    role, redis_url, url = sys.argv[1:4]
    settings = RedisSettings.from_dsn(redis_url)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def place(_context: Any, extid: str) -> None:
        await post(url, extid)

    if role == "work":
        place_job = func(place, name="place", keep_result=0)
        Worker([place_job], redis_settings=settings, max_jobs=IN_FLIGHT, poll_delay=0.01).run()
        return
    pool = loop.run_until_complete(create_pool(settings))

    async def send(first: int, count: int) -> None:
        for start in range(first, first + count, 100):
            jobs = range(start, min(start + 100, first + count))
            await asyncio.gather(*(pool.enqueue_job("place", str(n)) for n in jobs))

    feed(lambda first, count: loop.run_until_complete(send(first, count)))


if __name__ == "__main__":
    main()
