"""The Service that clients reach a gateway by, its listeners, its IngressClass."""

from typing import Any, Final

from crossfade.install.gateway_chart.names import PROXY_SERVICE, SELECTOR, manifest
from crossfade.install.gateway_defaults import CONTROLLER_NAME
from crossfade.install.template.nodes import (
    Each,
    EachText,
    Given,
    Is,
    Item,
    Joined,
    Named,
    Value,
    When,
    Words,
    first_of,
    text,
)
from crossfade_kube.meta import JsonObject

_HTTP: Final = Value("proxy.http.enabled")
_TLS: Final = Value("proxy.tls.enabled")
_STREAM: Final = Value("proxy.stream")
_PROTOCOL: Final = first_of(Item("protocol"), "TCP")
_STREAM_NAME: Final = text(When(Is(Item("protocol"), "UDP"), "streamudp-", "stream-"), Item("containerPort"))

# As Kong's chart sets them: what Kong and this gateway read.
LISTEN: Final = Named(
    "kong.proxyListen",
    Joined(
        ", ",
        (
            When(
                _HTTP,
                Joined(
                    " ", (text("0.0.0.0:", Value("proxy.http.containerPort")), Words(Value("proxy.http.parameters")))
                ),
            ),
            When(
                _TLS,
                Joined(
                    " ",
                    (
                        text("0.0.0.0:", Value("proxy.tls.containerPort")),
                        Words(Value("proxy.tls.parameters")),
                        "ssl",
                    ),
                ),
            ),
        ),
    ),
)
PORT_MAPS: Final = Named(
    "kong.portMaps",
    Joined(
        ", ",
        (
            When(_HTTP, text(Value("proxy.http.servicePort"), ":", Value("proxy.http.containerPort"))),
            When(_TLS, text(Value("proxy.tls.servicePort"), ":", Value("proxy.tls.containerPort"))),
        ),
    ),
)
STREAM_LISTEN: Final = Named(
    "kong.streamListen",
    EachText(_STREAM, Joined(" ", (text("0.0.0.0:", Item("containerPort")), Words(Item("parameters"))))),
)


def services() -> dict[str, Any]:
    return {
        "ingress-class.yaml": When(Value("ingressController.createIngressClass"), _ingress_class()),
        "proxy-service.yaml": When(Value("proxy.enabled"), _proxy()),
    }


def container_ports() -> list[Any]:
    http, tls = (_container_port(name, part) for name, part in (("proxy", "http"), ("proxy-tls", "tls")))
    stream = {"name": _STREAM_NAME, "containerPort": Item("containerPort"), "protocol": _PROTOCOL}
    return [When(_HTTP, http), When(_TLS, tls), Each(_STREAM, stream)]


def _container_port(name: str, part: str) -> JsonObject:
    return {
        "name": name,
        "containerPort": Value(f"proxy.{part}.containerPort"),
        "hostPort": Given(f"proxy.{part}.hostPort"),
        "protocol": "TCP",
    }


def _ingress_class() -> JsonObject:
    return manifest(
        "networking.k8s.io/v1",
        "IngressClass",
        Value("ingressController.ingressClass"),
        namespaced=False,
        annotations=Given("ingressController.ingressClassAnnotations"),
        spec={"controller": CONTROLLER_NAME},
    )


def _proxy() -> JsonObject:
    given = (
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "externalIPs",
        "externalTrafficPolicy",
        "clusterIP",
        "ipFamilyPolicy",
        "ipFamilies",
        "sessionAffinity",
        "trafficDistribution",
    )
    stream = {
        "name": _STREAM_NAME,
        "port": Item("servicePort"),
        "targetPort": Item("containerPort"),
        "protocol": _PROTOCOL,
    }
    target = first_of(Value("proxy.tls.overrideServiceTargetPort"), Value("proxy.tls.containerPort"))
    return manifest(
        "v1",
        "Service",
        PROXY_SERVICE,
        annotations=Given("proxy.annotations"),
        more_labels=(Given("proxy.labels"),),
        spec={
            "type": Value("proxy.type"),
            **{name: Given(f"proxy.{name}") for name in given},
            "selector": SELECTOR,
            "ports": [
                When(_HTTP, _port("kong-proxy", "http", Value("proxy.http.containerPort"))),
                When(_TLS, _port("kong-proxy-tls", "tls", target)),
                Each(_STREAM, stream),
            ],
        },
    )


def _port(name: str, part: str, target: Any) -> JsonObject:
    return {
        "name": name,
        "port": Value(f"proxy.{part}.servicePort"),
        "targetPort": target,
        "nodePort": Given(f"proxy.{part}.nodePort"),
        "appProtocol": Given(f"proxy.{part}.appProtocol"),
        "protocol": "TCP",
    }
