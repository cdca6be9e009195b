"""`crossfade install`: prints manifests on stdout, for `kubectl apply -f -`; touches no cluster itself."""

import argparse
import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

_CRDS: Final = ("with", "without", "only")
_LONGEST_DRAIN_S: Final = 3600
_LONGEST_CLASS: Final = 200
_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


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
    mesh.add_argument("--namespace", default="appmesh-system", help="where the controller runs (default: %(default)s)")
    _add_common(mesh, "appmesh-controller")
    mesh.set_defaults(run=_print_mesh)
    gateway = parts.add_parser("gateway", help="the Kong kinds and one gateway")
    gateway.add_argument(
        "--release", type=_release, default="kong", help="release name, as in `helm install` (default: %(default)s)"
    )
    gateway.add_argument(
        "--namespace", type=_name, default="kong", help="namespace, which must exist (default: %(default)s)"
    )
    gateway.add_argument(
        "--ingress-class",
        type=_class,
        default="kong",
        metavar="NAME",
        help="whose Ingresses and other objects it serves; each of several gateways has its own (default: %(default)s)",
    )
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
    gateway.add_argument(
        "--drain-seconds",
        type=_seconds,
        default=5,
        metavar="N",
        help="how long an ending pod goes on serving at least: until kube-proxy sends it no more (default: %(default)s)"
        " or a cloud's load balancer, which takes its deregistration delay",
    )
    _add_common(gateway, "kong")
    gateway.set_defaults(run=_print_gateway)
    _add_tap(parts)
    _add_top(parts)


