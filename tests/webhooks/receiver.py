"""A receiver of webhooks over real sockets, which answers as a test tells it to."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Got(NamedTuple):
    at: float
    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Say = Callable[[Got], bytes | float]
"""What to answer: raw bytes, or a number of seconds to be silent for."""

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def status(code: int, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} X\r\ncontent-length: 0\r\n{lines}\r\n".encode()


class Receiver:
    """One server on a free port of loopback, in a thread of its own."""

    def __init__(self, say: Say | bytes = OK) -> None:
        self.say = say
        self.got: list[Got] = []
        self.connections = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=secret-in-query"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *rest = head.split("\r\n")
                headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in rest if ":" in line}
                body = await reader.readexactly(int(headers["content-length"]))
                got = Got(time.monotonic(), first, headers, body)
                self.got.append(got)
                answer = self.say(got) if callable(self.say) else self.say
                if isinstance(answer, float):
                    await asyncio.sleep(answer)
                    answer = OK
                writer.write(answer)
                await writer.drain()
                if b"content-length" not in answer.lower() and answer is not OK:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()
