"""Connections and datagrams at the ports of Kong's `stream_listen`: which rule takes them, by the model that serves."""

import ipaddress
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from crossfade.api.kong.stream_ingress import TcpRule, UdpRule
from crossfade.compile.diagnostics import Diagnostic
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.state import StreamRoute
from crossfade.compile.model import FilterChain, HttpHandler, Listener
from crossfade.compile.routing.origin import Origin
from crossfade.explain.listening import picked_chain
from crossfade.explain.model import ListenerFound, RuleFound, StreamExplanation
from crossfade.explain.request import BadRequest
from crossfade.explain.services import service_found
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

SCHEMES: Final = ("tcp", "tls", "udp")
_PORTS: Final = range(1, 65536)
_RULE: Final = "spec.rules["


class StreamQuestion(NamedTuple):
    """`host` is an address of the gateway, or the server name that TLS asks for."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def server_name(self) -> str:
        """Addresses are not asked for by TLS."""
        return self.host if self.scheme == "tls" and _address(self.host) is None else ""


def is_stream_url(url: str) -> bool:
    return url.partition("://")[0].lower() in SCHEMES and "://" in url


def stream_question_of(url: str) -> StreamQuestion:
    """Raises BadRequest."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRequest(f"{url!r}: {error}") from None
    rest = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in SCHEMES or not parts.hostname or port not in _PORTS or any(rest) or not url.isprintable():
        raise BadRequest(f"{url!r} is not like tcp://127.0.0.1:9000, tls://db.example:9443 or udp://127.0.0.1:53")
    return StreamQuestion(url, parts.scheme, parts.hostname, port or 0)


def explain_stream(compiled: CompiledGateway, question: StreamQuestion) -> StreamExplanation:
    listener = _listener(compiled, question)
    taken_by, refusal = _taken_by(listener, question)
    found = next((each for each in compiled.entities.placed_streams if each[0].origin == taken_by), None)
    if listener is None or found is None:
        return StreamExplanation(
            url=question.url,
            listener=_shown(listener),
            rule=None,
            service=None,
            refusal=refusal,
            diagnostics=tuple(_about(compiled, _claims(compiled, question))),
        )
    route, service = found
    if not refusal and not service.cluster.endpoints:
        refusal = f"{service.cluster.origin.ref} has no endpoint"
    concerned = [route.origin, Origin(service.cluster.origin.ref)]
    return StreamExplanation(
        url=question.url,
        listener=_shown(listener),
        rule=_rule(route, listener, question),
        service=service_found(service, service.cluster),
        refusal=refusal,
        diagnostics=tuple(_about(compiled, concerned)),
    )


def _listener(compiled: CompiledGateway, question: StreamQuestion) -> Listener | None:
    wants_datagrams, address = question.scheme == "udp", _address(question.host)
    fitting = [
        each
        for each in compiled.model.listeners
        if each.port == question.port and (each.datagrams is not None) == wants_datagrams
    ]
    if address is None:
        return next(iter(fitting), None)
    return next((each for each in fitting if _takes(each, address)), None)


def _takes(listener: Listener, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    own = ipaddress.ip_address(listener.address)
    if own.version != address.version:
        return own.version == 6 and own.is_unspecified and listener.takes_ipv4_too
    return own.is_unspecified or own == address


def _taken_by(listener: Listener | None, question: StreamQuestion) -> tuple[Origin | None, str]:
    """Whose rule it is, and why nothing gets on all the same."""
    if listener is None:
        return None, "nothing listens there: no rule that can be served wants the port"
    if listener.datagrams is not None:
        return listener.datagrams.origin, ""
    chain = picked_chain(listener, question.server_name)
    if chain is None:
        name = (
            f"the server name {question.server_name}" if question.server_name else "connections without a server name"
        )
        return None, f"the connection is closed: no rule at this port is for {name}"
    if isinstance(chain.handler, HttpHandler):
        return None, "the port takes HTTP requests: ask with a method and an http or https URL"
    if chain.certificate is not None and question.scheme == "tcp":
        return chain.origin, "the connection is closed: the port takes TLS"
    return chain.origin, ""


def _rule(route: StreamRoute, listener: Listener, question: StreamQuestion) -> RuleFound:
    chain = None if listener.datagrams is not None else picked_chain(listener, question.server_name)
    return RuleFound(route.name, str(route.origin.ref), route.origin.path, route.host, _tls(chain, question))


def _tls(chain: FilterChain | None, question: StreamQuestion) -> str:
    if chain is None or (question.scheme != "tls" and chain.certificate is None):
        return ""
    return "passed through" if chain.certificate is None else "ended here"


def _claims(compiled: CompiledGateway, question: StreamQuestion) -> list[Origin]:
    """All rules for the port, also those that are not served."""
    kind = "UDPIngress" if question.scheme == "udp" else "TCPIngress"
    return [
        Origin(ref, f"{_RULE}{index}]")
        for item in compiled.entities.stream_objects
        if (ref := typed_ref(item)).kind == kind
        for index, rule in enumerate(item.spec.rules)
        if isinstance(rule, TcpRule | UdpRule) and rule.port == question.port
    ]


def _about(compiled: CompiledGateway, concerned: list[Origin]) -> Iterator[Diagnostic]:
    """Those of the rules themselves and of their objects as a whole, not of other rules."""
    paths: dict[ObjectRef, list[str]] = {}
    for origin in concerned:
        paths.setdefault(_key(origin.ref), []).append(origin.path)
    for each in compiled.diagnostics:
        of_object = paths.get(_key(each.ref))
        if of_object is not None and (not each.field.startswith(_RULE) or _is_within(each.field, of_object)):
            yield each


def _is_within(field: str, paths: list[str]) -> bool:
    return any(path and field.startswith(path) for path in paths)


def _key(ref: ObjectRef) -> ObjectRef:
    return ObjectRef(*ref[:4])


def _shown(listener: Listener | None) -> ListenerFound | None:
    return None if listener is None else ListenerFound(listener.name, listener.address, listener.port)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
