"""AloVoice where no C compiler is at hand: what native/stub.c does, at ten times its price. It is a bound for fast systems.

python -m benchmarks.stub DELAY_MICROSECONDS      prints its port, then serves; see native/stub.c
"""

import array
import asyncio
import sys
import time

ANSWER = b'{"answer":{"id":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

times = array.array("q")
accepted = 0


class Stub(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length bodies, no more than a benchmark's clients send."""

    def __init__(self, delay: float) -> None:
        global accepted  # noqa: PLW0603 - one counter of a one-file server
        accepted += 1
        self._delay = delay
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

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


async def serve(delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Stub(delay), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) / 1e6))
