"""The places of one server: how many connections and requests it has at once, and which of them make room for others."""

import time
from collections import Counter, OrderedDict
from typing import Any, Protocol

from ..settings import Settings
from ..web.client_address import TrustedProxies
from ..web.ports import Ports

MAX_CONNECTIONS = 2000
"""Requests under way, event streams included, which are half of them at most."""
RESERVED = 200
"""Further ones for callbacks and probes alone."""
MAX_OF_ADDRESS = 500
"""Requests under way from one address that is no trusted proxy."""
PATIENCE_SECONDS = 1.0
"""How long a request may wait for its client before it makes room, where there is none left."""


class PlaceHolder(Protocol):
    """A connection, as far as places are concerned. ``cycle`` is its last request, None before the first."""

    cycle: Any

    def cut(self) -> None:
        """Ends the connection at once."""


class Places:
    """Who is silent, who waits for the client, and how many requests each address has under way."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self.ports = Ports(settings.callback_port, settings.operator_port)
        self.silent: OrderedDict[PlaceHolder, None] = OrderedDict()
        self.ending = False
        self.requests: Counter[str] = Counter()
        self._waiting: dict[str, dict[PlaceHolder, float]] = {}

    def enter(self, line: PlaceHolder, connections: int) -> None:
        """Counts a new connection as silent. Above the limit the one that has been silent longest is cut, or a slow one."""
        self.silent[line] = None
        if connections > MAX_CONNECTIONS + RESERVED and (len(self.silent) > 1 or not self._make_room()):
            oldest, _ = self.silent.popitem(last=False)
            oldest.cut()

    def take(self, address: str, under_way: int, *, essential: bool) -> bool:
        """Whether a request of this address may go on; then it is counted until :meth:`leave`."""
        if not essential and self.requests[address] >= MAX_OF_ADDRESS and address not in self._proxies:
            return False
        if under_way >= MAX_CONNECTIONS + (RESERVED if essential else 0) and not self._make_room():
            return False
        self.requests[address] += 1
        return True

    def leave(self, address: str) -> None:
        """A request of this address has ended."""
        self.requests[address] -= 1
        if not self.requests[address]:
            del self.requests[address]

    def wait(self, line: PlaceHolder, address: str) -> None:
        """The connection's request waits for its client: for the body, or until the answer is read."""
        self._waiting.setdefault(address, {}).setdefault(line, time.monotonic())

    def go_on(self, line: PlaceHolder, address: str) -> None:
        """It waits no longer."""
        lines = self._waiting.get(address)
        if lines is not None and lines.pop(line, None) is not None and not lines:
            del self._waiting[address]

    def _make_room(self) -> bool:
        """Cuts the request that has waited longest, of the address with most of those. False when none is slow."""
        if not self._waiting:
            return False
        address = max(self._waiting, key=lambda name: len(self._waiting[name]))
        line, since = next(iter(self._waiting[address].items()))
        if time.monotonic() - since < PATIENCE_SECONDS:
            return False
        self.go_on(line, address)
        line.cut()
        return True
