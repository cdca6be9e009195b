"""What a definition's schema cannot say of a field: what it does beyond its name, or why it has no effect.

Patterns fit whole paths; the first that fits counts.
"""

import re
from collections.abc import Mapping
from typing import Final

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
_CONCURRENCY: Final = "told; every endpoint is probed by a clock of its own"
_PASSIVE_HEALTHY: Final = "told; an endpoint that is left out gets no requests that could succeed"
_PASSIVE_TYPE: Final = "statuses, lost connections and timeouts count whatever the type"

# By kind, "" for all: pattern of a path → reason. What lies below such a path is not told one by one.
NO_EFFECT: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "Mesh": {r"spec\.meshOwner": "told where it is another account than that of the ARNs: no mesh is shared here"},
    "VirtualNode": {
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
    "KongCustomEntity": {
        r"spec\.(type|fields|parentRef)": "told; entities of custom plugins are read by plugins in Lua only",
    },
    "KongVault": {
        r"spec\.description": "for people",
        r"spec\.tags": "tags of Kong's database; there is none",
    },
    "KongConsumerGroup": {r"spec": "was for Kong's cloud service"},
    "KongIngress": {
        r"proxy\.write_timeout": "told; an upstream that does not read is given `read_timeout`",
        r"upstream\.healthchecks\.active\.concurrency": _CONCURRENCY,
        r"upstream\.healthchecks\.passive\.healthy": _PASSIVE_HEALTHY,
        r"upstream\.healthchecks\.passive\.type": _PASSIVE_TYPE,
        r"upstream\.healthchecks\.passive\.unhealthy\.interval": "of active checks only",
    },
    "KongUpstreamPolicy": {
        r"spec\.healthchecks\.active\.concurrency": _CONCURRENCY,
        r"spec\.healthchecks\.passive\.healthy": _PASSIVE_HEALTHY,
        r"spec\.healthchecks\.passive\.type": _PASSIVE_TYPE,
        r"spec\.healthchecks\.passive\.unhealthy\.interval": "refused: of active checks only",
    },
}

_ALGORITHM: Final = (
    "`least-connections` takes the endpoint with the fewest requests, `latency` the one of two drawn at random that has"
    " fewer (Kong compares their times); absent: `round-robin`"
)
_INTERVAL: Final = "seconds between probes of endpoints in this state; 0: as in the other state; both 0: no probes"
_FALLBACK: Final = "for requests without the first input; absent: they go to any endpoint (Kong 3 sends all to one)"
_PROBE_FAILURES: Final = (
    "so many in a row take an endpoint out; 0: they do not count. The least of the three holds for all of them; lost"
    " connections and timeouts of probes always count. A new endpoint waits for its first good probe"
)
_REQUEST_FAILURES: Final = (
    "so many answers with one of the statuses in a row take an endpoint out, for 30 s, longer each time, or until a"
    " good probe (on Kong only that brings it back); 0: they do not count"
)
_LOCAL_FAILURES: Final = (
    "so many lost connections and timeouts in a row take an endpoint out as above; the lesser of the two holds"
)


def _health_notes(root: str, *, camel: bool) -> dict[str, str]:
    """The same checks, in the spelling of the one kind and of the other."""

    def spelled(path: str) -> str:
        return root + (re.sub(r"_(\w)", lambda found: found[1].upper(), path) if camel else path)

    notes = {
        r"\.threshold": "percent of endpoints that must be healthy, else all requests fail; not heeded with hashing",
        r"\.active\.type": "`grpc` and `grpcs` speak gRPC's own protocol of health checks (Kong: HTTP); absent: `http`",
        r"\.active\.timeout": "seconds, at least 1; absent: 1",
        r"\.active\.http_path": "absent: `/`",
        r"\.active\.https_sni": "server name of probes over TLS; absent: the Service's host header",
        r"\.active\.https_verify_certificate": "by the machine's trusted authorities; absent: true",
        r"\.active\.headers": "of probes; `Host` too",
        r"\.active\.healthy\.http_statuses": "absent: 200, 302; what is in neither list passes (Kong: changes nothing)",
        r"\.active\.unhealthy\.http_statuses": "absent: 404, 429, 500 to 505",
        r"\.active\.(healthy|unhealthy)\.interval": _INTERVAL,
        r"\.active\.healthy\.successes": "good probes in a row that bring an endpoint back; 0: one (on Kong none does)",
        r"\.active\.unhealthy\.(http_failures|tcp_failures|timeouts)": _PROBE_FAILURES,
        r"\.passive\.unhealthy\.http_statuses": "absent: 429, 500, 503",
        r"\.passive\.unhealthy\.http_failures": _REQUEST_FAILURES,
        r"\.passive\.unhealthy\.(tcp_failures|timeouts)": _LOCAL_FAILURES,
    }
    return {spelled(path): text for path, text in notes.items()}


