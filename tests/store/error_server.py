"""A server that speaks Redis' protocol and refuses every command with one error, as a Redis in trouble does."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase


def read_command(stream: BufferedIOBase) -> list[bytes]:
    """The next command, [] at the connection's end."""
    head = stream.readline()
    if not head.startswith(b"*"):
        return []
    words = []
    for _ in range(int(head[1:])):
        size = int(stream.readline()[1:])
        words.append(stream.read(size))
        stream.read(2)
    return words


class _Refusing(socketserver.StreamRequestHandler):
    server: "ErrorServer"

    def handle(self) -> None:
        while words := read_command(self.rfile):
            match words[0].upper():
                case b"CLIENT" | b"SELECT" | b"MULTI":
                    self.wfile.write(b"+OK\r\n")
                case b"EXEC":
                    self.wfile.write(b"-EXECABORT Transaction discarded because of previous errors.\r\n")
                case _:
                    self.wfile.write(f"-{self.server.error}\r\n".encode())


class ErrorServer(socketserver.ThreadingTCPServer):
    """Answers ``-error`` to all but the commands around a transaction."""

    daemon_threads = True

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(("127.0.0.1", 0), _Refusing)
        self.port: int = self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that closed while it was answered


@contextmanager
def serving(error: str = "") -> Iterator[ErrorServer]:
    """Yields a server whose error may be changed meanwhile."""
    with ErrorServer(error) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def error_server(error: str) -> Iterator[int]:
    """Yields the port of a server that answers with this error."""
    with serving(error) as server:
        yield server.port
