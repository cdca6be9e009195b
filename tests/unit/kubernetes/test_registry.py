"""Images out of archives and programs, served as a registry does."""

import json
import tarfile
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.kubernetes.images import add_archives, add_program
from tests.kubernetes.registry import MANIFEST, Store, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    made = Store(tmp_path / "images")
    add_program(made, "pause:real", program)
    return made


def read(store: Store, path: str) -> bytes:
    blob = store.find(path)
    assert blob is not None, path
    return blob.path.read_bytes()


def test_an_image_is_found_by_name_and_by_digest(store: Store) -> None:
    blob = store.find("/v2/pause/manifests/real")
    assert blob is not None
    assert blob.media_type == MANIFEST
    assert store.find(f"/v2/pause/manifests/{blob.digest}") == blob


def test_an_image_of_a_program_is_that_program(store: Store) -> None:
    manifest = json.loads(read(store, "/v2/pause/manifests/real"))
    layer = read(store, f"/v2/pause/blobs/{manifest['layers'][0]['digest']}")
    config = json.loads(read(store, f"/v2/pause/blobs/{manifest['config']['digest']}"))
    with tarfile.open(fileobj=BytesIO(layer)) as tar:
        content = tar.extractfile("pause")
        assert content is not None
        assert content.read() == b"\x7fELF"
        assert tar.getmember("pause").mode == 0o755
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/pause/manifests/other",
        "/v2/other/manifests/real",
        f"/v2/pause/blobs/sha256:{'0' * 64}",
        "/v2/pause/blobs/sha256:../../../etc/passwd",
        "/v2/pause/blobs/..",
        "/v2/pause/tags/list",
        "/",
    ],
)
def test_nothing_else_is_found(store: Store, path: str) -> None:
    assert store.find(path) is None


def test_archives_are_named_as_manifests_name_them(store: Store, tmp_path: Path) -> None:
    manifest = read(store, "/v2/pause/manifests/real")
    found = store.find("/v2/pause/manifests/real")
    assert found is not None
    digest = found.digest
    index = {"manifests": [{"mediaType": MANIFEST, "digest": digest, "size": len(manifest)}]}
    members = {"./index.json": json.dumps(index).encode(), f"./blobs/sha256/{digest.partition(':')[2]}": manifest}
    archives = tmp_path / "archives"
    archives.mkdir()
    for name in ("controller", "proxy", "proxy-init", "djapp"):
        with tarfile.open(archives / f"{name}.tar", "w") as tar:
            for path, content in members.items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, BytesIO(content))
    other = Store(tmp_path / "others")
    add_archives(other, archives)
    assert read(other, "/v2/crossfade/djapp/manifests/v1.0") == manifest


def test_a_missing_archive_is_said_with_the_way_out(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"controller\.tar is missing: `make images` builds it"):
        add_archives(store, tmp_path)


def test_a_registry_answers_head_and_get(store: Store) -> None:
    with served(store, "127.0.0.1") as url:
        with urlopen(f"{url}/v2/", timeout=10) as answer:
            assert answer.status == 200
        asked = f"{url}/v2/pause/manifests/real?ns=registry.k8s.io"
        with urlopen(asked, timeout=10) as answer:
            manifest = answer.read()
            assert answer.headers["Content-Type"] == MANIFEST
        with urlopen(Request(asked, method="HEAD"), timeout=10) as answer:
            assert int(answer.headers["Content-Length"]) == len(manifest)
            assert answer.read() == b""
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"{url}/v2/pause/manifests/other", timeout=10)
        refused.value.close()
