"""The process's limit of open files, which is 1,024 on many systems: too few for thousands of connections."""

import resource
import sys


def file_limit() -> int:
    """Returns how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_file_limit(files: int) -> int:
    """Raises the limit to ``files`` as far as the system allows and returns the one in force; never lowers it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    wanted = max(soft, files if hard == resource.RLIM_INFINITY else min(files, hard))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a bound of its own below an unlimited hard limit
        return soft
    return wanted
