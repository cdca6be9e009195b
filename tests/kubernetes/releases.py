"""Which releases can be built, and the modules of Go that build them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

DEFAULT: Final = "v1.34.4"
COREDNS: Final = "v1.13.1"
# What CoreDNS is built with, whatever the cluster: any client of Kubernetes talks to its neighbours of some releases.
COREDNS_CLIENT: Final = "v0.34.4"
PROGRAMS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
_VERSION: Final = re.compile(r"v1\.(\d+)\.(\d+)")
_STAGED: Final = re.compile(r"^\s*(k8s\.io/[a-z-]+) v0\.0\.0$", re.MULTILINE)
_STAGED_VERSION: Final = re.compile(r"v0\.(\d+)\.(\d+)")
_ETCD: Final = re.compile(r"^\s*go\.etcd\.io/etcd/client/v3 (v\S+)", re.MULTILINE)
_GO: Final = re.compile(r"^go (\S+)$", re.MULTILINE)
_GODEBUG: Final = re.compile(r"^godebug (default=\S+)$", re.MULTILINE)
_STAMPED: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


class Release(NamedTuple):
    """One of Kubernetes, as `v1.34.4`."""

    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v1.{self.minor}.{self.patch}"

    @property
    def staged(self) -> str:
        """The version of the modules that Kubernetes publishes beside itself."""
        return f"v0.{self.minor}.{self.patch}"


def release_of(text: str) -> Release:
    """Raises ValueError where `text` is no version of Kubernetes."""
    found = _VERSION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no version of Kubernetes such as {DEFAULT}")
    return Release(int(found[1]), int(found[2]))


def staged_modules(own: str) -> list[str]:
    """What Kubernetes publishes beside itself: its `own` go.mod replaces them by folders that it leaves out."""
    return sorted(set(_STAGED.findall(own)))


def kubernetes_module(own: str, release: Release, versions: Mapping[str, str]) -> str:
    """The go.mod of a module that can build the programs of `release`.

    `versions` by staged module. One that is missing there is an empty folder: none of the programs is made with it.
    """
    etcd = _found(_ETCD, own, "client of etcd")
    lines = ["module crossfade/kubernetes", f"go {_found(_GO, own, 'version of Go')}"]
    lines += [f"godebug {setting}" for setting in _GODEBUG.findall(own)]
    lines += [f"require k8s.io/kubernetes {release}", f"require go.etcd.io/etcd/server/v3 {etcd}"]
    for module in staged_modules(own):
        version = versions.get(module)
        lines.append(f"require {module} {version or release.staged}")
        lines.append(f"replace {module} => {f'{module} {version}' if version else empty_module(module)}")
    return "\n".join([*lines, ""])


def empty_module(module: str) -> str:
    """The folder that stands for a module that nothing is made with."""
    return f"./empty/{module}"


def neighbour(release: Release, published: Iterable[str]) -> str | None:
    """Of the versions of a staged module the newest of the release's minor version, where it has none of its own."""
    known = [found for each in published if (found := _STAGED_VERSION.fullmatch(each))]
    patches = [int(found[2]) for found in known if int(found[1]) == release.minor]
    return f"v0.{release.minor}.{max(patches)}" if patches else None


def coredns_module() -> str:
    client = ("k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go")
    lines = ["module crossfade/coredns", "go 1.24.0", f"require github.com/coredns/coredns {COREDNS}"]
    return "\n".join([*lines, *(f"require {module} {COREDNS_CLIENT}" for module in client), ""])


def stamp(release: Release) -> str:
    """Flags of the linker: what programs say of their version, which decides on how they treat each other."""
    fields = {"gitVersion": str(release), "gitMajor": "1", "gitMinor": str(release.minor), "gitTreeState": "clean"}
    return " ".join(_flags(fields))


def _flags(fields: dict[str, str]) -> Iterator[str]:
    yield "-s -w"
    for package in _STAMPED:
        for name, value in fields.items():
            yield f"-X {package}.{name}={value}"


def _found(pattern: re.Pattern[str], text: str, what: str) -> str:
    found = pattern.search(text)
    if not found:
        raise ValueError(f"the go.mod of Kubernetes names no {what}")
    return found[1]