# By kind, "" for all: pattern of a path → meaning, where the definition has no description.
MEANING: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        r".*\.tls\.mode": "`STRICT` takes TLS only, `PERMISSIVE` plain text too",
        r".*\.certificateARN|.*\.certificateAuthorityARNs": "a Secret of the namespace stands for it"
        " (annotation `crossfade.dev/acm-arns`)",
        r".*\.tls\..*\.(certificateChain|privateKey)": "a whole path in the sidecar's container",
        r".*\.tls\..*\.secretName": "of the agent at the sidecar's socket (SDS)",
        r".*\.tls\.validation\.subjectAlternativeNames\.match\.exact": "a host name, address, e-mail address or URI;"
        " absent: of a server the name that the node is found by, of a client any",
        r".*\.tls\.enforce": "true, also when absent; false: TLS where the server offers it, unchecked",
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
        r"spec\.meshServiceDiscovery\.ipPreference": "which addresses are used; absent: IPv6, or else IPv4",
    },
    "VirtualNode": {
        r"spec\.podSelector": "pods of the namespace that are this node; absent: none, empty: all",
        r"spec\.listeners\[\]\.timeout\..*": "the part of the listener's protocol counts; 0: no limit",
        r"spec\.listeners\[\]\.healthCheck\..*": "callers ask the node's endpoints so",
        r"spec\.listeners\[\]\.outlierDetection\..*": "callers leave endpoints out that fail so often",
        r"spec\.serviceDiscovery\.awsCloudMap\..*Name": "callers find the pods registered under it",
        r"spec\.serviceDiscovery\.awsCloudMap\.attributes\[\]\..*": "of the node's pods; callers find those with all",
        r"spec\.serviceDiscovery\.dns\.hostname": "a Service, whose endpoints are used; else a name or address",
        r"spec\.serviceDiscovery\.dns\.responseType": "of other names `ENDPOINTS`: all addresses; absent: one",
        r"spec\.backends\[\]\.virtualService\.virtualServiceRef": "a virtual service that the node may call",
        r"spec\.backendGroups": "as backends, by BackendGroups; `*` is all of a namespace",
    },
    "VirtualService": {
        r"spec\.provider\..*Ref": "who answers; without a provider 404, on the ports of the Service of that name too",
    },
    "VirtualRouter": {
        r"spec\.listeners\[\]\.portMapping\.port": "port at which the virtual service is called",
        r"spec\.routes\[\]\.name": "unique in the router",
        r".*\.weightedTargets\[\]\.virtualNodeRef": "a node that does not exist keeps its share, which is answered 503",
        r".*\.weightedTargets\[\]\.weight": "share of requests, in proportion to the other weights",
        r".*\.weightedTargets\[\]\.port": "the node's listener; may be left out where it has one",
        r".*\.retryPolicy\.maxRetries": "0: of what no application has seen; no policy: 2, on lost connections and 503",
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
        r".*\.rewrite\.path\.exact": "what a path becomes that `path` matched",
        r".*\.rewrite\.hostname\.defaultTargetHostname": "`DISABLED` keeps the host name that the caller used",
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
        r"upstream\.algorithm": _ALGORITHM,
        r"upstream\.slots": "places on the ring of consistent hashing; absent: 10000",
        r"upstream\.hash_on": "what is hashed; anything but `none` makes it consistent hashing",
        r"upstream\.hash_fallback": _FALLBACK,
        r"upstream\.hash_on_cookie_path": "of the cookie that a client without it is given; absent: `/`",
        r"upstream\.hash_.*": "the input's name",
        **_health_notes(r"upstream\.healthchecks", camel=False),
    },
    "KongUpstreamPolicy": {
        r"spec\.algorithm": _ALGORITHM,
        r"spec\.slots": "places on the ring of consistent hashing; absent: 10000",
        r"spec\.hashOn\.input": "`consumer`: the consumer, else the credential; `path`: of the request",
        r"spec\.hashOn\.cookiePath": "of the cookie that a client without it is given",
        r"spec\.hashOn\.uriCapture": "a named group of the route's regex",
        r"spec\.hashOn\..*": "name of what is hashed",
        r"spec\.hashOnFallback\..*": _FALLBACK,
        r"spec\.stickySessions\.cookie": "its value names the endpoint that took the first request (address and port)",
        r"spec\.stickySessions\.cookiePath": "absent: `/`",
        **_health_notes(r"spec\.healthchecks", camel=True),
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
