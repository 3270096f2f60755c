"""Cuts a connection on which the database does not answer: a server that hangs keeps none of its own timeouts."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import Any

from sqlalchemy import Connection


class Deadline:
    """Some seconds for everything that is asked on a connection; ``passed`` says whether they were too few."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._driver: Any = connection.connection.driver_connection
        self._over = False
        self._lock = Lock()
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def start(self) -> None:
        """Begins to count."""
        self._timer.start()

    def end(self) -> None:
        """Stops counting: the connection belongs to somebody else from now on."""
        with self._lock:
            self._over = True
        self._timer.cancel()

    def _cut(self) -> None:
        with self._lock, suppress(Exception):  # a connection that failed by itself has no socket
            if self._over:
                return
            self.passed = True
            with socket.socket(fileno=os.dup(self._driver.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)


@contextmanager
def answering(connection: Connection, seconds: float) -> Iterator[Deadline]:
    """Cuts the connection after so many seconds; whoever waits on it gets the driver's error. SQLite has limits of its own."""
    deadline = Deadline(connection, seconds)
    if connection.dialect.name == "postgresql":
        deadline.start()
    try:
        yield deadline
    finally:
        deadline.end()
