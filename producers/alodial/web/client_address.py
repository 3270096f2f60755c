"""The address from which a request came: that of the connection, or what a trusted proxy says. No I/O."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

FROM_PROXY: Final = "alodial.from_proxy"
"""The scope's entry that says whether the connection came from a trusted proxy."""

MAX_FORWARDED: Final = 20
"""Entries of X-Forwarded-For that are read, from the right."""

Network = IPv4Network | IPv6Network


def _address(text: str) -> IPv4Address | IPv6Address | None:
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class TrustedProxies:
    """The networks of ALODIAL_TRUSTED_PROXIES, whose headers are believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(text) for text in networks)

    def __contains__(self, host: str) -> bool:
        """Whether this is the address of a trusted proxy."""
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The client's address for a connection from ``peer``; ``forwarded`` are its X-Forwarded-For headers.

        Read from the right, as each proxy appends the address that it saw: the first that is not a trusted proxy is the
        client. Whatever stands left of it was written by the client.
        """
        if peer not in self:
            return peer
        entries = [part for line in forwarded for part in line.split(",")][-MAX_FORWARDED:]
        client = peer
        for text in reversed(entries):
            address = _address(text)
            if address is None:
                break
            client = str(address)
            if client not in self:
                break
        return client

    def apply(self, scope: Scope) -> None:
        """Sets the client's address and scheme of a request, and whether it came through a trusted proxy."""
        peer = scope["client"][0] if scope.get("client") else ""
        scope[FROM_PROXY] = peer in self
        if not scope[FROM_PROXY]:
            return
        headers = [(name, value.decode("latin-1")) for name, value in scope["headers"]]
        forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
        scope["client"] = (self.client(peer, forwarded), 0)
        scheme = [value.strip().lower() for name, value in headers if name == b"x-forwarded-proto"]
        if scheme and scheme[-1] in ("http", "https"):
            scope["scheme"] = scheme[-1]
