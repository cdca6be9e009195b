"""Routes, services and consumers as records tell them: Kong's own entities (kong.md §7.2)."""

from datetime import datetime
from typing import Final

from crossfade.compile.gateway.consumers import Consumer
from crossfade.compile.gateway.state import KongPath, KongRoute, KongService
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.tables import Logged
from crossfade_kube.meta import JsonObject, ObjectRef

WORKSPACE: Final = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
"""Kong's own, of a gateway without a database."""
_PORT: Final = 80
_WRITE_TIMEOUT: Final = 60000


def logged(route: KongRoute, service: KongService) -> Logged:
    return Logged(logged_route(route, service), logged_service(service))


def logged_route(route: KongRoute, service: KongService) -> JsonObject:
    """Conditions that the route does not have are left out, as Kong leaves them out."""
    conditions: JsonObject = {
        "hosts": list(route.hosts),
        "methods": list(route.methods),
        "snis": list(route.snis),
        "headers": {name: list(values) for name, values in route.headers},
    }
    return {
        "id": route.id,
        "name": route.name,
        "paths": [_path(path) for path in route.paths],
        **{name: value for name, value in conditions.items() if value},
        "protocols": list(route.protocols),
        "strip_path": route.strip_path,
        "preserve_host": route.preserve_host,
        "regex_priority": route.regex_priority,
        "https_redirect_status_code": route.https_redirect_status_code,
        "path_handling": "v0",
        "request_buffering": route.request_buffering,
        "response_buffering": True,
        "service": {"id": service.id},
        **_common(route.origin.ref, route.created),
    }


def logged_service(service: KongService) -> JsonObject:
    return {
        "id": service.id,
        "name": service.name,
        "protocol": service.protocol,
        "host": _host(service.name),
        "port": _PORT,
        "path": service.path,
        "retries": service.retries,
        "connect_timeout": round(service.cluster.connect_timeout_s * 1000),
        "read_timeout": service.read_timeout,
        "write_timeout": _WRITE_TIMEOUT,
        "enabled": True,
        **_common(service.cluster.origin.ref, service.created),
    }


def logged_consumer(consumer: Consumer) -> JsonObject:
    names = {"username": consumer.username, "custom_id": consumer.custom_id}
    made = _common(consumer.ref, consumer.created)
    del made["ws_id"]
    return {"id": consumer.id, **{name: value for name, value in names.items() if value}, **made}


def _path(path: KongPath) -> str:
    """As Kong's configuration has it: a regex begins with a tilde."""
    match path.kind:
        case PathMatchKind.PREFIX:
            return path.text
        case PathMatchKind.EXACT:
            return f"~{path.text}$"
    return f"~{path.text}"


def _host(name: str) -> str:
    """The ingress controller names an upstream by Service, namespace and port, and a facade by itself.

    A name without a namespace is that of a service of the gateway's own.
    """
    namespace, *rest = name.split(".", 2)
    if not rest:
        return name
    service, *port = rest
    return ".".join((service, namespace, *port, *(() if name.endswith(".svc.facade") else ("svc",))))


def _common(ref: ObjectRef, created: str) -> JsonObject:
    """The tags are those that the ingress controller gives; nothing tells when an object was changed last."""
    since = _seconds(created)
    tags = {"name": ref.name, "namespace": ref.namespace, "kind": ref.kind}
    return {
        "tags": [f"k8s-{name}:{value}" for name, value in tags.items() if value],
        "created_at": since,
        "updated_at": since,
        "ws_id": WORKSPACE,
    }


def _seconds(created: str) -> int:
    """0 for an object of a file, which was never created."""
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except (ValueError, OverflowError):
        return 0
