"""Log lines into the stream of all processes, each once although an answer of Redis may be lost."""

from collections.abc import Sequence
from typing import Any, Final

import redis

from . import keys

LOOKED_BACK: Final = 5000
"""Lines looked through for our own last one, after an answer was lost: those of ten processes' batches."""
LOST_KEPT: Final = 86_400


class LogWriter:
    """Writes the lines of one process. Raises what redis-py raises; then the same call is made again."""

    def __init__(self, client: "redis.Redis", process: str, keep: int) -> None:
        self._client = client
        self._process = process.encode()
        self._keep = keep
        self._unsure = False

    def append(self, first: int, lines: Sequence[bytes], lost: int = 0) -> int:
        """Adds lines with the numbers ``first``, ``first`` + 1, ...; those that are there already are left out.

        ``lost`` is how many more were lost since the last time, for the count that people see. Answers how many of these
        lines were refused while others were taken: a Redis at its limit of memory may do so.
        """
        skip = max(0, self._last() + 1 - first) if self._unsure else 0
        self._unsure = True
        with self._client.pipeline(transaction=False) as pipe:
            for number, line in enumerate(lines[skip:], first + skip):
                pipe.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    "XADD", keys.LOGS, "MAXLEN", "~", self._keep, "*", "l", line, "p", self._process, "n", number
                )
            answers = pipe.execute(raise_on_error=False)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused and len(refused) == len(answers):
            raise refused[0]
        self._unsure = False
        if lost + len(refused):
            with self._client.pipeline() as pipe:
                pipe.incrby(keys.LOGS_LOST, lost + len(refused))
                pipe.expire(keys.LOGS_LOST, LOST_KEPT)
                pipe.execute()
        return len(refused)

    def _last(self) -> int:
        """The number of the newest line of this process that is there; -1 without one."""
        rows: Any = self._client.xrevrange(keys.LOGS, count=LOOKED_BACK)
        for _, fields in rows:
            if fields.get(b"p") == self._process:
                return int(fields[b"n"])
        return -1
