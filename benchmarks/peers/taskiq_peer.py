"""taskiq on a Redis list, 512 tasks in flight, uvloop.

python taskiq_peer.py feed|work REDIS_URL POST_URL
"""

import asyncio
import os
import sys
from pathlib import Path

from feeder import feed
from post import IN_FLIGHT, post
from taskiq_redis import ListQueueBroker

if __name__ == "__main__":
    os.environ["PEER_REDIS"], os.environ["PEER_URL"] = sys.argv[2:4]

broker = ListQueueBroker(os.environ["PEER_REDIS"], queue_name="peer")


async def place(extid: str) -> None:
    await post(os.environ["PEER_URL"], extid)


task = broker.register_task(place, task_name="place")


def main() -> None:
    if sys.argv[1] == "work":
        os.chdir(Path(__file__).parent)
        command = (
            "-m",
            "taskiq",
            "worker",
            "--workers",
            "1",
            "--max-async-tasks",
            str(IN_FLIGHT),
            "--log-level",
            "ERROR",
        )
        os.execv(sys.executable, [sys.executable, *command, "taskiq_peer:broker"])
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())

    async def send(first: int, count: int) -> None:
        for start in range(first, first + count, 100):
            await asyncio.gather(*(task.kiq(str(n)) for n in range(start, min(start + 100, first + count))))

    feed(lambda first, count: loop.run_until_complete(send(first, count)))


if __name__ == "__main__":
    main()
