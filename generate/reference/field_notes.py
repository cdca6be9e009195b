"""What a definition's schema cannot say of a field: what it does beyond its name, or why it has no effect.

Patterns fit whole paths; the first that fits counts.
"""

import re
from collections.abc import Mapping
from typing import Final

_NO_TLS: Final = "certificates are for TLS between proxies, which is not supported"
_PLUGIN: Final = {
    r"consumerRef": "told; the plugin runs for all consumers, as on Kong: name it in a KongConsumer's annotation",
    r"run_on": "was for meshes of Kong 1; `second` is told, since the plugin runs here",
    r"ordering": "told; the plugin is refused, as by Kong's open-source gateway: the order of plugins is fixed",
    r"instance_name": "a label in logs and traces of Kong; instances are named after their objects",
}
_PROTOCOLS: Final = (
    "checked against those of the plugin; as on Kong, one for streams only runs on no request, any other on all"
    " requests of its routes; both are told"
)
_ROUND_ROBIN: Final = "requests are balanced round-robin, without health checks"

# By kind, "" for all: pattern of a path → reason. What lies below such a path is not told one by one.
NO_EFFECT: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        r".*\.tls\.(certificate|validation)": _NO_TLS,
    },
    "Mesh": {r"spec\.meshOwner": "told where it is another account than that of the ARNs: no mesh is shared here"},
    "VirtualNode": {
        r"spec\.serviceDiscovery\.awsCloudMap": "told; other nodes cannot call the node: use `dns`",
        r"spec\.listeners\[\]\.healthCheck\.port": "the listener's own port is checked; another is told",
    },
    "VirtualGateway": {
        r"spec\.listeners\[\]\.healthCheck": "told; no proxy of a mesh calls a gateway, so none checks it",
    },
    "KongPlugin": _PLUGIN,
    "KongClusterPlugin": _PLUGIN,
    "KongConsumer": {
        r"spec": "was for Kong's cloud service",
    },
    "KongConsumerGroup": {r"spec": "was for Kong's cloud service"},
    "KongIngress": {
        r"proxy\.write_timeout": "told; an upstream that does not read is given `read_timeout`",
        r"upstream\.(algorithm|hash_on|healthchecks)": f"told; {_ROUND_ROBIN}",
        r"upstream\.(slots|hash_.*)": _ROUND_ROBIN,
    },
}