def _add_tap(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from crossfade.observe.access import USUAL_NAMESPACES

    tap = parts.add_parser(
        "tap",
        help="the right of some to see the requests of one namespace",
        description="Prints what lets groups and users watch the requests of one namespace by `crossfade tap`, look"
        " them up by `crossfade explain REQUEST_ID`, and nothing else. What is applied last says who they are.",
    )
    tap.add_argument("-n", "--namespace", type=_name, required=True, help="whose requests")
    _add_people(tap)
    tap.add_argument(
        "--control-plane",
        type=_name,
        metavar="NS",
        action="append",
        help=f"namespace of a gateway or of the mesh's controller; may be repeated"
        f" (default: {' and '.join(USUAL_NAMESPACES)})",
    )
    tap.set_defaults(run=_print_tap)


def _add_top(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    top = parts.add_parser(
        "top",
        help="the right of some to see what the proxies of a namespace count",
        description="Prints what lets groups and users see by `crossfade top` and `crossfade graph` what the proxies of"
        " one namespace count, or those of all; and with it any page that the pods there serve by HTTP. What is applied"
        " last says who they are.",
    )
    where = top.add_mutually_exclusive_group(required=True)
    where.add_argument("-n", "--namespace", type=_name, help="whose proxies")
    where.add_argument(
        "-A", "--all-namespaces", action="store_true", help="all, and what objects of meshes declare, without Secrets"
    )
    _add_people(top)
    top.set_defaults(run=_print_top)


def _add_people(part: argparse.ArgumentParser) -> None:
    for kind in ("group", "user"):
        part.add_argument(
            f"--{kind}",
            type=_subject,
            metavar="NAME",
            action="append",
            default=[],
            help="as the API server knows it; may be repeated",
        )


def _lacks_people(arguments: argparse.Namespace, what: str) -> bool:
    if arguments.group or arguments.user:
        return False
    print(f"crossfade install: name at least one --group or --user that may see {what}", file=sys.stderr)
    return True


def _print_top(arguments: argparse.Namespace) -> int:
    from crossfade.install.top_access import top_manifests

    if _lacks_people(arguments, "what proxies count"):
        return 2
    manifests = top_manifests(arguments.namespace, arguments.group, arguments.user)
    yaml.safe_dump_all(manifests, sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def _print_tap(arguments: argparse.Namespace) -> int:
    from crossfade.install.tap_access import tap_manifests
    from crossfade.observe.access import USUAL_NAMESPACES

    if _lacks_people(arguments, "requests"):
        return 2
    where = arguments.control_plane or USUAL_NAMESPACES
    manifests = tap_manifests(arguments.namespace, arguments.group, arguments.user, where)
    yaml.safe_dump_all(manifests, sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def _subject(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a group or user")
    return text


def _release(text: str) -> str:
    """As Helm bounds it."""
    return _name(text, longest=53)


def _name(text: str, *, longest: int = 63) -> str:
    if len(text) > longest or re.fullmatch(_LABEL, text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of up to {longest} lower-case letters, digits and '-', which is at neither end"
        )
    return text


def _class(text: str) -> str:
    """Part of a Lease's name too."""
    if len(text) > _LONGEST_CLASS or any(re.fullmatch(_LABEL, part) is None for part in text.split(".")):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of up to {_LONGEST_CLASS} lower-case letters, digits, '-' and '.'"
        )
    return text


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) <= _LONGEST_DRAIN_S):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to {_LONGEST_DRAIN_S}")
    return int(text)


def _add_common(part: argparse.ArgumentParser, chart: str) -> None:
    part.add_argument(
        "-f",
        "--values",
        type=_values,
        action="append",
        default=[],
        metavar="FILE",
        help=f"values of charts/{chart}, as for Helm; of several files the later ones go before, all before options",
    )
    part.add_argument(
        "--crds",
        choices=_CRDS,
        default="with",
        help="the definitions of kinds with the rest, left out, or alone: deleting them deletes all their objects"
        " (default: %(default)s)",
    )


def _values(path: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict | None):
        raise argparse.ArgumentTypeError(f"{path} is no mapping of values")
    return found or {}


def _print_mesh(arguments: argparse.Namespace) -> int:
    from crossfade.install.mesh import MeshInstallSettings, mesh_crds, mesh_objects, mesh_remarks

    settings = MeshInstallSettings(
        region=arguments.region,
        account_id=arguments.account_id,
        reads_acm_secrets=arguments.acm_secrets,
        sds_socket=arguments.sds_socket,
        namespace=arguments.namespace,
        values=_all(arguments.values),
    )
    return _print(arguments.crds, mesh_crds, lambda: mesh_objects(settings), lambda: mesh_remarks(settings))


def _print_gateway(arguments: argparse.Namespace) -> int:
    from crossfade.install.gateway import GatewayInstallSettings, gateway_crds, gateway_manifests, gateway_remarks

    settings = GatewayInstallSettings(
        release=arguments.release,
        namespace=arguments.namespace,
        ingress_class=arguments.ingress_class,
        compat=arguments.compat,
        missing_plugins=arguments.missing_plugins,
        identity_headers=arguments.identity_headers,
        mesh_native=arguments.mesh_native,
        drain_s=arguments.drain_seconds,
        values=_all(arguments.values),
    )
    return _print(arguments.crds, gateway_crds, lambda: gateway_manifests(settings), lambda: gateway_remarks(settings))


def _all(files: list[dict[str, Any]]) -> dict[str, Any]:
    from crossfade.install.template.values import overlaid

    return functools.reduce(overlaid, files, {})


def _print(
    crds: str,
    definitions: Callable[[], list[dict[str, Any]]],
    objects: Callable[[], list[dict[str, Any]]],
    remarks: Callable[[], list[str]],
) -> int:
    try:
        manifests = [*(definitions() if crds != "without" else ()), *(objects() if crds != "only" else ())]
        without_effect = remarks()
    except ValueError as error:
        print(f"crossfade install: these values cannot be installed:\n{error}", file=sys.stderr)
        return 1
    for remark in without_effect:
        print(f"crossfade install: {remark}", file=sys.stderr)
    yaml.dump_all(manifests, sys.stdout, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    return 0
