"""A state file that refuses writes on demand."""

import sqlite3
from pathlib import Path


class FillingDisk:
    """SQLite's own refusal, on demand: a trigger in the file under test raises it."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def fill(self) -> None:
        for table in ("objects", "facts"):
            self._connection.execute(
                f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )

    def clear(self) -> None:
        for table in ("objects", "facts"):
            self._connection.execute(f"DROP TRIGGER full_{table}")

    def close(self) -> None:
        self._connection.close()
