"""Serves the app with uvicorn: bounds on request heads and connections, a line with the address, a graceful end."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import struct
import sys
import threading
import time
from asyncio.events import TimerHandle
from collections.abc import Generator
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import ConfigurationError
from ..observability import logging
from ..settings import Settings
from ..settings.open_files import raise_file_limit
from ..web.context import ABORT
from ..web.heartbeat import process_name
from ..web.problems import RETRY_AFTER, problem
from .app import create_app
from .places import MAX_CONNECTIONS, Places

KEEP_ALIVE = 15
HEAD_SECONDS = 10.0
"""For a request's line and headers, which take one packet; a slower client only occupies the connection."""
HEAD_BYTES = 32 * 1024
MAX_PIPELINED = 16
"""Requests that a client sends before it has read the answer to the first: each takes a kilobyte of memory or two."""
UNREAD_SECONDS = 60.0
"""For a client to read on where an answer is longer than the buffers: a second answer would keep its place without end."""
STOP_SECONDS = 20
"""For requests under way at SIGTERM; orchestrators kill after 30."""
SO_ATTACH_FILTER = 26
"""Of Linux; the module socket does not name it."""
FIRST_REQUEST_SECONDS = 0.5
"""For the request of a connection that was accepted in the last moment."""


async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    """The app that answers 503 above MAX_CONNECTIONS."""
    headers = {"Retry-After": RETRY_AFTER, "Connection": "close"}
    answer = problem(503, "overloaded", "Too many connections; come again.", headers=headers)
    await answer(scope, receive, send)


class TooManyRequests(Exception):
    """A client sends further requests and reads no answer; its connection has been cut."""


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol with bounds on the time and the size of a request's line and headers, on how many there are, and on
    the time in which an answer is read."""

    def __init__(self, *args: Any, places: Places, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._address = ""
        self._counted = False
        self._essential = False
        self._receiving = False
        self._own_app: Any = self.app
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: TimerHandle | None = None
        self._unread_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        self._address = self.client[0] if self.client else ""
        self._places.enter(self, len(self.connections))

    def cut(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._receiving = False
        self._read_on()
        self._leave()
        self._places.silent.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Also between two requests, so that empty lines or an unread body do not keep a connection open.
        if not (self._in_head or self.cycle is None or self.cycle.response_complete):
            return
        self._head_bytes += len(data)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.abort()
            raise TooManyRequests
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # Nothing acts on what follows a chunked body, and nothing bounds it.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        self._places.silent.pop(self, None)
        essential = self._places.ports.is_essential(self.server[1] if self.server else None, self.url)
        # A place for a probe is none for what follows it on the same connection.
        if self._counted and self._essential and not essential:
            self._leave()
        if self._counted or self._places.take(self._address, len(self.tasks), essential=essential):
            self._counted, self._essential = True, essential
            self.app = self._own_app
        else:
            self.app = overloaded
        self._receiving = True
        self._places.wait(self, self._address)
        super().on_headers_complete()
        if self._places.ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._receiving = False
        if self._unread_timer is None:
            self._places.go_on(self, self._address)
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._places.wait(self, self._address)
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_on()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self._unread_timer is None and self.transport.get_write_buffer_size():
            self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def _read_on(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        if not self._receiving:
            self._places.go_on(self, self._address)

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._leave()
            self._receiving = False
            if self._unread_timer is None:
                self._places.go_on(self, self._address)
            if not self.transport.is_closing():
                self._places.silent[self] = None
        super().on_response_complete()

    def _leave(self) -> None:
        if self._counted:
            self._counted = False
            self._places.leave(self._address)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class WebServer(uvicorn.Server):
    """Prints its address, ends event streams at once, and exits with 0 after SIGTERM or SIGINT, losing no request.

    ``drain``: seconds for which it goes on after the signal while ``/readyz`` answers 503, so that load balancers notice.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, address: str, places: Places, drain: float) -> None:
        super().__init__(config)
        self._app = app
        self._address = address
        self._places = places
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"alodial web listening on {self._address}\n")
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            # An event stream never ends by itself, and uvicorn waits for it.
            self._loop.call_soon_threadsafe(self._app.state.context.follower.close)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.readiness.ending = True
        self._places.ending = True
        until = time.monotonic() + self._drain
        while time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110  # uvicorn's flag, set in a signal's handler
            await asyncio.sleep(0.1)
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Closes the sockets and answers those who connected before: closing alone would reset them."""
        for listener in listeners:
            take_no_more(listener)
        for _ in range(3):  # the loop accepts all that wait when it looks next
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        until = time.monotonic() + FIRST_REQUEST_SECONDS
        while time.monotonic() < until and any(place.cycle is None for place in self._places.silent):  # noqa: ASYNC110  # rarely once
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As in uvicorn, but a handled signal is not raised again, so that the exit code is 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def take_no_more(listener: socket.socket) -> None:
    """Has the kernel take no further connection, while those that wait stay. Their clients try again and are then refused.

    A filter that keeps no packet; a system that knows none closes the socket a moment too early for a few.
    """
    if sys.platform != "linux":
        return
    program = struct.pack("HBBI", 0x06, 0, 0, 0)  # "return 0": keep 0 bytes of the packet
    buffer = ctypes.create_string_buffer(program)
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(buffer)))


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as exc:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}; choose another --host or --port"
        ) from None
    listener.set_inheritable(True)
    return listener


def make_server(settings: Settings, host: str, port: int, drain: float = 0) -> tuple[WebServer, list[socket.socket]]:
    """Returns a server and its bound sockets; those of ALODIAL_CALLBACK_PORT and ALODIAL_OPERATOR_PORT follow the first one.

    Port 0 takes a free port. Raises ConfigurationError when it cannot listen.
    """
    own = {"ALODIAL_CALLBACK_PORT": settings.callback_port, "ALODIAL_OPERATOR_PORT": settings.operator_port}
    ports = {"--port": port} | own
    for name, number in own.items():
        if number and [*ports.values()].count(number) > 1:
            raise ConfigurationError(f"{name}: port {number} is used for something else already; choose another")
    listeners = [_bind(host, number) for number in (port, *filter(None, own.values()))]
    listener = listeners[0]
    name = f"[{host}]" if ":" in host else host
    app = create_app(settings)
    places = Places(settings)
    config = uvicorn.Config(
        app,
        http=partial(BoundedHead, places=places),  # type: ignore[arg-type]  # it is called
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # addresses hold secrets
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return WebServer(config, app, f"http://{name}:{listener.getsockname()[1]}", places, drain), listeners


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8080, drain: float = 0) -> None:
    """Serves until SIGTERM or SIGINT, and then for ``drain`` seconds; prints ``alodial web listening on URL``.

    Raises ConfigurationError.
    """
    logging.configure(settings, non_blocking=True, shared=True, worker=process_name())
    raise_file_limit(4 * MAX_CONNECTIONS)  # Redis and the spool need some too
    server, listeners = make_server(settings, host, port, drain)
    # Loaded modules stay until the end; a garbage collection over them delayed every request by 100 ms.
    gc.collect()
    gc.freeze()
    server.run(sockets=listeners)
