"""Refuses webhook addresses that only this machine or this network can reach.

A name is resolved once for each connection and all of its addresses are checked. The connection goes to a checked
address, so that a name which resolves differently a moment later (DNS rebinding) leads nowhere else.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64: Final = ipaddress.ip_network("64:ff9b:1::/48")
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")
_TEREDO: Final = ipaddress.ip_network("2001::/32")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")

_NOT_PUBLIC: Final = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "fec0::/10",
        "100::/64",
        "5f00::/16",
    )
]
"""Networks that some version of Python's ipaddress counts as global."""


class NotAllowed(Exception):
    """The name resolves to an address that is not public."""


def is_public(text: str) -> bool:
    """Returns whether an address, and any IPv4 address that it embeds, is reachable from the whole internet."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address in _NAT64 or address in _COMPATIBLE:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        if address in _SIX_TO_FOUR:
            return is_public(str(ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)))
        if address in _TEREDO or address in _LOCAL_NAT64:
            return False
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_reserved
        or address.is_unspecified
    )


async def checked_addresses(host: str, port: int, *, private: bool, resolve: Resolve) -> Sequence[str]:
    """Returns the addresses of a name, which may all be connected to; ``private`` allows any.

    Raises NotAllowed when one of them is not public, and OSError when there is none.
    """
    addresses = await resolve(host, port)
    if not addresses:
        raise OSError("the name has no address")
    if not private and not all(is_public(address) for address in addresses):
        raise NotAllowed("leads to an address that is not public")
    return addresses
