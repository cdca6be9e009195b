"""`crossfade explain`: which route takes a request and why, which plugins it meets, and what comes of it; the same of
connections and datagrams.
"""

import argparse
import asyncio
import ipaddress
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crossfade.cli.watched import add_watched_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossfade.compile.gateway.compiler import CompiledGateway
    from crossfade.compile.gateway.settings import CompileSettings
    from crossfade.compile.mesh import MeshModel
    from crossfade.explain.model import CallExplanation, Explanation, StreamExplanation
    from crossfade.gateway_files.facts import Fact
    from crossfade.kong_conf.settings import KongSettings
    from crossfade_kube.meta import NamespacedName

T = TypeVar("T")
_TIMEOUT_S = 30.0
_COMPAT = "kong-3"
_EPILOG = """\
exit codes:
  0  explained, whatever the answer would be
  1  there is nothing to explain it with: manifests, cluster or policy module cannot be read
  2  wrong usage

examples:
  crossfade explain GET http://shop.example/cart -f manifests/
  crossfade explain POST https://shop.example/orders -H 'apikey: mine' -f manifests/ --output json
  crossfade explain GET http://shop.example/ --kubeconfig ~/.kube/config
  crossfade explain GET http://shop.example/ --admin 127.0.0.1:8001
  crossfade explain tls://db.example:9443 -f manifests/ --kong-conf kong.conf
  crossfade explain 1917a0c5f2b84d6e9a3b5c7d8e9f0a1b
  crossfade explain GET http://jazz.prod.svc.cluster.local:9080/ --node prod/dj -f manifests/
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    explain = commands.add_parser(
        "explain",
        help="say what becomes of a request",
        usage="crossfade explain [options] METHOD URL | tcp:// tls:// or udp://HOST:PORT | REQUEST_ID",
        description="Says which listener, route and Service take a request, why that route and not the next, which"
        " plugins it meets and who attached them, and what is answered. The policy module itself decides; no request"
        " is sent, and no limit counts it. With the X-Kong-Request-Id or X-Request-Id of a request that was made"
        " it says what has become of that one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument(
        "asked",
        metavar="METHOD URL",
        nargs="+",
        help="or tcp://, tls:// or udp:// with HOST:PORT, or the id of a request that has been made",
    )
    add_watched_options(explain)
    explain.add_argument(
        "-n",
        "--namespace",
        default="",
        help="with a request's id: what is of this namespace, which takes the right to see its requests only",
    )
    explain.add_argument("-H", "--header", metavar="'NAME: VALUE'", action="append", default=[], help="may be repeated")
    source = explain.add_mutually_exclusive_group()
    source.add_argument("-f", "--filename", metavar="PATH", action="append", help="manifests: file, directory or `-`")
    source.add_argument("--kubeconfig", metavar="FILE", type=Path, help="the objects of a cluster")
    source.add_argument("--admin", metavar="HOST:PORT", help="a running gateway, by its Admin API")
    explain.add_argument(
        "--node", metavar="NAMESPACE/NAME", help="a VirtualNode: the request is one of its application into its mesh"
    )
    explain.add_argument("-R", "--recursive", action="store_true", help="directories with all below them")
    explain.add_argument("--client", metavar="IP", type=_address, default="127.0.0.1", help="default: %(default)s")
    explain.add_argument("--kong-conf", metavar="FILE", type=Path, help="settings of Kong; those in KONG_* go before")
    explain.add_argument("--trusted-ips", metavar="CIDR,…", help="as the gateway's")
    explain.add_argument(
        "--compat",
        choices=("kong-3", "kong-2.1"),
        help=f"default: with --kubeconfig what the gateway's Deployment says, else {_COMPAT}",
    )
    explain.add_argument("--ingress-class", default="kong", metavar="NAME", help="default: %(default)s")
    explain.add_argument("--missing-plugins", choices=("closed", "open"), default="closed", help="as the gateway's")
    explain.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    explain.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.explain.calls import UnknownNode
    from crossfade.explain.request import BadRequest
    from crossfade.gateway_files.given import NotThere
    from crossfade_kube.errors import KubeError

    if _names_request(arguments):
        from crossfade.cli.past_request import run

        return run(arguments)
    if not (arguments.filename or arguments.kubeconfig or arguments.admin):
        return _fail(BadRequest("say by what: -f PATH, --kubeconfig FILE or --admin HOST:PORT"), 2)
    try:
        found = _explained(arguments)
    except (BadRequest, NotThere, UnknownNode) as error:
        return _fail(error, 2)
    except (KubeError, OSError, ValueError) as error:
        return _fail(error, 1)
    _print(found, arguments.output)
    return 0


def _names_request(arguments: argparse.Namespace) -> bool:
    return len(arguments.asked) == 1 and "://" not in arguments.asked[0] and arguments.node is None


def _explained(arguments: argparse.Namespace) -> "Explanation | StreamExplanation | CallExplanation":
    """Raises BadRequest, and what reading and compiling raise."""
    from crossfade.explain.calls import explain_call
    from crossfade.explain.explainer import Explainer
    from crossfade.explain.model import Explanation, StreamExplanation
    from crossfade.explain.request import BadRequest, question_of
    from crossfade.explain.streams import explain_stream, is_stream_url, stream_question_of

    if arguments.node is not None and arguments.admin is not None:
        raise BadRequest("--node asks manifests or a cluster: a gateway's Admin API knows no sidecar")
    match arguments.asked:
        case [url] if is_stream_url(url) and arguments.node is None:
            asked = stream_question_of(url)
            if arguments.admin is not None:
                return _asked(arguments, {"url": url}, StreamExplanation)
            return explain_stream(_compiled(arguments), asked)
        case [method, url] if not is_stream_url(url):
            question = question_of(method, url, arguments.header, client=arguments.client, listen=_listen(url))
            if arguments.node is not None:
                return explain_call(_compiled_mesh(arguments), _node(arguments.node), question, url)
            if arguments.admin is not None:
                request = {"method": method, "url": url, "headers": arguments.header, "client": arguments.client}
                return _asked(arguments, request, Explanation)
            return Explainer(_compiled(arguments)).explain(question, url)
    raise BadRequest("give METHOD and URL of a request, or tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT alone")


def _asked(arguments: argparse.Namespace, asked: dict[str, object], kind: type[T]) -> T:
    """By the gateway itself. Raises OSError when it does not answer, ValueError when it does otherwise."""
    import urllib.request

    import msgspec

    from crossfade.admin_api.server import EXPLAIN_PATH

    request = urllib.request.Request(
        f"http://{arguments.admin}{EXPLAIN_PATH}", msgspec.json.encode(asked), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
        return msgspec.json.decode(response.read(), type=kind)


def _compiled(arguments: argparse.Namespace) -> "CompiledGateway":
    settings = _settings(arguments)
    if arguments.kubeconfig is not None:
        from crossfade.controller.gateway.once import compiled_cluster
        from crossfade_kube.kubeconfig import load_kubeconfig

        return asyncio.run(compiled_cluster(load_kubeconfig(arguments.kubeconfig), settings))
    from crossfade.gateway_files.given import GivenFiles
    from crossfade.gateway_files.once import compiled_files

    files = GivenFiles(arguments.filename, stdin=sys.stdin, is_deep=arguments.recursive)
    compiled, facts = compiled_files(files, settings)
    _tell_errors(facts)
    return compiled


def _compiled_mesh(arguments: argparse.Namespace) -> "MeshModel":
    if arguments.kubeconfig is not None:
        from crossfade.controller.mesh.once import compiled_cluster
        from crossfade_kube.kubeconfig import load_kubeconfig

        return asyncio.run(compiled_cluster(load_kubeconfig(arguments.kubeconfig)))
    from crossfade.check.mesh import compiled_mesh
    from crossfade.gateway_files.given import GivenFiles

    model, facts = compiled_mesh(GivenFiles(arguments.filename, stdin=sys.stdin, is_deep=arguments.recursive))
    _tell_errors(facts)
    return model


def _tell_errors(facts: "Iterable[Fact]") -> None:
    from crossfade.compile.diagnostics import Severity

    errors = sum(fact.severity is Severity.ERROR for fact in facts)
    if errors:
        _say(f"{errors} error{'s' * (errors > 1)} in the manifests; `crossfade check` says which")


def _node(text: str) -> "NamespacedName":
    """Raises BadRequest."""
    from crossfade.explain.request import BadRequest
    from crossfade_kube.meta import NamespacedName

    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name:
        raise BadRequest(f"--node {text!r}: write NAMESPACE/NAME of a VirtualNode")
    return NamespacedName(namespace, name)


def _settings(arguments: argparse.Namespace) -> "CompileSettings":
    from crossfade.certs.authorities import USUAL_AUTHORITIES
    from crossfade.certs.default_certificate import self_signed_certificate
    from crossfade.compile.gateway.settings import CompileSettings, Environment

    return CompileSettings(
        ingress_class=arguments.ingress_class,
        compat=arguments.compat or _compat(arguments),
        missing_plugins=arguments.missing_plugins,
        kong=_kong(arguments),
        environment=Environment(os.environ),
        salt=os.urandom(16),
        default_certificate=self_signed_certificate(),
        authorities=USUAL_AUTHORITIES,
    )


def _compat(arguments: argparse.Namespace) -> str:
    """Raises KubeError, OSError and ValueError."""
    if arguments.kubeconfig is None:
        return _COMPAT
    from crossfade.controller.gateway.deployed import deployed_compat
    from crossfade_kube.errors import Forbidden
    from crossfade_kube.kubeconfig import load_kubeconfig

    try:
        found = asyncio.run(deployed_compat(load_kubeconfig(arguments.kubeconfig), arguments.ingress_class))
    except Forbidden:
        _say(f"you may not list Deployments, so the gateway is taken to answer as {_COMPAT}; --compat says otherwise")
        return _COMPAT
    return found or _COMPAT


def _kong(arguments: argparse.Namespace) -> "KongSettings":
    """As the gateway reads them. Raises OSError and ValueError."""
    from crossfade.kong_conf.files import with_files_read
    from crossfade.kong_conf.reading import read_settings
    from crossfade.kong_conf.sources import Given, from_environment, from_file

    option = {} if arguments.trusted_ips is None else {"trusted_ips": Given(arguments.trusted_ips, "--trusted-ips")}
    sources = [option, from_environment(os.environ)]
    if arguments.kong_conf is not None:
        sources.append(from_file(arguments.kong_conf.read_text(), arguments.kong_conf.name))
    reading = read_settings(sources)
    if reading.errors:
        raise ValueError("\n".join(reading.errors))
    return with_files_read(reading.settings)


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _listen(url: str) -> str:
    return "127.0.0.1:8443" if url.startswith("https:") else "127.0.0.1:8000"


def _print(found: "Explanation | StreamExplanation | CallExplanation", output: str) -> None:
    import msgspec

    from crossfade.explain.model import CallExplanation, Explanation
    from crossfade.explain.text import call_lines_of, lines_of, stream_lines_of
    from crossfade.observe.words import shown_lines

    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    match found:
        case Explanation():
            lines = lines_of(found)
        case CallExplanation():
            lines = call_lines_of(found)
        case _:
            lines = stream_lines_of(found)
    for line in lines:
        print(shown_lines(line))


def _fail(error: Exception, code: int) -> int:
    _say(str(error))
    return code


def _say(text: str) -> None:
    from crossfade.observe.words import shown_lines

    print(f"crossfade explain: {shown_lines(text)}", file=sys.stderr)
