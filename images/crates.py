"""What the policy module and the launcher are linked from: `python3 -m images.crates OUT`, in the build's container.

OUT/crates.json lists the crates, OUT/licences/NAME-VERSION has the texts that each brings. Standard library only.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT_CRATES: Final = frozenset({"crossfade_policy", "crossfade_launcher"})
_TEXTS: Final = ("licen[cs]e*", "LICEN[CS]E*", "COPYING*", "COPYRIGHT*", "NOTICE*")


class Crate(NamedTuple):
    """`licence` is an SPDX expression."""

    name: str
    version: str
    licence: str
    folder: str


def linked_crates(metadata: dict[str, Any]) -> list[Crate]:
    """From `cargo metadata`: what is linked into them. Of the crates that only run while it is built those count
    that bring sources in C, by Cargo's custom named `*-src`."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    todo = [identity for identity, package in packages.items() if package["name"] in ROOT_CRATES]
    seen: set[str] = set()
    while todo:
        identity = todo.pop()
        if identity in seen:
            continue
        seen.add(identity)
        for dependency in nodes[identity]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            is_source = "build" in kinds and packages[dependency["pkg"]]["name"].endswith("-src")
            if None in kinds or is_source:
                todo.append(dependency["pkg"])
    return sorted(_crate(packages[identity]) for identity in seen if packages[identity]["name"] not in ROOT_CRATES)


def _crate(package: dict[str, Any]) -> Crate:
    # Cargo once allowed a slash for OR.
    licence = (package["license"] or "NOASSERTION").replace("/", " OR ")
    return Crate(package["name"], package["version"], licence, str(Path(package["manifest_path"]).parent))


def main(out: Path) -> None:
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    target = next(line.split()[1] for line in version.splitlines() if line.startswith("host:"))
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    crates = linked_crates(json.loads(done.stdout))
    for crate in crates:
        texts = out / "licences" / f"{crate.name}-{crate.version}"
        texts.mkdir(parents=True)
        for path in sorted({path for pattern in _TEXTS for path in Path(crate.folder).glob(pattern) if path.is_file()}):
            shutil.copyfile(path, texts / path.name)
    (out / "crates.json").write_text(json.dumps([crate._asdict() for crate in crates], indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
