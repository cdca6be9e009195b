"""Which cluster a command asks, as its options and the environment say."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade_kube.kubeconfig import ClusterConfig


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help="default: $KUBECONFIG, else the embedded cluster that runs, else ~/.kube/config, else the pod's own",
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="default: the kubeconfig's")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")


def cluster_config(arguments: argparse.Namespace) -> "ClusterConfig":
    """Raises ConfigError."""
    from crossfade_kube.errors import ConfigError

    found = found_config(arguments)
    if found is None:
        raise ConfigError(
            "there is no cluster to ask\n"
            "hint: give --kubeconfig FILE, or --status URL of a gateway alone; `crossfade up` starts a cluster"
        )
    return found


def found_config(arguments: argparse.Namespace) -> "ClusterConfig | None":
    """None where neither the command nor this machine names a cluster. Raises ConfigError."""
    from crossfade_kube.kubeconfig import in_cluster_config, load_kubeconfig

    given: Path | None = arguments.kubeconfig
    if given is None and (listed := os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]):
        given = Path(listed)
    if given is not None:
        return load_kubeconfig(given)
    usual = Path("~/.kube/config").expanduser()
    if not usual.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
        return in_cluster_config(os.environ)
    # An image for pods does not have the embedded cluster.
    from crossfade.cli.local import DEFAULT_DATA_DIR
    from crossfade_local.data_dir import DataDir

    embedded = DataDir(DEFAULT_DATA_DIR)
    if embedded.is_held() and embedded.kubeconfig.exists():
        return load_kubeconfig(embedded.kubeconfig)
    return load_kubeconfig(usual) if usual.exists() else None


def namespaces_of(arguments: argparse.Namespace, config: "ClusterConfig") -> Sequence[str]:
    """None of them: all."""
    return () if arguments.all_namespaces else (arguments.namespace or config.namespace,)
