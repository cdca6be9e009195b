"""A registry of images on the nodes' bridge: serves a folder of blobs, whatever registry an image is named after."""

import hashlib
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

Json = dict[str, Any]

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
REF_NAME: Final = "org.opencontainers.image.ref.name"
_ASKED: Final = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs)/(?P<which>[^/]+)")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class Blob(NamedTuple):
    digest: str
    media_type: str
    path: Path


class Store:
    """Images by their names without a registry, as `crossfade/proxy:0.1.0`."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        self._names: dict[str, tuple[str, str]] = {}

    def add(self, content: bytes) -> Json:
        """Returns what a descriptor says of it, without its media type."""
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def name(self, name: str, descriptor: Json) -> None:
        self._names[name] = (descriptor["digest"], descriptor["mediaType"])

    def add_archive(self, archive: Path, name: str) -> None:
        """An OCI archive of one image, whatever names it has there."""
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and member.name.removeprefix("./").startswith("blobs/sha256/"):
                    self._take(tar, member)
            index = tar.extractfile(_member(tar, "index.json"))
            assert index is not None
            descriptor, *_ = json.load(index)["manifests"]
        self.name(name, descriptor)

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        source = tar.extractfile(member)
        assert source is not None
        with (self._blobs / Path(member.name).name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)

    def find(self, path: str) -> Blob | None:
        """What a client asks for with the path of a URL (OCI distribution, "Pulling manifests", "Pulling blobs")."""
        asked = _ASKED.fullmatch(path)
        if not asked:
            return None
        which = asked["which"]
        media_type = MANIFEST if asked["what"] == "manifests" else "application/octet-stream"
        if asked["what"] == "manifests" and not _DIGEST.fullmatch(which):
            which, media_type = self._names.get(f"{asked['name']}:{which}", ("", ""))
        if not _DIGEST.fullmatch(which):
            return None
        file = self._blobs / which.removeprefix("sha256:")
        return Blob(which, media_type, file) if file.exists() else None


def _member(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    return next(each for each in tar if each.name.removeprefix("./") == name)


@contextmanager
def served(store: Store, address: str) -> Iterator[str]:
    """The URL of the registry."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            blob = self._answered()
            if blob is not None:
                with blob.path.open("rb") as content:
                    shutil.copyfileobj(content, self.wfile, 1 << 20)

        def do_HEAD(self) -> None:
            self._answered()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """What was asked for stands in containerd's log."""

        def _answered(self) -> Blob | None:
            blob = store.find(urlsplit(self.path).path)
            self.send_response(200 if blob or self.path.rstrip("/") == "/v2" else 404)
            self.send_header("Content-Length", str(blob.path.stat().st_size if blob else 0))
            if blob:
                self.send_header("Content-Type", blob.media_type)
                self.send_header("Docker-Content-Digest", blob.digest)
            self.end_headers()
            return blob

    with ThreadingHTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="registry")
        thread.start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
