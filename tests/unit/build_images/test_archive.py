"""From an OCI layout to one file, and whether it is small enough."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from images.archive import Archive, write_archive
from images.sizes import MB, over_limit, table


def test_archive_has_each_tag_and_counts_what_is_unpacked(tmp_path: Path) -> None:
    layout = _layout(tmp_path / "layout", {"envoy": 70_000, "launcher": 10})
    archive = write_archive(layout, tmp_path / "proxy.tar", "docker.io/crossfade/proxy", ("0.1.0", "v1.0"))
    assert archive.name == "proxy"
    assert archive.largest == 70_000
    assert 70_010 < archive.unpacked < 90_000
    assert 0 < archive.packed < 1_000
    with tarfile.open(archive.path) as written:
        index = json.load(_file(written, "index.json"))
    names = [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]]
    assert names == ["docker.io/crossfade/proxy:0.1.0", "docker.io/crossfade/proxy:v1.0"]
    assert [each["annotations"]["org.opencontainers.image.ref.name"] for each in index["manifests"]] == [
        "0.1.0",
        "v1.0",
    ]
    assert len({each["digest"] for each in index["manifests"]}) == 1


def test_same_layout_gives_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        layout = _layout(tmp_path / name, {"a": 1})
        contents.append(write_archive(layout, tmp_path / f"{name}.tar", "x", ("1",)).path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("name", "unpacked", "complaint"),
    [
        ("proxy", 167 * MB, ""),
        ("proxy", 168 * MB, "proxy is 168.0 MB, more than 167.0 MB"),
        ("proxy-init", 20 * MB, ""),
        ("proxy-init", 21 * MB, "proxy-init is 21.0 MB, more than 20.0 MB"),
        ("controller", 500 * MB, ""),
    ],
)
def test_limits(name: str, unpacked: int, complaint: str) -> None:
    archive = Archive(name, Path("x"), unpacked=unpacked, packed=1, largest=107 * MB)
    assert over_limit([archive]) == ([complaint] if complaint else [])


def test_table_has_a_row_for_each_image() -> None:
    rows = table([Archive("proxy-init", Path("a.tar"), unpacked=16_540_000, packed=5_000_000, largest=1)]).splitlines()
    assert rows[2:] == ["| proxy-init | 16.5 MB | 5.0 MB | a.tar |"]


def _layout(folder: Path, files: dict[str, int]) -> Path:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, size in files.items():
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))
    layer = _blob(folder, gzip.compress(tar.getvalue(), mtime=0))
    manifest = _blob(folder, json.dumps({"layers": [layer]}).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def _blob(folder: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    path = folder / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def _file(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return file
