"""`crossfade controller`: the control plane in one of its two roles."""

import argparse
import sys


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    controller = commands.add_parser("controller", help="run the control plane", description=__doc__)
    controller.add_argument("--role", choices=("mesh", "gateway"))
    controller.add_argument("--kubeconfig", metavar="FILE", help="default: the pod's own service account")
    controller.set_defaults(run=_run, flags=[], usage=controller.format_usage())
    programs = controller.add_subparsers(metavar="mesh")
    # No dash begins an option here, so that all flags are left to who knows them.
    mesh = programs.add_parser(
        "mesh",
        help="the role mesh, with the flags of App Mesh's controller",
        description="Takes the flags of App Mesh's controller, as its chart gives them to `/controller`.",
        prefix_chars="\0",
        add_help=False,
    )
    mesh.add_argument("flags", nargs=argparse.REMAINDER)
    mesh.set_defaults(role="mesh")


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.controller.start import run_controller
    from crossfade_kube.errors import ConfigError

    if arguments.role is None:
        print(f"{arguments.usage}crossfade controller: say --role mesh or --role gateway", file=sys.stderr)
        return 2
    try:
        run_controller(role=arguments.role, kubeconfig=arguments.kubeconfig, arguments=arguments.flags)
    except ConfigError as exc:
        print(f"crossfade controller: {exc}", file=sys.stderr)
        return 1
    return 0
