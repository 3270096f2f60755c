"""Looks whether a server reads the data that another one left in its folder. It would start empty without a word otherwise.

Redis 7 and Valkey keep their append-only file in parts, in the folder ``appendonlydir``; older ones in ``appendonly.aof``.
"""

import re
import subprocess
from pathlib import Path

from ..errors import ConfigurationError

_PARTS = "appendonlydir/appendonly.aof.manifest"
_SINGLE = "appendonly.aof"
_SERVER = re.compile(r"(Redis|Valkey) server v=([0-9]+)([0-9.]*)")
_WRITER = re.compile(rb"(redis|valkey)-ver.([0-9][0-9.]*)", re.DOTALL)


def require_readable(folder: Path, binary: str) -> None:
    """Raises ConfigurationError where the server would not read all data of the folder; nothing is changed then."""
    parts, single = (folder / _PARTS).exists(), folder / _SINGLE
    if not parts:
        return  # new servers read a single file, and keep it in parts from then on
    if single.exists() and single.stat().st_size:
        raise ConfigurationError(
            f"{folder} has the data of two Redis servers, and only one would be read: appendonlydir (of {_writer(folder)}) and"
            f" {_SINGLE} (of Redis before 7); move the one that you do not need to another folder"
        )
    name = _old_server(binary)
    if name:
        raise ConfigurationError(
            f"{folder} has the data of {_writer(folder)}, which {name} does not read: it would start empty; install the server"
            " that wrote it, or name it in REDIS_SERVER; or move that folder away to begin anew"
        )


def _writer(folder: Path) -> str:
    for base in sorted((folder / _PARTS).parent.glob("*.base.*")):
        with base.open("rb") as file:
            if match := _WRITER.search(file.read(256)):
                return f"{match[1].decode().capitalize()} {match[2].decode()}"
    return "Redis 7 or newer, or Valkey"


def _old_server(binary: str) -> str:
    """The name and version of a server before Redis 7; "" for any other."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603  # our own binary
    except (OSError, subprocess.TimeoutExpired):
        return ""  # the start will say it
    match = _SERVER.search(done.stdout)
    return f"{match[1]} {match[2]}{match[3]}" if match and match[1] == "Redis" and int(match[2]) < 7 else ""
