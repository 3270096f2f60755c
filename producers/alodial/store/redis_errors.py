"""Classifies errors of Redis, in one place: cannot it work now, or did we ask for something wrong?

redis-py hands the same error over in several forms. Most codes have a class of their own, whose text lacks the code, and
which classes there are differs between versions. A pipeline puts "Command # 1 (...) of pipeline caused error: " in
front, an asynchronous one writes the repr of a tuple behind it. Redis 6 wraps an error inside a script in
"ERR Error running script (...): @user_script:5: -OOM ...".
"""

import re
from typing import Final

import redis.exceptions

PASSING_CODES: Final = frozenset(
    {
        "LOADING",  # starts, and reads its data
        "READONLY",  # became a replica
        "MISCONF",  # cannot save to its disk
        "OOM",  # is full
        "BUSY",  # runs a long script
        "UNBLOCKED",  # ended a blocking read for its own sake, such as a role that changed
        "NOREPLICAS",  # has fewer replicas than min-replicas-to-write
        "MASTERDOWN",  # a replica without its primary
        "NOMASTERLINK",
        "NOGOODSLAVE",
        "INPROG",
        "TRYAGAIN",  # a slot is moving
        "CLUSTERDOWN",
        "MOVED",
        "ASK",
        "NOAUTH",  # its users are being changed: an operator must act, and no call may be lost meanwhile
        "WRONGPASS",
        "NOPERM",
        "MAXCLIENTS",
        "EXECABORT",
    }
)
"""Codes of a Redis that cannot work now. NOREPLICAS, MISCONF and their like end without any change to what we asked."""

_CLASSES: Final = {
    "BusyLoadingError": "LOADING",
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "TryAgainError": "TRYAGAIN",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "NoPermissionError": "NOPERM",
    "ExecAbortError": "EXECABORT",
    "NoScriptError": "NOSCRIPT",
}
"""Codes of classes whose text lacks it, by name: not every version of redis-py has every class."""

_PIPELINE: Final = "of pipeline caused error: "
_SCRIPT = re.compile(r"@user_script:\s*\d+:\s*-?([A-Z]{2,})\b")
_ABORTED = re.compile(r"because of: -?([A-Z]{2,})\b")
_CODE = re.compile(r"-?([A-Z]{2,})(?:\s|$)")


def error_code(exc: BaseException) -> str:
    """Returns the code that Redis gave, such as ``NOPERM``, in whatever form redis-py hands the error over; "" for none."""
    if (code := getattr(exc, "status_code", None)) and code not in ("ERR", "EXECABORT"):
        return str(code)
    for kind in type(exc).__mro__:
        if (code := _CLASSES.get(kind.__name__)) is not None and code != "EXECABORT":
            return code
    text = str(exc.args[0]) if exc.args else ""
    # The command may hold anything, this phrase too: the error is behind the last one.
    text = text.rpartition(_PIPELINE)[2].lstrip("('\"")
    if inner := _SCRIPT.search(text) or _ABORTED.search(text):
        return inner[1]
    if isinstance(exc, redis.exceptions.ExecAbortError):
        return "EXECABORT"
    if "max number of clients" in text:
        return "MAXCLIENTS"
    if code := _CODE.match(text):
        return code[1]
    return ""


def is_passing(exc: BaseException) -> bool:
    """Returns whether the error means that Redis cannot work now; any other refusal is a fault of ours."""
    if isinstance(exc, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError | OSError):
        return True
    if is_closed_transport(exc):
        return True
    if isinstance(exc, redis.exceptions.DataError):
        return False
    if isinstance(exc, redis.exceptions.ResponseError):
        return error_code(exc) in PASSING_CODES
    return isinstance(exc, redis.exceptions.RedisError)


def is_closed_transport(exc: BaseException) -> bool:
    """Returns whether uvloop was to write to a connection that the other side had closed: it raises a bare RuntimeError."""
    return type(exc) is RuntimeError and "the handler is closed" in str(exc)


def is_lost(exc: BaseException) -> bool:
    """Returns whether a connection is of no use after this error: it broke, or it leads to what became a replica."""
    return not isinstance(exc, redis.exceptions.ResponseError) or error_code(exc) == "READONLY"


def is_out_of_memory(exc: BaseException) -> bool:
    """Returns whether Redis refused a write because it is full."""
    return isinstance(exc, redis.exceptions.ResponseError) and error_code(exc) == "OOM"


def is_forbidden(exc: BaseException) -> bool:
    """Returns whether this Redis does not offer the command to us: its user may not run it, or it has another name there.

    Only for commands that are a help and no need, such as CONFIG: for others a missing right passes, see PASSING_CODES.
    """
    return error_code(exc) in {"NOPERM", "ERR", ""}  # redis-py takes "ERR" out of the text


def is_group_existing(exc: BaseException) -> bool:
    """Returns whether a stream has the group of readers already that was to be made."""
    return error_code(exc) == "BUSYGROUP"


def is_group_missing(exc: BaseException) -> bool:
    """Returns whether a stream or its group of readers does not exist, as after a FLUSHALL."""
    return error_code(exc) == "NOGROUP" or "no such key" in str(exc)
