"""`crossfade gateway`: the gateway alone on a directory of manifests."""

import argparse
import gc
import ipaddress
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crossfade.gateway_files.message import Message
    from crossfade.kong_conf.reading import Reading

# Where nothing says where to listen.
_ADDRESS: Final = "127.0.0.1"
_HTTP_PORT: Final = 8000


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    gateway = commands.add_parser("gateway", help="run the gateway alone", description=__doc__)
    actions = gateway.add_subparsers(required=True, metavar="ACTION")
    run = actions.add_parser(
        "run",
        help="run it on a directory of manifests",
        description="Runs the gateway on a directory of manifests, without cluster or root. Changes are live at once.",
        epilog="EndpointSlices may name loopback addresses. Ends with Ctrl-C.",
    )
    run.add_argument(
        "-f",
        "--folder",
        metavar="DIR",
        type=Path,
        required=True,
        help="with *.yaml, *.yml, *.json files, and *.proto files that plugins name",
    )
    run.add_argument("--kong-conf", metavar="FILE", type=Path, help="settings of Kong; those in KONG_* go before")
    run.add_argument("--address", type=_address, help=f"where to listen (default: {_ADDRESS})")
    run.add_argument("--http-port", type=_port, metavar="N", help=f"default: {_HTTP_PORT}")
    run.add_argument("--https-port", type=_port, metavar="N", help="default: no TLS")
    run.add_argument(
        "--compat",
        choices=("kong-3", "kong-2.1"),
        default="kong-3",
        help="whose response texts and headers to send (default: %(default)s)",
    )
    run.add_argument("--server-token", metavar="NAME/VERSION", default="", help="what Server and Via say")
    run.add_argument("--ingress-class", default="kong", metavar="NAME", help="default: %(default)s")
    run.add_argument("--trusted-ips", metavar="CIDR,…", help="whose X-Forwarded-* to believe")
    run.add_argument("--real-ip-header", metavar="NAME", help="in which a trusted peer tells the client's address")
    run.add_argument("--headers", metavar="NAME,…", help="its own headers for clients (`off`: none)")
    run.add_argument("--headers-upstream", metavar="NAME,…", help="the same for Services")
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
        "--admin-port", type=_port, metavar="N", help="Kong's Admin API, read-only and on loopback (default: none)"
    )
    run.add_argument(
        "--acme-folder",
        metavar="DIR",
        type=Path,
        help="where the plugin acme keeps accounts and certificates (default: ~/.local/state/crossfade/acme)",
    )
    run.add_argument(
        "--records",
        choices=("on", "off"),
        default="on",
        help="of single requests, for `crossfade tap` and `crossfade explain` (default: %(default)s)",
    )
    run.add_argument("--concurrency", metavar="N", help="Envoy's worker threads (default: one a processor)")
    run.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    # Searched again and again for garbage, imports take a tenth longer; nothing of them becomes any.
    gc.disable()
    from crossfade.certs.authorities import system_authorities
    from crossfade.certs.default_certificate import admin_certificate, client_certificate, default_certificate
    from crossfade.compile.diagnostics import Severity
    from crossfade.compile.gateway.settings import CompileSettings, Environment
    from crossfade.gateway_files.message import SELF, Message
    from crossfade.gateway_files.run import FilesSettings, run_gateway_files
    from crossfade.kong_conf.files import check_authorities, with_files_read
    from crossfade_kube.logging import configure

    # Warnings are told as messages.
    configure("ERROR")

    try:
        reading = _read(arguments)
        kong = with_files_read(reading.settings) if not reading.errors else reading.settings
        certificate, of_admin = default_certificate(kong), admin_certificate(kong)
        of_client = client_certificate(kong)
        check_authorities(kong)
    except (OSError, ValueError) as problem:
        _say(Message(SELF, str(problem), Severity.ERROR))
        return 1
    for remark in reading.remarks:
        severity = Severity.ERROR if remark.is_error else Severity.WARNING
        _say(Message(SELF, f"{remark.where} {remark.text}", severity))
    if reading.errors:
        return 1
    settings = CompileSettings(
        ingress_class=arguments.ingress_class,
        compat=arguments.compat,
        server_token=arguments.server_token,
        kong=kong,
        missing_plugins=arguments.missing_plugins,
        identity_headers=arguments.identity_headers,
        stands_alone=True,
        records=arguments.records == "on",
        environment=Environment(os.environ),
        salt=secrets.token_bytes(16),
        default_certificate=certificate,
        client_certificate=of_client,
        authorities=system_authorities(),
    )
    options = {
        arguments.http_port: "--http-port",
        arguments.https_port: "--https-port",
        arguments.admin_port: "--admin-port",
    }
    acme_folder = arguments.acme_folder or _state_folder() / "acme"
    files = FilesSettings(arguments.folder, settings, acme_folder, options, of_admin)
    return run_gateway_files(files, say=_say)


def _state_folder() -> Path:
    """As the XDG base directories have it."""
    given = os.environ.get("XDG_STATE_HOME")
    return (Path(given) if given and Path(given).is_absolute() else Path("~/.local/state").expanduser()) / "crossfade"


def _read(arguments: argparse.Namespace) -> "Reading":
    """Options go before the environment, that before the file. Raises OSError or ValueError for a file that is none."""
    from crossfade.kong_conf.listen import Listen
    from crossfade.kong_conf.reading import read_settings
    from crossfade.kong_conf.settings import KongSettings
    from crossfade.kong_conf.sources import Given, from_environment, from_file

    options = {
        "proxy_listen": (_listen(arguments), "--http-port and --https-port"),
        "trusted_ips": (arguments.trusted_ips, "--trusted-ips"),
        "real_ip_header": (arguments.real_ip_header, "--real-ip-header"),
        "headers": (arguments.headers, "--headers"),
        "headers_upstream": (arguments.headers_upstream, "--headers-upstream"),
        "admin_listen": (f"{_ADDRESS}:{arguments.admin_port}" if arguments.admin_port else None, "--admin-port"),
        "nginx_worker_processes": (arguments.concurrency, "--concurrency"),
    }
    sources = [
        {name: Given(text, option) for name, (text, option) in options.items() if text is not None},
        from_environment(os.environ),
    ]
    if arguments.kong_conf is not None:
        sources.append(from_file(arguments.kong_conf.read_text(), arguments.kong_conf.name))
    return read_settings(sources, KongSettings(proxy_listen=(Listen(_ADDRESS, _HTTP_PORT),)))


def _listen(arguments: argparse.Namespace) -> str | None:
    """As Kong's `proxy_listen`; None where no option says anything."""
    if (arguments.address, arguments.http_port, arguments.https_port) == (None, None, None):
        return None
    address = arguments.address or _ADDRESS
    host = f"[{address}]" if ":" in address else address
    plain = f"{host}:{arguments.http_port or _HTTP_PORT}"
    return f"{plain}, {host}:{arguments.https_port} http2 ssl" if arguments.https_port else plain


def _say(message: "Message") -> None:
    """One line for a fact and one for its hint. Manifests may hold what moves a cursor."""
    from crossfade.cli.render import styled
    from crossfade.observe.words import shown_lines

    parts = [shown_lines(message.where), shown_lines(message.text)]
    if message.severity is not None:
        style = "red" if message.severity == "error" else "yellow"
        parts.insert(1, styled(message.severity, style, sys.stderr))
    hint = f"\nhint: {shown_lines(message.hint)}" if message.hint else ""
    print(f"{': '.join(parts)}{hint}", file=sys.stderr, flush=True)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address like 127.0.0.1 or 0.0.0.0") from None


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number
