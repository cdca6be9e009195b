"""`crossfade install`: prints manifests on stdout, for `kubectl apply -f -`; touches no cluster itself."""

import argparse
import sys
from typing import Any

import yaml


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    install = commands.add_parser(
        "install",
        help="print manifests",
        description="Prints the manifests of a part, for `kubectl apply -f -`.",
        epilog="example: crossfade install gateway --release kong --namespace kong | kubectl apply -f -",
    )
    parts = install.add_subparsers(required=True, metavar="PART")
    mesh = parts.add_parser("mesh", help="the App Mesh kinds, controller and webhooks")
    mesh.add_argument("--region", default="us-west-2", help="region in the ARNs (default: %(default)s)")
    mesh.add_argument("--account-id", default="000000000000", help="account in the ARNs (default: %(default)s)")
    mesh.add_argument(
        "--acm-secrets",
        action="store_true",
        help="let the controller read Secrets, so that those labelled crossfade.dev/acm stand for certificates of ACM",
    )
    mesh.add_argument(
        "--sds-socket",
        default="",
        metavar="PATH",
        help="socket of the nodes at which an agent gives sidecars certificates",
    )
    mesh.set_defaults(run=_print_mesh)
    gateway = parts.add_parser("gateway", help="the Kong kinds and one gateway")
    gateway.add_argument("--release", default="kong", help="release name, as in `helm install` (default: %(default)s)")
    gateway.add_argument("--namespace", default="kong", help="namespace, which must exist (default: %(default)s)")
    gateway.add_argument(
        "--compat",
        choices=("kong-2.1", "kong-3"),
        default="kong-2.1",
        help="whose response texts and headers to send (default: %(default)s, what Kong's chart 1.11 shipped)",
    )
    gateway.add_argument(
        "--missing-plugins",
        choices=("closed", "open"),
        default="closed",
        help="answer 503 where a plugin does not exist, or serve without it (default: %(default)s)",
    )
    gateway.add_argument(
        "--identity-headers",
        choices=("strip", "pass"),
        default="strip",
        help="clients' own X-Consumer-* and the like: never to Services, or where no plugin authenticates"
        " (default: %(default)s)",
    )
    gateway.add_argument(
        "--mesh-native",
        action="store_true",
        help="a gateway that is a VirtualNode without a sidecar: its own proxy follows the mesh's routes",
    )
    gateway.set_defaults(run=_print_gateway)


def _print_mesh(arguments: argparse.Namespace) -> int:
    from crossfade.install.mesh import MeshInstallSettings, mesh_manifests

    settings = MeshInstallSettings(
        region=arguments.region,
        account_id=arguments.account_id,
        reads_acm_secrets=arguments.acm_secrets,
        sds_socket=arguments.sds_socket,
    )
    return _print(mesh_manifests(settings))


def _print_gateway(arguments: argparse.Namespace) -> int:
    from crossfade.install.gateway import GatewayInstallSettings, gateway_crds, gateway_manifests

    settings = GatewayInstallSettings(
        release=arguments.release,
        namespace=arguments.namespace,
        compat=arguments.compat,
        missing_plugins=arguments.missing_plugins,
        identity_headers=arguments.identity_headers,
        mesh_native=arguments.mesh_native,
    )
    return _print([*gateway_crds(), *gateway_manifests(settings)])


def _print(manifests: list[dict[str, Any]]) -> int:
    yaml.dump_all(manifests, sys.stdout, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    return 0
