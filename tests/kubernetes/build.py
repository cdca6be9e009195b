"""Compiles Kubernetes, etcd and CoreDNS out of the Go module proxy into a cache folder: once a release.

Some ten minutes of two cores that have nothing else to do, at the lowest priority, and five gigabytes.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.kubernetes.releases import (
    PROGRAMS,
    Release,
    coredns_module,
    empty_module,
    kubernetes_module,
    neighbour,
    staged_modules,
    stamp,
)

VARIABLE: Final = "CROSSFADE_KUBERNETES_CACHE"
_SOURCES: Final = Path(__file__).parent / "programs"
_ETCD: Final = "go.etcd.io/etcd/server/v3"


class Cache(NamedTuple):
    folder: Path

    def programs(self, release: Release) -> Path:
        """The folder of the programs of `release`."""
        return self.folder / str(release) / "bin"

    def module(self, name: str) -> Path:
        return self.folder / "src" / name


def cache_folder() -> Path:
    """What the user names, else `~/.cache/crossfade-kubernetes`."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "crossfade-kubernetes"


def build(cache: Cache, release: Release) -> float:
    """Returns the seconds that it took; no time where everything is there.

    Raises RuntimeError with the way out where there is no Go, CalledProcessError where Go refuses.
    """
    if all((cache.programs(release) / name).exists() for name in (*PROGRAMS, "etcd", "coredns", "pause")):
        return 0.0
    begun = time.monotonic()
    go = Go(cache.folder)
    cache.programs(release).mkdir(parents=True, exist_ok=True)
    _build_small(go, cache, release)
    _build_kubernetes(go, cache, release)
    return time.monotonic() - begun


class Go:
    def __init__(self, cache: Path) -> None:
        found = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
        if not found:
            raise RuntimeError(
                "Kubernetes is compiled with Go, which is not on the PATH; or name a cluster: --kubeconfig"
            )
        self._command = ["nice", "-n", "19", found]
        self._environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOCACHE": str(cache / "gobuild"),
            "GOFLAGS": "-mod=mod -p=2 -buildvcs=false -trimpath",
            "GOMODCACHE": str(cache / "gomod"),
            "GOWORK": "off",
        }

    def run(self, *arguments: str, folder: Path) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def downloaded(self, module: str, *, folder: Path) -> Path:
        """Where the module is, as `name@version`; `folder` becomes one too."""
        (folder / "go.mod").write_text(f"module crossfade/{folder.name}\n")
        told = json.loads(self.run("mod", "download", "-json", module, folder=folder))
        return Path(told["Dir"])

    def build(self, package: str, program: Path, *, folder: Path, flags: str = "-s -w") -> None:
        if program.exists():
            return
        print(f"compiling {program.name}", file=sys.stderr, flush=True)
        # Under its own name only when it is whole.
        made = program.with_suffix(".new")
        self.run("build", "-ldflags", flags, "-o", str(made), package, folder=folder)
        made.rename(program)


def _build_kubernetes(go: Go, cache: Cache, release: Release) -> None:
    folder = cache.module(f"kubernetes-{release}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_module(go, folder, release)
    for name in PROGRAMS:
        program = cache.programs(release) / name
        go.build(f"k8s.io/kubernetes/cmd/{name}", program, folder=folder, flags=stamp(release))
    go.build(_ETCD, cache.programs(release) / "etcd", folder=folder)


def _write_module(go: Go, folder: Path, release: Release) -> None:
    downloaded = go.downloaded(f"k8s.io/kubernetes@{release}", folder=folder)
    own = (downloaded / "go.mod").read_text()
    versions = _published(go, folder, staged_modules(own), release)
    for module in staged_modules(own):
        if module not in versions:
            _write_empty(folder / empty_module(module), module)
    (folder / "go.mod").write_text(kubernetes_module(own, release, versions))
    (folder / "go.sum").write_text((downloaded / "go.sum").read_text())


def _published(go: Go, folder: Path, modules: list[str], release: Release) -> dict[str, str]:
    """A version of each module that can be had: of the release, or of its neighbour where the proxy lacks that."""
    versions: dict[str, str] = {}
    asked = go.run("list", "-m", "-e", "-json", *(f"{module}@{release.staged}" for module in modules), folder=folder)
    for told in _objects(asked):
        if "Error" not in told:
            versions[told["Path"]] = release.staged
    for module in set(modules) - set(versions):
        (told,) = _objects(go.run("list", "-m", "-e", "-versions", "-json", module, folder=folder))
        if found := neighbour(release, told.get("Versions", ())):
            versions[module] = found
    return versions


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """What Go prints: one object after the other."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        found, at = decoder.raw_decode(text, at)
        yield found


def _write_empty(folder: Path, module: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module {module}\n")


def _build_small(go: Go, cache: Cache, release: Release) -> None:
    for name, module in (("pause", "module crossfade/pause\n\ngo 1.24\n"), ("coredns", coredns_module())):
        folder = cache.module(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "go.mod").exists():
            (folder / "go.mod").write_text(module)
        shutil.copyfile(_SOURCES / name / "main.go", folder / "main.go")
        go.build(".", cache.programs(release) / name, folder=folder)
