"""Routes → Ingresses, one each, whose annotations say what a rule cannot (kong.md §2, §3.1, §3.2)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade.migrate.deck.output import Output, annotate, tag
from crossfade.migrate.deck.services import MadeService
from crossfade.migrate.deck.tree import Node, Tree
from crossfade_kube.meta import JsonObject

_KNOWN: Final = frozenset(
    {
        "name",
        "protocols",
        "methods",
        "hosts",
        "paths",
        "headers",
        "snis",
        "https_redirect_status_code",
        "regex_priority",
        "strip_path",
        "preserve_host",
        "path_handling",
        "request_buffering",
        "response_buffering",
        "tags",
        "expression",
    }
)
_STREAM: Final = frozenset({"tcp", "tls", "udp", "tls_passthrough"})
# Which requests a route takes.
_CONDITIONS: Final = frozenset({"hosts", "paths", "methods", "headers", "snis", "protocols"})
_REGEX_PREFIX: Final = "/~"
# What Kong 2 takes for a regex.
_PLAIN: Final = re.compile(r"[a-zA-Z0-9._~/%-]*")
_RULE_HOST: Final = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SEPARATORS: Final = (",", "|", ";", "!", " ~ ")
# Kong's default of a route, Kong's default of an Ingress: only what differs from the latter is written.
_FLAGS: Final[Mapping[str, tuple[str, Any, Any]]] = {
    "strip_path": ("konghq.com/strip-path", True, False),
    "preserve_host": ("konghq.com/preserve-host", False, True),
    "path_handling": ("konghq.com/path-handling", "v0", "v0"),
    "regex_priority": ("konghq.com/regex-priority", 0, 0),
    "https_redirect_status_code": ("konghq.com/https-redirect-status-code", 426, 426),
    "request_buffering": ("konghq.com/request-buffering", True, True),
    "response_buffering": ("konghq.com/response-buffering", True, True),
}
_LISTS: Final = {"methods": "konghq.com/methods", "snis": "konghq.com/snis"}


def made_routes(tree: Tree, services: Mapping[str, MadeService], output: Output) -> dict[str, JsonObject]:
    """By name."""
    made = {}
    off = {node.name for node in tree.of("service") if node.fields.get("enabled") is False}
    for node in tree.of("route"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        service = node.parents.get("service", "")
        if service in off:
            continue
        problem = _problem(node, service, services)
        if problem is None:
            made[node.name] = _ingress(node, services[service], tree, output)
        else:
            output.refuse(node, *problem)
    return made


def _problem(node: Node, service: str, services: Mapping[str, MadeService]) -> tuple[str, str] | None:
    if node.fields.get("expression"):
        return (
            "expression",
            "routes of the expressions router have no manifest; write hosts, paths and so on",
        )
    unread = sorted(_CONDITIONS & set(node.misfits))
    if unread:
        return unread[0], "without it the route would take requests that it is not meant for; no Ingress is written"
    headers = _headers(node)
    if not all(isinstance(found, list) for found in headers.values()) or (headers and _separator(headers) is None):
        return "headers", "their values cannot be written as an annotation; no Ingress is written"
    protocols = set(_texts(node, "protocols"))
    if protocols & _STREAM:
        return "protocols", f"{', '.join(sorted(protocols & _STREAM))} is no HTTP: this gateway routes nothing else"
    if not service:
        return "service", "an Ingress needs a Service to send requests to"
    return None if service in services else ("service", f"service {service} is not in the file")


def _ingress(node: Node, service: MadeService, tree: Tree, output: Output) -> JsonObject:
    hosts = _texts(node, "hosts")
    rule_host = next((host for host in hosts if _RULE_HOST.fullmatch(host)), "")
    paths = _texts(node, "paths")
    if not paths:
        text = "an Ingress has a path, /: Kong weighs a route without paths less than one with them"
        output.differ(node, "paths", text)
    backend = {"service": {"name": service.object["metadata"]["name"], "port": {"number": service.port}}}
    rule: JsonObject = {
        "http": {
            "paths": [
                {"path": path, "pathType": "ImplementationSpecific", "backend": backend}
                for path in _paths(node, paths or ["/"], tree, output)
            ]
        }
    }
    if rule_host:
        rule = {"host": rule_host, **rule}
    name = output.name_for("Ingress", node.name)
    body = {"spec": {"ingressClassName": output.options.ingress_class, "rules": [rule]}}
    made = output.add(node, "networking.k8s.io/v1", "Ingress", name, body)
    aliases = [host for host in hosts if host != rule_host]
    if aliases:
        annotate(made, "konghq.com/host-aliases", ",".join(aliases))
    _annotate(node, made)
    tag(made, node)
    return made


def _paths(node: Node, paths: list[str], tree: Tree, output: Output) -> Iterator[str]:
    for path in paths:
        is_marked = path.startswith("~")
        if is_marked or (tree.is_old and not _PLAIN.fullmatch(path)):
            yield f"{_REGEX_PREFIX}{path.removeprefix('~') if is_marked else path}"
        elif path.startswith(_REGEX_PREFIX):
            output.refuse(
                node, "paths", f"a plain path that begins with {_REGEX_PREFIX} would be a regex; it is left out"
            )
        else:
            yield path


def _annotate(node: Node, made: JsonObject) -> None:
    for field, (annotation, default, default_there) in _FLAGS.items():
        value = node.fields.get(field)
        value = default if value is None else value
        if value != default_there:
            annotate(made, annotation, value)
    for field, annotation in _LISTS.items():
        values = _texts(node, field)
        if values:
            annotate(made, annotation, ",".join(values))
    protocols = _texts(node, "protocols")
    if protocols and set(protocols) != {"http", "https"}:
        annotate(made, "konghq.com/protocols", ",".join(protocols))
    _annotate_headers(_headers(node), made)


def _annotate_headers(headers: JsonObject, made: JsonObject) -> None:
    separator = _separator(headers)
    if separator not in (None, ","):
        annotate(made, "konghq.com/headers-separator", separator)
    for name, texts in headers.items():
        annotate(made, f"konghq.com/headers.{name}", (separator or ",").join(map(str, texts)))


def _separator(headers: JsonObject) -> str | None:
    """None: their values hold all that could separate them."""
    texts = [str(text) for found in headers.values() for text in found]
    return next((each for each in _SEPARATORS if not any(each in text for text in texts)), None)


def _headers(node: Node) -> JsonObject:
    found = node.fields.get("headers")
    return found if isinstance(found, dict) else {}


def _texts(node: Node, field: str) -> list[str]:
    value = node.fields.get(field)
    return [str(each) for each in value] if isinstance(value, list) else []
