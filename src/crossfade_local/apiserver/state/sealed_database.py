"""The state with its Secrets encrypted: what goes in is sealed, what comes out opened, nothing above sees of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from crossfade_local.apiserver.state.database import Change, Database, Synchronous
from crossfade_local.apiserver.state.sealing import Seal, SealError, is_sealed, load_key, make_key

SEALED_BUCKET: Final = "/secrets"
KEY_FILE: Final = "secrets.key"
_SECRETS: Final = "SELECT namespace, name, data FROM objects WHERE bucket = ?"
_REPLACE: Final = "UPDATE objects SET data = ? WHERE bucket = ? AND namespace = ? AND name = ?"


class SealedDatabase(Database):
    """The key is made with a new state. Raises SealError where the key of an old one is missing or another."""

    def __init__(self, path: Path, *, synchronous: Synchronous = Synchronous.NORMAL) -> None:
        super().__init__(path, synchronous=synchronous)
        self._seal = self._find_seal(path.with_name(KEY_FILE))
        self._seal_plain_records()

    def load(self) -> Iterator[tuple[str, str, str, int, bytes]]:
        for bucket, namespace, name, revision, data in super().load():
            opened = self._seal.open(data, (bucket, namespace, name)) if bucket == SEALED_BUCKET else data
            yield bucket, namespace, name, revision, opened

    def write(self, revision: int, changes: Mapping[tuple[str, str, str], Change]) -> None:
        super().write(revision, {place: self._sealed(place, change) for place, change in changes.items()})

    def _sealed(self, place: tuple[str, str, str], change: Change) -> Change:
        if change is None or place[0] != SEALED_BUCKET:
            return change
        return change[0], self._seal.close(change[1], place)

    def _find_seal(self, path: Path) -> Seal:
        key = load_key(path)
        if key is None:
            if any(is_sealed(data) for _, _, data in self._connection.execute(_SECRETS, (SEALED_BUCKET,))):
                raise SealError(
                    f"{path} is missing, and Secrets are encrypted with the key in it: put the file back, or move "
                    "state.db away to start with an empty cluster"
                )
            key = make_key(path)
        return Seal(key, path)

    def _seal_plain_records(self) -> None:
        """Those of a former version, leaving no copy of them in the file."""
        found = self._connection.execute(_SECRETS, (SEALED_BUCKET,))
        plain = [(namespace, name, data) for namespace, name, data in found if not is_sealed(data)]
        if not plain:
            return
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        for namespace, name, data in plain:
            place = (SEALED_BUCKET, namespace, name)
            run.execute(_REPLACE, (self._seal.close(data, place), *place))
        run.execute("COMMIT")
        run.execute("VACUUM")
        run.execute("PRAGMA wal_checkpoint(TRUNCATE)")
