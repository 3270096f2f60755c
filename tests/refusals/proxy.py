"""A way to Redis that can be told to refuse: in front of a real server, for clients of every kind and process."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import BinaryIO, Final, Self

REFUSALS: Final = {
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "NOPERM": "NOPERM User worker has no permissions to run the 'evalsha' command",
    "READONLY in a script": "ERR Error running script (call to f_3a): @user_script: 12: -READONLY You can't",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "NOAUTH": "NOAUTH Authentication required.",
    "OOM in a script": "OOM command not allowed when used memory > 'maxmemory'. script: 3a, on @user_script:7.",
}


def refusals_for(place: int, count: int) -> Iterator[tuple[str, str]]:
    """So many refusals to try at one of many places: each is tried somewhere, and every place with several."""
    names = list(REFUSALS)
    for at in range(count):
        name = names[(place * count + at) % len(names)]
        yield name, REFUSALS[name]


class RefusingProxy:
    """Passes everything on to the Redis at ``port`` until :meth:`refusing`."""

    def __init__(self, port: int) -> None:
        self._error = ""
        proxy = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
                    back.start()
                    with contextlib.suppress(OSError, ValueError):
                        while command := _read_command(self.rfile):
                            refused = proxy._answer(command[1])
                            if refused:
                                self.wfile.write(refused)
                            else:
                                upstream.sendall(command[0])
                    with contextlib.suppress(OSError):
                        upstream.shutdown(socket.SHUT_RDWR)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Connection)
        self.port = self._server.server_address[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _answer(self, name: bytes) -> bytes:
        """The refusal of a command; nothing for one that is passed on."""
        if not self._error or ("user_script" in self._error and not name.startswith(b"EVAL")):
            return b""
        match name:
            case b"CLIENT" | b"SELECT" | b"MULTI":
                return b"+OK\r\n"
            case b"EXEC":
                return b"-EXECABORT Transaction discarded because of previous errors.\r\n"
        return f"-{self._error}\r\n".encode()

    @contextlib.contextmanager
    def refusing(self, error: str) -> Iterator[None]:
        """Every command is answered with this error meanwhile; one inside a script is the answer of scripts only."""
        self._error = error
        try:
            yield
        finally:
            self._error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _read_command(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next command as it came, and its name in capitals; None at the connection's end."""
    head = stream.readline()
    if not head.startswith(b"*"):
        return None
    raw, name = [head], b""
    for at in range(int(head[1:])):
        size = stream.readline()
        word = stream.read(int(size[1:]) + 2)
        raw += [size, word]
        if at == 0:
            name = word[:-2].upper()
    return b"".join(raw), name


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
