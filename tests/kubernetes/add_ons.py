"""Programs of others that our charts work with, installed by their own: metrics-server and cert-manager."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.kubernetes.build import Cache, Go
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.images import add_program
from tests.kubernetes.registry import Store
from tests.support.helm import helm, helm_program

_USER: Final = "65532"
_MODULE_NAME: Final = re.compile(r"^module .*$", re.MULTILINE)
_INSTALL_S: Final = 300.0


class AddOn(NamedTuple):
    """`programs` by the images that the chart at `chart` names, below the module's folder."""

    name: str
    module: str
    version: str
    programs: dict[str, str]
    chart: str
    namespace: str
    values: tuple[str, ...]


METRICS_SERVER: Final = AddOn(
    "metrics-server",
    "sigs.k8s.io/metrics-server",
    "v0.8.0",
    {"metrics-server/metrics-server": "cmd/metrics-server"},
    "charts/metrics-server",
    "kube-system",
    # Its chart names an older program.
    ("args={--kubelet-insecure-tls}", "image.tag=v0.8.0"),
)
# The last version whose programs are in one module with the rest, as the Go module proxy has it.
CERT_MANAGER: Final = AddOn(
    "cert-manager",
    "github.com/cert-manager/cert-manager",
    "v1.10.2",
    {f"jetstack/cert-manager-{name}": f"cmd/{name}" for name in ("controller", "webhook", "cainjector")},
    "deploy/charts/cert-manager",
    "cert-manager",
    ("installCRDs=true", "startupapicheck.enabled=false"),
)
ADD_ONS: Final = (METRICS_SERVER, CERT_MANAGER)


def build_add_ons(cache: Cache, add_ons: tuple[AddOn, ...] = ADD_ONS) -> None:
    """Raises as `build` does."""
    go = Go(cache.folder)
    for add_on in add_ons:
        folder = cache.module(add_on.name)
        if not folder.exists():
            downloaded = go.downloaded(f"{add_on.module}@{add_on.version}", folder=_made(folder))
            (folder / "go.mod").write_text(borrowed(add_on, (downloaded / "go.mod").read_text()))
            shutil.copyfile(downloaded / "go.sum", folder / "go.sum")
            (folder / "chart").symlink_to(downloaded)
        for package in add_on.programs.values():
            go.build(f"{add_on.module}/{package}", program_of(cache, add_on, package), folder=folder)


def borrowed(add_on: AddOn, own: str) -> str:
    """A module that has what the add-on's own go.mod requires and replaces, and the add-on."""
    renamed = _MODULE_NAME.sub(f"module crossfade/{add_on.name}", own, count=1)
    return f"{renamed}\nrequire {add_on.module} {add_on.version}\n"


def add_images(store: Store, cache: Cache) -> None:
    for add_on in ADD_ONS:
        for image, package in add_on.programs.items():
            add_program(store, f"{image}:{add_on.version}", program_of(cache, add_on, package), user=_USER)


def install(cluster: Cluster, cache: Cache, add_on: AddOn) -> None:
    """By its own chart. Raises HelmError; RuntimeError with the way out where there is no Helm."""
    if helm_program() is None:
        raise RuntimeError("the charts of add-ons need Helm: `make build/tools/helm` builds it")
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / add_on.name
        _write_chart(cache.module(add_on.name) / "chart", add_on, chart)
        values = [f"--set={value}" for value in add_on.values]
        helm(
            *("upgrade", "--install", add_on.name, str(chart), "-n", add_on.namespace, "--create-namespace", "--wait"),
            *values,
            environment={"KUBECONFIG": str(cluster.kubeconfig)},
            within_s=_INSTALL_S,
        )


def _write_chart(module: Path, add_on: AddOn, target: Path) -> None:
    """As its makers release it: they fill in versions, and put definitions beside the templates."""
    source = module / add_on.chart
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)
    about = target / "Chart.template.yaml"
    if about.exists():
        (target / "Chart.yaml").write_text(about.read_text().replace("v0.1.0", add_on.version))
        about.unlink()
        (target / "templates" / "crds.yaml").write_text("".join(_definitions(module / "deploy" / "crds")))


def _definitions(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.yaml")):
        yield f"{{{{- if .Values.installCRDs }}}}\n{path.read_text()}\n{{{{- end }}}}\n---\n"


def program_of(cache: Cache, add_on: AddOn, package: str) -> Path:
    return _made(cache.folder / "add-ons" / add_on.name) / Path(package).name


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
