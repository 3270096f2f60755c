"""SAQ, 512 jobs in flight, results dropped at once.

python saq_peer.py feed|work REDIS_URL POST_URL
"""

import asyncio
import sys
from typing import Any

from feeder import feed
from post import IN_FLIGHT, post
from saq import Queue, Worker


def main() -> None:
    role, redis_url, url = sys.argv[1:4]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    queue = Queue.from_url(redis_url)

    async def place(_context: Any, *, extid: str) -> None:
        await post(url, extid)

    if role == "work":
        worker: Any = Worker(queue, functions=[("place", place)], concurrency=IN_FLIGHT)
        loop.run_until_complete(worker.start())
        return
    loop.run_until_complete(queue.connect())

    async def send(first: int, count: int) -> None:
        for start in range(first, first + count, 50):
            jobs = range(start, min(start + 50, first + count))
            await asyncio.gather(*(queue.enqueue("place", extid=str(n), ttl=-1) for n in jobs))

    feed(lambda first, count: loop.run_until_complete(send(first, count)))


if __name__ == "__main__":
    main()
