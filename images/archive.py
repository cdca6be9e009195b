"""An OCI layout as one file, under the names by which registries and container runtimes shall know the image."""

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any, Final, NamedTuple

_CHUNK: Final = 1 << 20


class Archive(NamedTuple):
    """Sizes in bytes: of all layers unpacked, as they travel, and of the largest file."""

    name: str
    path: Path
    unpacked: int
    packed: int
    largest: int


def write_archive(layout: Path, path: Path, name: str, tags: tuple[str, ...]) -> Archive:
    """`layout` has one image. It appears at `path` whole or not at all; the same layout gives the same bytes."""
    index = json.loads((layout / "index.json").read_text())
    [manifest] = index["manifests"]
    index["manifests"] = [manifest | {"annotations": _annotations(name, tag)} for tag in tags]
    (layout / "index.json").write_text(json.dumps(index))
    draft = path.with_suffix(".new")
    with tarfile.open(draft, "w") as archive:
        for file in sorted(file for file in layout.rglob("*") if file.is_file()):
            archive.add(file, file.relative_to(layout).as_posix(), filter=_plain)
    draft.rename(path)
    layers = [
        _blob(layout, layer["digest"]) for layer in json.loads(_blob(layout, manifest["digest"]).read_text())["layers"]
    ]
    contents = [_contents(layer) for layer in layers]
    return Archive(
        path.stem,
        path,
        unpacked=sum(size for size, _ in contents),
        packed=sum(layer.stat().st_size for layer in layers),
        largest=max(largest for _, largest in contents),
    )


def _annotations(name: str, tag: str) -> dict[str, str]:
    """OCI's own, which is a tag alone, and the one of containerd, which then needs no options to import it."""
    return {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": f"{name}:{tag}"}


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _contents(layer: Path) -> tuple[int, int]:
    """Its size as tar, and that of its largest file."""
    with gzip.open(layer) as stream:
        size = 0
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
    with tarfile.open(layer) as archive:
        return size, max((member.size for member in archive), default=0)


def manifest_of(layout: Path) -> Any:
    [manifest, *_] = json.loads((layout / "index.json").read_text())["manifests"]
    return json.loads(_blob(layout, manifest["digest"]).read_text())
