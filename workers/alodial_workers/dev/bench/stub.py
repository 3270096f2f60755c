"""AloVoice as a measurement needs it: reads a POST, waits, answers 200 with JSON. No phone rings, no result comes.

python -m alodial_workers.dev.bench.stub PORT DELAY_MICROSECONDS      PORT 0 takes a free one; prints it, then serves

GET / answers "POSTs last_arrival_ns connections"; GET /times answers when each POST came, as 64-bit nanoseconds of
``time.monotonic_ns``.
"""

import array
import asyncio
import sys
import time
from typing import cast

from alodial.settings.open_files import raise_file_limit

try:
    from uvloop import new_event_loop
except ImportError:  # it comes with the extra `web`
    from asyncio import new_event_loop  # type: ignore[assignment]  # the same for us

MAX_CONNECTIONS = 4096
"""As many as a worker may have POSTs in flight at most."""

ANSWER = b'{"answer":{"id":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

times = array.array("q")
accepted = 0


class Stub(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length bodies, no more than workers send."""

    def __init__(self, delay: float) -> None:
        global accepted  # noqa: PLW0603  # a counter of a program of one file
        accepted += 1
        self._delay = delay
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            if head.startswith(b"get /times"):
                self._answer(times.tobytes())
            elif head.startswith(b"get"):
                self._answer(f"{len(times)} {times[-1] if times else 0} {accepted}".encode())
            else:
                times.append(time.monotonic_ns())
                if self._delay:
                    asyncio.get_running_loop().call_later(self._delay, self._answer, ANSWER)
                else:
                    self._answer(ANSWER)

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(HEAD % len(body) + body)


async def serve(port: int, delay: float) -> None:
    """Serves on a port of loopback until the process is ended; prints the port."""
    raise_file_limit(3 * MAX_CONNECTIONS)
    server = await asyncio.get_running_loop().create_server(
        lambda: Stub(delay), "127.0.0.1", port, backlog=MAX_CONNECTIONS
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1e6))
