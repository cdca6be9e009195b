"""The SQLite file behind the storage: one table of objects and the newest revision.

In WAL mode no acknowledged write is lost when the process is killed, and nothing ever corrupts the file. Whether a
power cut may take the last commits is the choice of who opens it. It holds Secrets: only its owner may read it.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from crossfade_local.apiserver.state.format import connect, damage_named, make_tables, open_state

_PUT: Final = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM objects WHERE bucket = ? AND namespace = ? AND name = ?"
_REVISION: Final = "INSERT OR REPLACE INTO facts VALUES ('revision', ?)"
_PUT_PROBE: Final = "INSERT OR REPLACE INTO facts VALUES ('probe', zeroblob(?))"
_DELETE_PROBE: Final = "DELETE FROM facts WHERE key = 'probe'"

Change = tuple[int, bytes] | None
"""Revision and encoded object, or None for a removal."""


class Synchronous(Enum):
    """How far a commit has got when it is acknowledged; SQLite's own words."""

    NORMAL = "normal"
    """With the system: it survives the death of any process, and is on the disk within moments."""
    FULL = "full"
    """On the disk: it survives a power cut, for the price of waiting for the disk."""


class Database:
    """An open file. Used from one thread."""

    def __init__(self, path: Path | None, *, synchronous: Synchronous = Synchronous.NORMAL) -> None:
        """Open or make the file; None keeps everything in memory (for tests). Raises UnusableStateError."""
        self._path = path or Path(":memory:")
        if path is None:
            self._connection = connect(":memory:")
            make_tables(self._connection)
        else:
            self._connection = open_state(path)
        with damage_named(self._path):
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={synchronous.value}")
            row = self._connection.execute("SELECT value FROM facts WHERE key = 'revision'").fetchone()
        self.revision: Final[int] = row[0] if row else 0

    def load(self) -> Iterator[tuple[str, str, str, int, bytes]]:
        """Raises UnusableStateError."""
        with damage_named(self._path):
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

    def probe(self, size: int) -> None:
        """Raises what a write of `size` bytes would raise; leaves nothing."""
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        try:
            run.execute(_PUT_PROBE, (size,))
            run.execute("COMMIT")
        except BaseException:
            if run.in_transaction:
                run.execute("ROLLBACK")
            raise
        run.execute(_DELETE_PROBE)

    def close(self) -> None:
        self._connection.close()
