"""The images that a cluster of ours runs: those of `make images`, and two of one program each."""

import io
import json
import tarfile
from pathlib import Path
from typing import Final

from crossfade import __version__
from tests.kubernetes.configuration import DNS_IMAGE, PAUSE_IMAGE
from tests.kubernetes.registry import MANIFEST, Store

ARCHIVES: Final = {
    "controller": __version__,
    "proxy": __version__,
    "proxy-init": __version__,
    "djapp": "v1.0",
}
"""Files of `make images`, with the tags that manifests name."""
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


def add_parts(store: Store, programs: Path) -> None:
    """CoreDNS, and what holds a pod's namespaces."""
    for image, program in ((DNS_IMAGE, "coredns"), (PAUSE_IMAGE, "pause")):
        add_program(store, image.partition("/")[2], programs / program)


def add_archives(store: Store, folder: Path) -> None:
    """The images of `make images`.

    Raises FileNotFoundError with the way out where one is missing.
    """
    for name, tag in ARCHIVES.items():
        archive = folder / f"{name}.tar"
        if not archive.exists():
            raise FileNotFoundError(f"{archive} is missing: `make images` builds it")
        store.add_archive(archive, f"crossfade/{name}:{tag}")


def add_program(store: Store, name: str, program: Path, *, user: str = "") -> None:
    """An image of one static program, which runs as root unless it names a `user`."""
    layer = store.add(_tar_of(program))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": user},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, **store.add(json.dumps(config).encode())},
        "layers": [{"mediaType": _LAYER, **layer}],
    }
    store.name(name, {"mediaType": MANIFEST, **store.add(json.dumps(manifest).encode())})


def _tar_of(program: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        member = tarfile.TarInfo(program.name)
        member.size, member.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            tar.addfile(member, content)
    return written.getvalue()
