"""Builds the Rust policy module and puts it among the generated files under a name that holds its content's hash.

Envoy maps the library into memory, so a file once placed is never written again: a new build gets a new name.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "target" / "release" / "libcrossfade_policy.so"
PATTERN = "libcrossfade_policy-*.so"
STAMP = "libcrossfade_policy.sources"


def generate(target: Path) -> None:
    """Leaves exactly one current library in `target`; quick when the sources are those of the last build.

    Raises RuntimeError with the way out when there is no Rust toolchain or the build fails.
    """
    digest = _digest(_sources())
    stamp = target / STAMP
    recorded = stamp.read_text().split() if stamp.exists() else []
    if len(recorded) == 2 and recorded[0] == digest and (target / recorded[1]).exists():
        return
    _build()
    target.mkdir(parents=True, exist_ok=True)
    name = f"libcrossfade_policy-{_digest([BUILT])}.so"
    if not (target / name).exists():
        _place(BUILT, target / name)
    else:
        os.utime(target / name)
    _place_text(f"{digest} {name}\n", stamp)
    in_use = _mapped_names()
    for old in target.glob(PATTERN):
        # A control plane that still names an older build must find it as long as its Envoys run.
        if old.name != name and old.name not in in_use:
            old.unlink(missing_ok=True)


def _mapped_names() -> set[str]:
    """Builds that some process of this machine has mapped, as far as they can be seen."""
    names: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text(errors="replace").splitlines()
        except OSError:
            continue
        names.update(line.rpartition("/")[2] for line in lines if "libcrossfade_policy-" in line)
    return names


def _sources() -> list[Path]:
    crate = ROOT / "filters"
    files = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", crate / "Cargo.toml", *crate.glob("src/**/*.rs")]
    return sorted(path for path in files if path.exists())


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _build() -> None:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise RuntimeError("cargo is not installed; install Rust (https://rustup.rs) to build the policy module")
    command = [cargo, "build", "--release", "--locked", "-p", "crossfade_policy", "--target-dir", str(ROOT / "target")]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise RuntimeError(f"the policy module does not build; run `{' '.join(command)}` in {ROOT} to see why")


def _place(source: Path, destination: Path) -> None:
    """Copies under another name in the same directory, then renames, so that no half-written file is ever seen."""
    with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".policy-", delete=False) as copy:
        copy.write(source.read_bytes())
    Path(copy.name).chmod(0o755)
    Path(copy.name).replace(destination)


def _place_text(text: str, destination: Path) -> None:
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(destination)
