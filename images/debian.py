"""Debian packages of the lock file, downloaded and unpacked without installing them.

Runs inside the build's container with nothing but Debian's Python.
"""

import glob
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


class LockedOutError(Exception):
    """The mirror does not have what the lock file names; the text says which and what to do."""


def read_all(text: str) -> dict[tuple[str, str], str]:
    """Versions by package and architecture, from lines `package version architecture`."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {(name, architecture): version for name, version, architecture in rows}


def read_lock(text: str, architecture: str) -> dict[str, str]:
    """Versions by package; what is of all architectures counts for each."""
    return {name: version for (name, of), version in read_all(text).items() if of in (architecture, "all")}


def lock_text(versions: Mapping[tuple[str, str], str]) -> str:
    """`versions` by package and architecture."""
    lines = [f"{name} {version} {architecture}" for (name, architecture), version in sorted(versions.items())]
    head = "# Versions of Debian's packages in the images: package, version, architecture. `make images` keeps it.\n"
    return head + "\n".join(lines) + "\n"


def download(names: Iterable[str], folder: Path, lock: Mapping[str, str], *, is_locked: bool) -> dict[str, Path]:
    """The packages' files. Takes the locked versions; where the mirror has other ones, these, unless `is_locked`."""
    offered = {name: _offered(name) for name in names}
    missing = [name for name, versions in offered.items() if not versions]
    if missing:
        raise LockedOutError(f"Debian has no package {', '.join(missing)}: correct images/contents.toml")
    chosen = {name: _choose(lock.get(name), versions) for name, versions in offered.items()}
    moved = {name: version for name, version in chosen.items() if lock.get(name) != version}
    if moved and is_locked:
        raise LockedOutError(
            "".join(f"{name}: locked {lock.get(name, 'not at all')}, offered {moved[name]}\n" for name in moved)
            + "The mirror has moved on: name one that keeps old versions (DEBIAN_MIRROR), or build without --locked"
        )
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "apt-get",
            "-q",
            "-o",
            "APT::Sandbox::User=root",
            "download",
            *(f"{name}={version}" for name, version in chosen.items()),
        ],
        cwd=folder,
        check=True,
    )
    return {name: next(folder.glob(f"{glob.escape(name)}_*.deb")) for name in chosen}


def _offered(name: str) -> list[str]:
    """Newest first."""
    done = subprocess.run(["apt-cache", "madison", name], capture_output=True, text=True, check=True)
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    return [row[1] for row in rows if row[0] == name and "Sources" not in row[2]]


def _choose(locked: str | None, offered: list[str]) -> str:
    return locked if locked in offered else offered[0]


def field(package: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "-f", str(package), name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def unpack(package: Path, root: Path, left_out: Iterable[str]) -> None:
    """`left_out` are patterns of paths that begin with `./usr` or `./etc`, whichever the package uses for them."""
    patterns = [*left_out]
    # Packages of Debian 12 still name /lib, which is a link to /usr/lib there.
    patterns += [pattern.replace("./usr/lib/", "./lib/") for pattern in patterns if pattern.startswith("./usr/lib/")]
    exclude = [f"--exclude={pattern}" for pattern in (*patterns, "./usr/share/doc/*/[!c]*", "./usr/share/doc/*/c[!o]*")]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as archive:
        subprocess.run(
            [
                "tar",
                "-x",
                "--keep-directory-symlink",
                "--wildcards",
                "--wildcards-match-slash",
                *exclude,
                "-C",
                str(root),
            ],
            stdin=archive.stdout,
            check=True,
        )
    if archive.returncode:
        raise subprocess.CalledProcessError(archive.returncode, "dpkg-deb")


def record(package: Path, root: Path) -> None:
    """As images without dpkg keep it, where scanners of vulnerabilities look."""
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["dpkg-deb", "-f", str(package)], capture_output=True, text=True, check=True)
    (folder / field(package, "Package")).write_text(done.stdout)
