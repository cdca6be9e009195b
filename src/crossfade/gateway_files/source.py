"""A directory of manifests as a stream of snapshots: the last valid content of every file.

Bursts of changes are gathered for a moment. What a file holds while it is broken does not count; what it held before
stays in use until it is valid again or gone.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from crossfade.gateway_files.manifests import SUFFIXES, FileContent, FileProblem, Schemas, parse_manifests
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

DEBOUNCE_MS: Final = 200
QUIET_MS: Final = 20
# The directory is read at least this often, also where the kernel tells of no change (network file systems).
_REREAD_MS: Final = 1000


class FileState(NamedTuple):
    """`problems` are those of the files as they are now; `homes` says which file an object is from."""

    snapshot: Snapshot
    problems: tuple[FileProblem, ...]
    homes: dict[ObjectRef, str]
    file_count: int


class FileSource:
    """Iterate over it for the state of the directory, first as it is, then after every change."""

    def __init__(self, folder: Path, schemas: Schemas, *, now: Callable[[], datetime] | None = None) -> None:
        self._folder = folder
        self._schemas = schemas
        self._now = now or (lambda: datetime.now(UTC))
        self._texts: dict[Path, str] = {}
        self._current: dict[Path, FileContent] = {}
        self._valid: dict[Path, tuple[Any, ...]] = {}
        self._first_seen: dict[ObjectRef, str] = {}
        self._revision = 0

    async def __aiter__(self) -> AsyncIterator[FileState]:
        """Raises FileNotFoundError when the directory does not exist."""
        from watchfiles import awatch

        self.refresh()
        yield self.state()
        async for _ in awatch(
            self._folder,
            debounce=DEBOUNCE_MS,
            step=QUIET_MS,
            rust_timeout=_REREAD_MS,
            yield_on_timeout=True,
            recursive=False,
        ):
            if self.refresh():
                yield self.state()

    def refresh(self) -> bool:
        """Reads what changed on disk; whether anything did."""
        texts, unreadable = self._read()
        changed = {path for path in {*texts, *self._texts} if texts.get(path) != self._texts.get(path)}
        for path in changed:
            if path in texts:
                self._take(path, parse_manifests(path, texts[path], self._schemas))
            else:
                self._current.pop(path, None)
                self._valid.pop(path, None)
        for path, problem in unreadable.items():
            changed |= {path} if self._current.get(path) != problem else set()
            self._current[path] = problem
        self._texts = texts
        self._revision += bool(changed)
        return bool(changed)

    def state(self) -> FileState:
        objects: dict[tuple[ObjectRef, type[Any]], Any] = {}
        homes: dict[ObjectRef, str] = {}
        problems = [problem for content in self._current.values() for problem in content.problems]
        for path in sorted(self._valid):
            for item in self._valid[path]:
                ref = typed_ref(item)
                if ref in homes:
                    text = f"already defined in {homes[ref]}, which is used"
                    problems.append(FileProblem(str(path), str(ref), text, "keep one of them", is_fatal=False))
                    continue
                homes[ref] = str(path)
                objects[ref, type(item)] = self._dated(ref, item)
        snapshot = Snapshot.of(objects.values(), revision=self._revision)
        return FileState(snapshot, tuple(sorted(problems)), homes, len(self._valid))

    def _read(self) -> tuple[dict[Path, str], dict[Path, FileContent]]:
        texts: dict[Path, str] = {}
        unreadable: dict[Path, FileContent] = {}
        for path in self._folder.iterdir():
            if path.suffix not in SUFFIXES or path.name.startswith("."):
                continue
            try:
                texts[path] = path.read_text("utf-8")
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                unreadable[path] = FileContent(problems=(FileProblem(str(path), "", f"cannot be read: {reason}"),))
                if path in self._texts:
                    texts[path] = self._texts[path]
        return texts, unreadable

    def _take(self, path: Path, content: FileContent) -> None:
        self._current[path] = content
        if content.is_valid:
            self._valid[path] = content.objects

    def _dated(self, ref: ObjectRef, item: Any) -> Any:
        """Without a creation time of its own an object was created when it was first seen."""
        if item.metadata.creation_timestamp:
            return item
        seen = self._first_seen.setdefault(ref, self._now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        return replace(item, metadata=replace(item.metadata, creation_timestamp=seen))
