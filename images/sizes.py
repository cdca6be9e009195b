"""How large the images are, and how large they may be."""

from collections.abc import Iterable
from typing import Final

from images.archive import Archive

MB: Final = 1_000_000
# Beside Envoy's own program, which is the largest file of the proxy's image.
BESIDE_ENVOY: Final = 60 * MB
LIMITS: Final = {"proxy-init": 20 * MB}


def over_limit(archives: Iterable[Archive]) -> list[str]:
    complaints = []
    for archive in archives:
        limit = archive.largest + BESIDE_ENVOY if archive.name == "proxy" else LIMITS.get(archive.name)
        if limit is not None and archive.unpacked > limit:
            complaints.append(f"{archive.name} is {archive.unpacked / MB:.1f} MB, more than {limit / MB:.1f} MB")
    return complaints


def table(archives: Iterable[Archive]) -> str:
    rows = [
        f"| {archive.name} | {archive.unpacked / MB:.1f} MB | {archive.packed / MB:.1f} MB | {archive.path} |"
        for archive in archives
    ]
    return "\n".join(["| image | unpacked | compressed | archive |", "|---|---|---|---|", *rows])
