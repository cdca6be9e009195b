"""Services, with the upstreams that they name → Services with endpoints or an external name (kong.md §3.5)."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from crossfade.migrate.deck.output import Output, annotate, tag
from crossfade.migrate.deck.policies import upstream_policy
from crossfade.migrate.deck.tree import Node, Tree
from crossfade_kube.meta import JsonObject

_KNOWN: Final = frozenset(
    {
        "name",
        "url",
        "protocol",
        "host",
        "port",
        "path",
        "retries",
        "connect_timeout",
        "read_timeout",
        "write_timeout",
        "tags",
        "enabled",
        "tls_verify",
        "client_certificate",
        "ca_certificates",
        "tls_verify_depth",
    }
)
_UPSTREAM: Final = frozenset(
    {
        "name",
        "host_header",
        "tags",
        "algorithm",
        "slots",
        "hash_on",
        "hash_fallback",
        "hash_on_header",
        "hash_fallback_header",
        "hash_on_cookie",
        "hash_on_cookie_path",
        "hash_on_query_arg",
        "hash_fallback_query_arg",
        "hash_on_uri_capture",
        "hash_fallback_uri_capture",
        "healthchecks",
    }
)
_TARGET: Final = frozenset({"target", "weight", "tags"})
# Annotation, and Kong's default, which needs none.
_ANNOTATIONS: Final[Mapping[str, tuple[str, object]]] = {
    "protocol": ("konghq.com/protocol", "http"),
    "path": ("konghq.com/path", "/"),
    "retries": ("konghq.com/retries", 5),
    "connect_timeout": ("konghq.com/connect-timeout", 60000),
    "read_timeout": ("konghq.com/read-timeout", 60000),
    "write_timeout": ("konghq.com/write-timeout", 60000),
    "tls_verify": ("konghq.com/tls-verify", False),
    "tls_verify_depth": ("konghq.com/tls-verify-depth", None),
}
_PORTS: Final = {"https": 443, "grpcs": 443, "wss": 443}
_PORT_NAME: Final = "http"
_DEFAULT_TARGET_PORT: Final = 8000
_DEFAULT_WEIGHT: Final = 100


class MadeService(NamedTuple):
    """`port` is what an Ingress names."""

    object: JsonObject
    port: int


class _Target(NamedTuple):
    host: str
    port: int
    weight: int


def made_services(tree: Tree, output: Output) -> dict[str, MadeService]:
    """By name; those that are switched off are not there."""
    upstreams = {node.name: node for node in tree.of("upstream")}
    made = {}
    for node in tree.of("service"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        if node.fields.get("enabled") is not False:
            made[node.name] = _made(_with_url(node), upstreams, tree, output)
    used = {_with_url(node).fields.get("host") for node in tree.of("service")}
    for name, upstream in upstreams.items():
        output.note(upstream)
        output.refuse_rest(upstream, _UPSTREAM)
        if name not in used:
            output.refuse(upstream, "", "no service names it as its host, so nothing is made of it")
    for target in tree.of("target"):
        output.note(target)
        output.refuse_rest(target, _TARGET)
    return made


def _with_url(node: Node) -> Node:
    """The shorthand `url` stands for protocol, host, port and path; what is no URL names no host."""
    url = node.fields.get("url")
    if not isinstance(url, str):
        return node
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return node
    found: JsonObject = {"protocol": parts.scheme, "host": parts.hostname or ""}
    found["port"] = port or _PORTS.get(parts.scheme, 80)
    if parts.path:
        found["path"] = parts.path
    return replace(node, fields={**node.fields, **found})


def _made(node: Node, upstreams: Mapping[str, Node], tree: Tree, output: Output) -> MadeService:
    name = output.name_for("Service", node.name)
    host = str(node.fields.get("host") or "")
    if not host:
        output.refuse(node, "host", "it names no host; requests are answered 503")
    upstream = upstreams.get(host)
    targets = list(_targets(upstream, tree)) if upstream else [_Target(host, _port(node), _DEFAULT_WEIGHT)]
    made = _service(node, name, targets, output)
    for field, (annotation, default) in _ANNOTATIONS.items():
        value = node.fields.get(field)
        if value is not None and value != default:
            annotate(made.object, annotation, value)
    tag(made.object, node)
    if upstream is not None:
        if upstream.fields.get("host_header"):
            annotate(made.object, "konghq.com/host-header", upstream.fields["host_header"])
        upstream_policy(upstream, name, made.object, output)
    return made


def _port(node: Node) -> int:
    port = node.fields.get("port")
    return port if isinstance(port, int) else 80


def _targets(upstream: Node, tree: Tree) -> Iterator[_Target]:
    for node in tree.of("target"):
        if node.parents.get("upstream") != upstream.name:
            continue
        weight = node.fields.get("weight", _DEFAULT_WEIGHT)
        host, port = _host_and_port(str(node.fields.get("target", "")))
        # Kong sends nothing to such a target.
        if weight != 0:
            yield _Target(host, port, weight if isinstance(weight, int) else _DEFAULT_WEIGHT)


def _host_and_port(target: str) -> tuple[str, int]:
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or (host.count(":") > 0 and not host.startswith("[")):
        return target.strip("[]"), _DEFAULT_TARGET_PORT
    return host.strip("[]"), int(port)


def _service(node: Node, name: str, targets: list[_Target], output: Output) -> MadeService:
    addresses = [target for target in targets if _is_address(target.host)]
    names = [target for target in targets if not _is_address(target.host)]
    if names and not addresses:
        return _external(node, name, names, output)
    port = _port(node)
    body: JsonObject = {"spec": {"ports": [{"name": _PORT_NAME, "port": port}]}}
    made = output.add(node, "v1", "Service", name, body)
    _slices(node, name, addresses, output)
    if names:
        shown = ", ".join(target.host for target in names)
        output.refuse(
            node, "host", f"an EndpointSlice cannot hold the names {shown} beside addresses; they get no requests"
        )
    if len({target.weight for target in addresses}) > 1:
        output.differ(node, "host", "endpoints of a Service have no weights: all get as many requests")
    return MadeService(made, port)


def _external(node: Node, name: str, names: list[_Target], output: Output) -> MadeService:
    first, *others = names
    if others:
        shown = ", ".join(target.host for target in others)
        output.refuse(node, "host", f"a Service has one external name, {first.host}; {shown} get no requests")
    body = {
        "spec": {
            "type": "ExternalName",
            "externalName": first.host,
            "ports": [{"name": _PORT_NAME, "port": first.port}],
        }
    }
    return MadeService(output.add(node, "v1", "Service", name, body), first.port)


def _slices(node: Node, name: str, targets: list[_Target], output: Output) -> None:
    grouped: dict[tuple[str, int], list[str]] = {}
    for target in targets:
        family = "IPv6" if ":" in target.host else "IPv4"
        grouped.setdefault((family, target.port), []).append(target.host)
    for (family, port), addresses in grouped.items():
        body: dict[str, Any] = {
            "addressType": family,
            "ports": [{"name": _PORT_NAME, "port": port}],
            "endpoints": [{"addresses": [address]} for address in dict.fromkeys(addresses)],
        }
        slice_name = output.name_for("EndpointSlice", name)
        labels = {"kubernetes.io/service-name": name}
        output.add(node, "discovery.k8s.io/v1", "EndpointSlice", slice_name, body, labels=labels)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
