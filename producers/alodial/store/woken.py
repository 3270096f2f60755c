"""Where an idle worker waits in Redis for an account with new calls: enqueue hands it over in its own step.

It is the shortest way to a worker and never the only one: what is lost here a pacer finds within a second.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis
from redis.exceptions import TimeoutError

from .keys import Keys
from .script_connections import POOL_ARGUMENTS

if TYPE_CHECKING:
    import redis.asyncio as aioredis

KNOWN_FOR = 1.5
"""Seconds, beyond its wait, that a worker counts as listening. While none does, enqueue has a message sent."""


async def wait(client: "aioredis.Redis", keys: Keys, seconds: float, patience: float) -> str | None:
    """Returns an account as soon as it has new calls; None after ``seconds``. One of the workers that wait gets it.

    Raises redis-py's errors, its TimeoutError when nothing is answered for ``patience`` seconds more.
    """
    listening: Any = ("SET", keys.LISTENING, "1", "PX", round((seconds + KNOWN_FOR) * 1000))
    blocking: Any = ("BLPOP", keys.WOKEN, seconds)
    pool: Any = client.connection_pool
    connection = await pool.get_connection(*POOL_ARGUMENTS)
    try:
        await connection.send_packed_command([hiredis.pack_command(listening), hiredis.pack_command(blocking)])
        await connection.read_response()
        # redis-py answers None for its own timeout as for Redis', which comes long before.
        loop = asyncio.get_running_loop()
        late = loop.time() + seconds + patience
        popped = await connection.read_response(timeout=seconds + patience)
        if popped is None and loop.time() >= late:
            raise TimeoutError("no answer to BLPOP")
    except BaseException:
        await connection.disconnect(nowait=True)  # the answer, which may still come, is that of no other command
        raise
    finally:
        await pool.release(connection)
    return None if popped is None else bytes(popped[1]).decode()
