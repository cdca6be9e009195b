"""`crossfade controller`: the control plane in one of its two roles."""

import argparse
import sys


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    controller = commands.add_parser("controller", help="run the control plane", description=__doc__)
    controller.add_argument("--role", choices=("mesh", "gateway"), required=True)
    controller.add_argument("--kubeconfig", metavar="FILE", help="default: the pod's own service account")
    controller.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.controller.start import run_controller
    from crossfade_kube.errors import ConfigError

    try:
        run_controller(role=arguments.role, kubeconfig=arguments.kubeconfig)
    except ConfigError as exc:
        print(f"crossfade controller: {exc}", file=sys.stderr)
        return 1
    return 0
