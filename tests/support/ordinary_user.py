"""A user of this machine who is not root, with one uid or with subordinate ones, and an interpreter of its own.

Subordinate ids are written to a copy of /etc that only the user's processes see: the machine's stays as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import crossfade

UID: Final = 65534
NAME: Final = "nobody"
FIRST_SUBORDINATE: Final = 200_000
SYSTEM_PYTHON: Final = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
_BECOME: Final = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
# Large, and of no use to a cluster without a mesh.
_WITHOUT_MESH: Final = ("envoy", "kubernetes_validate", "*mypy*", "__pycache__")


class OrdinaryUser(NamedTuple):
    home: Path
    become: tuple[str, ...]
    """Before a command."""
    python: Path

    def crossfade(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.become, str(self.python), "-m", "crossfade.cli", *arguments],
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=timeout_s,
            cwd=self.home,
        )


@contextmanager
def ordinary_user(*, has_subordinate_ids: bool, meshed: bool = False) -> Iterator[OrdinaryUser]:
    """Only root can become another user. `meshed`: its pods need Envoy."""
    # Not below pytest's directories, which are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="crossfade-user-"))
    try:
        folder.chmod(0o755)
        home = folder / "home"
        home.mkdir()
        os.chown(home, UID, UID)
        become = (*_with_subordinate_ids(folder / "etc"), *_BECOME) if has_subordinate_ids else _BECOME
        yield OrdinaryUser(home, become, _own_python(home, () if meshed else _WITHOUT_MESH))
    finally:
        shutil.rmtree(folder)


def _with_subordinate_ids(etc: Path) -> Sequence[str]:
    """The whole directory, since files that are to be mounted over must exist."""
    shutil.copytree("/etc", etc, symlinks=True)
    for name in ("subuid", "subgid"):
        (etc / name).write_text(f"{NAME}:{FIRST_SUBORDINATE}:65536\n")
    return ("unshare", "--mount", "--propagation=private", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc))


def _own_python(home: Path, not_copied: Sequence[str]) -> Path:
    """With the packages of this one."""
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", home / "venv"], check=True)
    source = Path(crossfade.__file__).parents[1]
    wanted = [source, *(Path(path) for path in sys.path if path.endswith("site-packages"))]
    places = [
        _reachable(folder, copy=home / f"venv/packages-{number}", not_copied=not_copied)
        for number, folder in enumerate(dict.fromkeys(wanted))
    ]
    (own_packages,) = (home / "venv/lib").glob("python*/site-packages")
    (own_packages / "paths.pth").write_text("".join(f"{place}\n" for place in places))
    return home / "venv/bin/python"


def _reachable(folder: Path, *, copy: Path, not_copied: Sequence[str]) -> Path:
    """The folder, or a copy where others cannot enter it, as in a clone that lies in root's home."""
    if subprocess.run([*_BECOME, "test", "-r", folder], check=False).returncode == 0:
        return folder
    shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(*not_copied))
    return copy
