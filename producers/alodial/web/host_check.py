"""Which names a request may be sent to: a page of another site must not reach web under a name of its own. No I/O."""

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.types import Scope

OPEN = ("/callbacks/", "/healthz", "/readyz", "/metrics")
"""Paths that programs of the same network use, by whatever name; none of them looks at a cookie."""


_HOST = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([A-Za-z0-9._-]+)(?::\d{1,5})?", re.ASCII)
"""The header's value: an address in brackets or a name, and a port. Nothing else, such as ``x@name`` or ``name/path``."""


def is_expected(public_url: str, scope: Scope) -> bool:
    """Whether the header ``Host`` is the name of ``public_url``, an address or localhost. Without a URL every name is."""
    return scope["path"].startswith(OPEN) or has_name_of(public_url, scope)


def has_name_of(public_url: str, scope: Scope) -> bool:
    """As :func:`is_expected`, for every path."""
    if not public_url:
        return True
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return False
    host = (match[1] or match[2]).lower()
    if host in ("localhost", urlsplit(public_url).hostname):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
