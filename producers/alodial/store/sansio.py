"""Reads in several round trips, written once for threads and for event loops.

A reading function is a generator: it yields the commands of one round trip, receives their answers, and returns its
result.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio as aioredis

T = TypeVar("T")

Command = tuple[str | bytes | int, ...]
Steps = Generator[Sequence[Command], list[Any], T]


def run(client: "redis.Redis", steps: Steps[T]) -> T:
    """Runs the generator to its end. Raises redis-py's errors."""
    try:
        commands = next(steps)
        while True:
            with client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                answers = pipe.execute()
            commands = steps.send(answers)
    except StopIteration as end:
        result: T = end.value
        return result


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
        result: T = end.value
        return result
