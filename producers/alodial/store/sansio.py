"""Reading in several round trips, written once for threads and for event loops.

A function that reads is a generator: it yields the commands of one round trip, is sent their answers, and returns what
it found.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio as aioredis

T = TypeVar("T")

Command = tuple[str | bytes | int, ...]
Steps = Generator[Sequence[Command], list[Any], T]


def run(client: "redis.Redis", steps: Steps[T]) -> T:
    """Runs it to its end."""
    try:
        commands = next(steps)
        while True:
            with client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                answers = pipe.execute()
            commands = steps.send(answers)
    except StopIteration as end:
        found: T = end.value
        return found


async def run_async(client: "aioredis.Redis", steps: Steps[T]) -> T:
    """As :func:`run`."""
    try:
        commands = next(steps)
        while True:
            async with client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                answers = await pipe.execute()
            commands = steps.send(answers)
    except StopIteration as end:
        found: T = end.value
        return found
