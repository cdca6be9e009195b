"""Who starts an embedded cluster: the user of the tests, or an ordinary one, so that it runs in one mode or another."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

from crossfade_local.preflight import Mode, choose_mode
from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster
from tests.support.ordinary_user import SYSTEM_PYTHON, UID, ordinary_user

OWN: Final = "own"
OTHERS: Final = {"rootless": Mode.ROOTLESS, "single-uid": Mode.SINGLE_UID}
NAMES: Final = (OWN, *OTHERS)


@dataclass(frozen=True)
class ClusterOwner:
    mode: Mode
    crossfade: Callable[..., CompletedProcess[str]]
    """Runs the command as this user."""
    home: Path
    uid: int

    @property
    def has_single_uid(self) -> bool:
        """All containers are one user."""
        return self.mode is Mode.SINGLE_UID

    def folder(self, name: str) -> Path:
        """A new one, which the tests and this user can write."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.home))
        os.chown(folder, self.uid, -1)
        return folder

    @contextmanager
    def cluster(self, folder: Path, *options: str, api_port: int | None = None) -> Iterator[EmbeddedCluster]:
        """With its data in this folder."""
        with embedded_cluster(folder / "data", *options, api_port=api_port, run=self.crossfade) as running:
            yield running


def lack(name: str) -> str:
    """Why the tests cannot start a cluster as this one; empty where they can."""
    if name == OWN:
        return ""
    if os.geteuid():
        return "only root can become another user"
    if not SYSTEM_PYTHON.exists():
        return "no interpreter of this version that every user can reach"
    if OTHERS[name] is Mode.ROOTLESS and not shutil.which("newuidmap"):
        return "the package uidmap is not installed"
    return ""


@contextmanager
def cluster_owner(name: str, *, meshed: bool = False) -> Iterator[ClusterOwner]:
    """`meshed`: its pods need Envoy."""
    if name == OWN:
        with tempfile.TemporaryDirectory(prefix="crossfade-own-") as home:
            yield ClusterOwner(choose_mode().mode, crossfade, Path(home), os.geteuid())
        return
    mode = OTHERS[name]
    with ordinary_user(has_subordinate_ids=mode is Mode.ROOTLESS, meshed=meshed) as user:
        yield ClusterOwner(mode, user.crossfade, user.home, UID)
