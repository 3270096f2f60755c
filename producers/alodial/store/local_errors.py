"""Errors of a connection that are this machine's own: nothing was sent, and they say nothing about the other side."""

import errno
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

LOCAL_ERRORS: Final[Mapping[int, str]] = {
    errno.EMFILE: "out_of_files",
    errno.ENFILE: "out_of_files",
    errno.EADDRNOTAVAIL: "out_of_ports",
    errno.ENOBUFS: "out_of_memory",
    errno.ENOMEM: "out_of_memory",
    errno.EACCES: "connect_forbidden",
    errno.EPERM: "connect_forbidden",
}
"""Codes by error number; the other side cannot cause any of these."""

LOCAL_CODES: Final = frozenset(LOCAL_ERRORS.values())

FORBIDDEN: Final = "connect_forbidden"
"""Of a single address: a firewall or SELinux lets this process not connect to it. The others are shortages, of every address."""

LOCAL_WORDS: Final[Mapping[str, str]] = {
    "out_of_files": "this process has no file descriptors left",
    "out_of_ports": "this machine has no local ports left",
    "out_of_memory": "this machine has no memory left for connections",
    FORBIDDEN: "this machine does not permit it: a firewall, or the rights of a socket",
}

_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EAFNOSUPPORT})


def local_code(exc: BaseException) -> str:
    """Returns the code of an error that is this machine's own, "" for any other."""
    if isinstance(exc, MemoryError):
        return "out_of_memory"
    if isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError):
        return LOCAL_ERRORS.get(exc.errno or 0, "")
    return ""


def shortage_of_files() -> OSError | None:
    """Returns the error of opening a file now, None where that works: a look-up without descriptors fails in any words."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return exc if LOCAL_ERRORS.get(exc.errno or 0) == "out_of_files" else None
    return None


def most_telling(errors: Sequence[BaseException]) -> BaseException:
    """Returns the error of several addresses that says most: of the other side, then of this machine, then of a route."""

    def rank(exc: BaseException) -> int:
        if local_code(exc):
            return 1
        return 2 if isinstance(exc, OSError) and exc.errno in _NO_ROUTE else 0

    return min(errors, key=rank)
