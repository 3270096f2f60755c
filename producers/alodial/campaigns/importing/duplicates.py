"""Finds repeated keys exactly, for millions of them in 16 MiB."""

import sqlite3
from collections.abc import Sequence

CACHE_KIB = 16 * 1024


class DuplicateSet:
    """A set of 63-bit keys in a temporary SQLite database, which moves to disk when it is large."""

    def __init__(self) -> None:
        # An empty name is a private database in a temporary file.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._db.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add_many(self, keys: Sequence[int]) -> list[bool]:
        """Adds the keys, and says for each whether it was in the set before, or earlier in this list."""
        execute = self._db.execute
        return [execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 0 for key in keys]

    def close(self) -> None:
        self._db.close()
