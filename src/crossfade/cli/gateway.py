"""`crossfade gateway`: the gateway alone on a directory of manifests."""

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade.gateway_files.telling import Message


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    gateway = commands.add_parser("gateway", help="run the gateway alone", description=__doc__)
    actions = gateway.add_subparsers(required=True, metavar="ACTION")
    run = actions.add_parser(
        "run",
        help="run it on a directory of manifests",
        description="Runs the gateway on a directory of manifests, without cluster or root. Changes are live at once.",
        epilog="EndpointSlices may name loopback addresses. Ends with Ctrl-C.",
    )
    run.add_argument("-f", "--folder", metavar="DIR", type=Path, required=True, help="with *.yaml, *.yml, *.json files")
    run.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    run.add_argument("--http-port", type=_port, default=8000, metavar="N", help="default: %(default)s")
    run.add_argument("--https-port", type=_port, metavar="N", help="default: no TLS")
    run.add_argument(
        "--compat",
        choices=("kong-3", "kong-2.1"),
        default="kong-3",
        help="whose response texts and headers to send (default: %(default)s)",
    )
    run.add_argument("--server-token", metavar="NAME/VERSION", default="", help="what Server and Via say")
    run.add_argument("--ingress-class", default="kong", metavar="NAME", help="default: %(default)s")
    run.add_argument("--trusted-ips", type=_words, default=(), metavar="CIDR,…", help="whose X-Forwarded-* to believe")
    run.add_argument("--real-ip-header", metavar="NAME", help="in which a trusted peer tells the client's address")
    run.add_argument("--headers", type=_words, metavar="NAME,…", help="its own headers for clients (`off`: none)")
    run.add_argument("--headers-upstream", type=_words, metavar="NAME,…", help="the same for Services")
    run.add_argument(
        "--missing-plugins",
        choices=("closed", "open"),
        default="closed",
        help="answer 503 where a plugin does not exist, or serve without it (default: %(default)s)",
    )
    run.add_argument(
        "--identity-headers",
        choices=("strip", "pass"),
        default="strip",
        help="clients' own X-Consumer-* and the like: never to Services, or where no plugin authenticates"
        " (default: %(default)s)",
    )
    run.add_argument(
        "--concurrency", type=_count, default=os.cpu_count() or 1, metavar="N", help="Envoy's worker threads"
    )
    run.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.certs.default_certificate import self_signed_certificate
    from crossfade.compile.gateway.settings import CompileSettings
    from crossfade.gateway_files.run import FilesSettings, run_gateway_files
    from crossfade_kube.logging import configure

    # Warnings are told as messages.
    configure("ERROR")

    settings = CompileSettings(
        ingress_class=arguments.ingress_class,
        compat=arguments.compat,
        server_token=arguments.server_token,
        address=arguments.address,
        http_port=arguments.http_port,
        https_port=arguments.https_port,
        trusted_ips=arguments.trusted_ips,
        real_ip_header=arguments.real_ip_header,
        headers=arguments.headers,
        headers_upstream=arguments.headers_upstream,
        missing_plugins=arguments.missing_plugins,
        identity_headers=arguments.identity_headers,
        stands_alone=True,
        salt=secrets.token_bytes(16),
        default_certificate=self_signed_certificate() if arguments.https_port else None,
    )
    return run_gateway_files(FilesSettings(arguments.folder, settings, arguments.concurrency), say=_say)


def _say(message: "Message") -> None:
    """One line for a fact and one for its hint."""
    from crossfade.cli.render import styled

    parts = [message.where, message.text]
    if message.severity is not None:
        style = "red" if message.severity == "error" else "yellow"
        parts.insert(1, styled(message.severity, style, sys.stderr))
    hint = f"\nhint: {message.hint}" if message.hint else ""
    print(f"{': '.join(parts)}{hint}", file=sys.stderr, flush=True)


def _words(text: str) -> tuple[str, ...]:
    """Kong writes `off` for none."""
    return tuple(word.strip() for word in text.split(",") if word.strip() and word.strip() != "off")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number
