"""The SQLite file behind the storage: one table of objects and the newest revision.

WAL with `synchronous=NORMAL`: no acknowledged write is lost when the process is killed; a power cut may lose the last
commits but never corrupts the file. It holds Secrets: only its owner may read it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (bucket, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_PUT: Final = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM objects WHERE bucket = ? AND namespace = ? AND name = ?"
_REVISION: Final = "INSERT OR REPLACE INTO facts VALUES ('revision', ?)"

Change = tuple[int, bytes] | None
"""Revision and encoded object, or None for a removal."""


class Database:
    """An open file. Used from one thread."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file; None keeps everything in memory (for tests)."""
        if path is not None:
            # SQLite gives its companion files the same mode.
            path.touch(mode=0o600)
            path.chmod(0o600)
        self._connection: Final = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        row = self._connection.execute("SELECT value FROM facts WHERE key = 'revision'").fetchone()
        self.revision: Final[int] = row[0] if row else 0

    def load(self) -> Iterator[tuple[str, str, str, int, bytes]]:
        yield from self._connection.execute("SELECT bucket, namespace, name, revision, data FROM objects")

    def write(self, revision: int, changes: Mapping[tuple[str, str, str], Change]) -> None:
        """Commit changes, keyed by (bucket, namespace, name), together with the newest revision: all or nothing."""
        puts = [(*key, *change) for key, change in changes.items() if change is not None]
        gone = [key for key, change in changes.items() if change is None]
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        try:
            run.executemany(_PUT, puts)
            run.executemany(_DELETE, gone)
            run.execute(_REVISION, (revision,))
            run.execute("COMMIT")
        except BaseException:
            # A refused COMMIT leaves the transaction open, and the next one could not begin; some errors end it.
            if run.in_transaction:
                run.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()
