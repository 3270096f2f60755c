"""A Sentinel that says what a test wants, or nothing: enough of its protocol for redis-py."""

import contextlib
import socket
import socketserver
import threading
from typing import Any


class FakeSentinel:
    """Names ``address`` as the primary, with ``replicas`` of these flags. ``silent``: takes connections and says nothing."""

    def __init__(self, address: tuple[str, int] | None, *, password: str = "", silent: bool = False) -> None:
        self.address = address
        self.replicas: list[str] = ["slave"]
        self.password = password
        self.silent = silent
        self.asked = 0
        self._listeners: list[socket.socket] = []
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self._serve()

            def _serve(self) -> None:
                signed_in = not fake.password
                while (words := self._read()) is not None:
                    if fake.silent:
                        continue
                    name = words[0].upper()
                    if name == "AUTH":
                        signed_in = words[-1] == fake.password
                        self.wfile.write(b"+OK\r\n" if signed_in else b"-WRONGPASS\r\n")
                    elif not signed_in:
                        self.wfile.write(b"-NOAUTH\r\n")
                    elif name == "SUBSCRIBE":
                        fake._listeners.append(self.connection)
                        self.wfile.write(b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n")
                    elif name == "SENTINEL":
                        self.wfile.write(fake._answer(words[1]))
                    else:
                        self.wfile.write(b"+OK\r\n")

            def _read(self) -> list[str] | None:
                head = self.rfile.readline()
                if not head:
                    return None
                return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode() for _ in range(int(head[1:]))]

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def _array(items: list[Any]) -> bytes:
        body = b"".join(
            FakeSentinel._array(item) if isinstance(item, list) else b"$%d\r\n%s\r\n" % (len(item), item.encode())
            for item in items
        )
        return b"*%d\r\n%s" % (len(items), body)

    def _answer(self, question: str) -> bytes:
        if question == "replicas":
            return self._array([["flags", flags, "master-link-status", "ok"] for flags in self.replicas])
        self.asked += 1
        return b"*-1\r\n" if self.address is None else self._array([self.address[0], str(self.address[1])])

    def switch(self, address: tuple[str, int], *, tell: bool = True) -> None:
        """Names another primary, and tells those who listen."""
        self.address = address
        for listener in self._listeners if tell else ():
            listener.sendall(self._array(["message", "+switch-master", "calls"]))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