# By kind, "" for all: pattern of a path → meaning, where the definition has no description.
MEANING: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        r".*\.tls\.mode": "`STRICT` closes the port, `PERMISSIVE` takes plain text only: TLS is not supported",
        r".*\.tls\.enforce": "true, also when absent: what it covers is refused, since TLS is not supported",
        r".*\.tls\.ports": "the ports that `enforce` covers; absent: all",
        r".*\.perRequest": "0: no limit; absent: 15 s",
        r".*\.(http2?|grpc)Route\.timeout\.idle": "absent: as Envoy has it",
        r".*\.tcpRoute\.timeout\.idle": "0: no limit; absent: 300 s",
        r".*virtual(Node|Router|Service)ARN": "stands for the reference",
        r".*\.headers\[\]\.match\..*|.*\.metadata\[\]\.match\..*": "one of exact, prefix, suffix, regex, range",
        r".*\.(headers|metadata|queryParameters)\[\]\.name": "without a `match`: is there",
        r".*\.invert": "the condition must not hold",
        r".*\.match\.path\.(exact|regex)": "one of the two, in place of `prefix`",
        r".*\.accessLog\.file\.path": "where the proxy writes; absent: no log",
        r".*\.accessLog\.file\.format\..*": "Envoy's log format; one of text and json",
        r".*\.connectionPool\..*": "limit of what is open at once; the part of the listener's protocol counts",
        r".*\.priority": "lower comes first; absent: last",
        r".*\.portMapping\.protocol": "what the port speaks",
        r".*\.queryParameters\[\]\.match\.exact": "the parameter's value",
    },
    "Mesh": {
        r"spec\.namespaceSelector": "namespaces whose objects belong to the mesh; absent: none, empty: all",
        r"spec\.egressFilter\.type": "`DROP_ALL` (also when absent): only backends can be reached",
        r"spec\.meshServiceDiscovery\.ipPreference": "which addresses of names are used; absent: both kinds",
    },
    "VirtualNode": {
        r"spec\.podSelector": "pods of the namespace that are this node; absent: none, empty: all",
        r"spec\.listeners\[\]\.timeout\..*": "the part of the listener's protocol counts; 0: no limit",
        r"spec\.listeners\[\]\.healthCheck\..*": "callers ask the node's endpoints so",
        r"spec\.listeners\[\]\.outlierDetection\..*": "callers leave endpoints out that fail so often",
        r"spec\.serviceDiscovery\.dns\.hostname": "name or address at which callers find the node",
        r"spec\.serviceDiscovery\.dns\.responseType": "`ENDPOINTS`: all addresses of the name; absent: one",
        r"spec\.backends\[\]\.virtualService\.virtualServiceRef": "a virtual service that the node may call",
        r"spec\.backendGroups": "as backends, by BackendGroups; `*` is all of a namespace",
    },
    "VirtualService": {
        r"spec\.provider\..*Ref": "who answers; without a provider every request gets 404",
    },
    "VirtualRouter": {
        r"spec\.listeners\[\]\.portMapping\.port": "port at which the virtual service is called",
        r"spec\.routes\[\]\.name": "unique in the router",
        r".*\.weightedTargets\[\]\.virtualNodeRef": "a node that does not exist keeps its share, which is answered 503",
        r".*\.weightedTargets\[\]\.weight": "share of requests, in proportion to the other weights",
        r".*\.weightedTargets\[\]\.port": "the node's listener; may be left out where it has one",
        r".*\.retryPolicy\.maxRetries": "0: none; without a policy 2, on lost connections and 503",
        r".*\.retryPolicy\.perRetryTimeout": "for each try",
        r".*\.retryPolicy\.\w+RetryEvents": "what is tried again",
        r"spec\.routes\[\]\.\w+\.match\.prefix": "beginning of the path",
        r".*\.match\.method": "absent: all",
        r".*\.match\.scheme": "absent: both",
        r".*\.match\.port": "the router's listener; absent: all",
        r".*\.match\.(serviceName|methodName)": "of gRPC; a method needs a service",
    },
    "VirtualGateway": {
        r"spec\.namespaceSelector": "namespaces whose gateway routes it takes; absent: none, empty: all",
        r"spec\.gatewayRouteSelector": "gateway routes that it takes; absent: all",
        r"spec\.podSelector": "pods of the namespace that are this gateway; absent: none, empty: all",
    },
    "GatewayRoute": {
        r"spec\.\w+\.match\.prefix": "beginning of the path; absent: `/`",
        r".*\.match\.method": "absent: all",
        r".*\.match\.port": "the gateway's listener; absent: all",
        r".*\.match\.serviceName": "of gRPC",
        r".*\.match\.hostname\..*": "one of exact and suffix; the port does not count",
        r".*\.rewrite\.prefix\.defaultPrefix": "`DISABLED` keeps the matched prefix; otherwise it becomes `/`",
        r".*\.rewrite\.prefix\.value": "what the matched prefix becomes",
        r".*\.rewrite\.path\.exact": "what a path becomes that is matched by `exact`",
        r".*\.rewrite\.hostname\.defaultTargetHostname": "`DISABLED` is refused",
        r".*\.target\.virtualService\.virtualServiceRef": "where requests go",
        r".*\.target\.port": "the virtual service's port; may be left out where it has one",
        r"spec\.virtualGatewayRef": "the gateway that it belongs to; set at creation, read only",
    },
    "BackendGroup": {r"spec\.virtualservices": "virtual services that nodes may call by naming the group"},
    "KongPlugin": {r"protocols": _PROTOCOLS},
    "KongClusterPlugin": {r"protocols": _PROTOCOLS},
    "KongIngress": {
        r"route\.path_handling": "only `v0`; another value is told and has no effect",
        r"route\.response_buffering": "only true; false is told and has no effect",
        r"route\.(\w+)": "as the annotation of an Ingress, which comes first",
        r"proxy\.(\w+)": "as the annotation of a Service, which comes first",
    },
}


def reason(kind: str, path: str) -> str | None:
    """Why the field, or what it is part of, has no effect, None if it has one."""
    parts = path.split(".")
    above = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next((text for one in above if (text := first_of(NO_EFFECT, kind, one)) is not None), None)


def meaning(kind: str, path: str) -> str:
    return first_of(MEANING, kind, path) or ""


def first_of(notes: Mapping[str, Mapping[str, str]], kind: str, path: str) -> str | None:
    candidates = (*notes.get(kind, {}).items(), *notes[""].items())
    return next((text for pattern, text in candidates if re.fullmatch(pattern, path)), None)
