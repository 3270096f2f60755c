"""AloVoice as a benchmark needs it: reads a POST, waits, answers 200 with JSON. Nothing rings, nothing calls back.

python -m benchmarks.stub DELAY_SECONDS      prints its port, then serves; GET / answers the number of POSTs.
"""

import asyncio
import sys

ANSWER = b'{"answer":{"id":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

posts = 0


class Stub(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length bodies, no more than a benchmark's clients send."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        global posts  # noqa: PLW0603 - one counter of a one-file server
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            if head.startswith(b"get"):
                body = str(posts).encode()
                self._answer(body)
            else:
                posts += 1
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
    asyncio.run(serve(float(sys.argv[1])))
