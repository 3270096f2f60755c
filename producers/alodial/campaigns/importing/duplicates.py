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

    def add_rows(self, rows: Sequence[tuple[int, ...]]) -> list[int | None]:
        """Adds the keys of each row that shares none with an earlier row; for each row the first shared key, None without.

        A row that repeats another adds nothing: it is not called, so its other numbers are still free.
        """
        execute = self._db.execute
        shared: list[int | None] = []
        for keys in rows:
            if len(keys) == 1:
                new = execute("INSERT OR IGNORE INTO seen VALUES (?)", keys).rowcount
                shared.append(None if new else keys[0])
                continue
            found = next((key for key in keys if execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone()), None)
            if found is None:
                self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(key,) for key in keys])
            shared.append(found)
        return shared

    def close(self) -> None:
        self._db.close()
