"""Runs a sandbox: in this process until a signal, or in a thread of a test."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from alodial.settings.open_files import raise_file_limit

from .app import create_sandbox
from .config import SandboxConfig
from .connection_cut import CuttableProtocol

# Seconds. Calls in progress are simulated, so a stop does not wait for them.
_GRACE = 1
_START_TIMEOUT = 10.0
# Two workers may have 4,096 POSTs under way.
_MAX_FILES = 8192


class _Server(uvicorn.Server):
    """Reports when it listens, and returns on SIGINT and SIGTERM, where uvicorn raises the signal again."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def _server(config: SandboxConfig, listening: Callable[[], None]) -> _Server:
    settings = uvicorn.Config(
        create_sandbox(config),
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        # An access log would hold the token, which is part of the path.
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=60,
    )
    return _Server(settings, listening)


def bind(host: str, port: int) -> tuple[socket.socket, str]:
    """A bound socket and its URL. Raises OSError if the port is not free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer took 44 ms on a kept connection.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    bracketed = f"[{host}]" if ":" in host else host
    return listener, f"http://{bracketed}:{listener.getsockname()[1]}"


def serve(config: SandboxConfig, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serves until SIGINT or SIGTERM; port 0 takes a free one. Prints `sandbox listening on URL` once it does.

    Raises OSError if the port is not free.
    """
    raise_file_limit(_MAX_FILES)
    listener, url = bind(host, port)
    server = _server(config, lambda: print(f"sandbox listening on {url}", flush=True))  # noqa: T201  # scripts wait for this line
    server.run(sockets=[listener])


@contextmanager
def running_sandbox(config: SandboxConfig | None = None) -> Generator[str, None, None]:
    """Runs a sandbox in a thread on a free loopback port and yields its URL. For tests."""
    listener, url = bind("127.0.0.1", 0)
    listening = threading.Event()
    server = _server(config or SandboxConfig(), listening.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    began = time.monotonic()
    while not listening.wait(0.05):
        if not thread.is_alive() or time.monotonic() - began > _START_TIMEOUT:
            raise RuntimeError("the sandbox did not start; see the log for the reason")
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
