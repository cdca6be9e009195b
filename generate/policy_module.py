"""Builds the Rust libraries and puts them among the generated files under names that hold their contents' hash.

Envoy maps them into memory, so a file once placed is never written again: a new build gets a new name.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent


class Library(NamedTuple):
    """A crate of the workspace, in `folder`."""

    crate: str
    folder: str

    @property
    def file_stem(self) -> str:
        return f"lib{self.crate}"

    @property
    def built(self) -> Path:
        return ROOT / "target" / "release" / f"{self.file_stem}.so"


LIBRARIES: Final = (Library("crossfade_policy", "filters"), Library("crossfade_pages", "pages"))


def generate(target: Path) -> None:
    """Leaves exactly one current build of each library in `target`; quick when the sources are those of the last one.

    Raises RuntimeError with the way out when there is no Rust toolchain or a build fails.
    """
    for library in LIBRARIES:
        _generate(library, target)


def _generate(library: Library, target: Path) -> None:
    digest = _digest(_sources(library))
    stamp = target / f"{library.file_stem}.sources"
    recorded = stamp.read_text().split() if stamp.exists() else []
    if len(recorded) == 2 and recorded[0] == digest and (target / recorded[1]).exists():
        return
    _build(library)
    target.mkdir(parents=True, exist_ok=True)
    name = f"{library.file_stem}-{_digest([library.built])}.so"
    if not (target / name).exists():
        _place(library.built, target / name)
    else:
        os.utime(target / name)
    _place_text(f"{digest} {name}\n", stamp)
    in_use = _mapped_names(library)
    for old in target.glob(f"{library.file_stem}-*.so"):
        # A control plane that still names an older build must find it as long as its Envoys run.
        if old.name != name and old.name not in in_use:
            old.unlink(missing_ok=True)


def _mapped_names(library: Library) -> set[str]:
    """Builds that some process of this machine has mapped, as far as they can be seen."""
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text(errors="replace").splitlines()
        except OSError:
            continue
        names.update(line.rpartition("/")[2] for line in lines if f"{library.file_stem}-" in line)
    return names


def _sources(library: Library) -> list[Path]:
    crate = ROOT / library.folder
    files = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", crate / "Cargo.toml", *crate.glob("src/**/*.rs")]
    return sorted(path for path in files if path.exists())


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _build(library: Library) -> None:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise RuntimeError("cargo is not installed; install Rust (https://rustup.rs) to build the policy module")
    command = [cargo, "build", "--release", "--locked", "-p", library.crate, "--target-dir", str(ROOT / "target")]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise RuntimeError(f"{library.crate} does not build; run `{' '.join(command)}` in {ROOT} to see why")


def _place(source: Path, destination: Path) -> None:
    """Copies under another name in the same directory, then renames, so that no half-written file is ever seen."""
    with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".library-", delete=False) as copy:
        copy.write(source.read_bytes())
    Path(copy.name).chmod(0o755)
    Path(copy.name).replace(destination)


def _place_text(text: str, destination: Path) -> None:
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(destination)
