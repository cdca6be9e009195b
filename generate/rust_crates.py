"""Builds the Rust libraries and programs and puts them among the generated files under names that hold their hash.

They are mapped into memory, so a file once placed is never written again: a new build gets a new name.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent


class Crate(NamedTuple):
    """Of the workspace, in `folder`; what it becomes is called `file_stem` and `suffix`."""

    name: str
    folder: str
    file_stem: str
    suffix: str = ""

    @property
    def built(self) -> Path:
        return ROOT / "target" / "release" / f"{self.file_stem}{self.suffix}"


CRATES: Final = (
    Crate("crossfade_policy", "filters", "libcrossfade_policy", ".so"),
    Crate("crossfade_pages", "pages", "libcrossfade_pages", ".so"),
    Crate("crossfade_reads", "reads", "libcrossfade_reads", ".so"),
    Crate("crossfade_launcher", "launcher", "crossfade_launcher"),
    Crate("crossfade_counts", "counts", "libcrossfade_counts", ".so"),
)


def generate(target: Path) -> None:
    """Leaves exactly one current build of each crate in `target`; quick when the sources are those of the last one.

    Raises RuntimeError with the way out when there is no Rust toolchain or a build fails.
    """
    for crate in CRATES:
        _generate(crate, target)


def _generate(crate: Crate, target: Path) -> None:
    digest = _digest(_sources(crate))
    stamp = target / f"{crate.file_stem}.sources"
    recorded = stamp.read_text().split() if stamp.exists() else []
    if len(recorded) == 2 and recorded[0] == digest and (target / recorded[1]).exists():
        return
    _build(crate)
    target.mkdir(parents=True, exist_ok=True)
    name = f"{crate.file_stem}-{_digest([crate.built])}{crate.suffix}"
    if not (target / name).exists():
        _place(crate.built, target / name)
    else:
        os.utime(target / name)
    _place_text(f"{digest} {name}\n", stamp)
    in_use = _mapped_names(crate)
    for old in target.glob(f"{crate.file_stem}-*{crate.suffix}"):
        # A control plane that still names an older build must find it as long as its Envoys run.
        if old.name != name and old.name not in in_use:
            old.unlink(missing_ok=True)


def _mapped_names(crate: Crate) -> set[str]:
    """Builds that some process of this machine has mapped, as far as they can be seen."""
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text(errors="replace").splitlines()
        except OSError:
            continue
        names.update(line.rpartition("/")[2] for line in lines if f"{crate.file_stem}-" in line)
    return names


def _sources(crate: Crate) -> list[Path]:
    folder = ROOT / crate.folder
    files = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", folder / "Cargo.toml", *folder.glob("src/**/*.rs")]
    return sorted(path for path in files if path.exists())


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _build(crate: Crate) -> None:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise RuntimeError("cargo is not installed; install Rust (https://rustup.rs) to build the proxy's parts")
    command = [cargo, "build", "--release", "--locked", "-p", crate.name, "--target-dir", str(ROOT / "target")]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise RuntimeError(f"{crate.name} does not build; run `{' '.join(command)}` in {ROOT} to see why")


def _place(source: Path, destination: Path) -> None:
    """Copies under another name in the same directory, then renames, so that no half-written file is ever seen."""
    with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".build-", delete=False) as copy:
        copy.write(source.read_bytes())
    Path(copy.name).chmod(0o755)
    Path(copy.name).replace(destination)


def _place_text(text: str, destination: Path) -> None:
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(destination)
