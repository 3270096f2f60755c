"""Whether a host is this machine alone. No I/O."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
