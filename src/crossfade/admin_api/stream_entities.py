"""Rules of TCPIngresses and UDPIngresses as Kong's routes (kong.md §1.8)."""

from typing import Any

from crossfade.admin_api.tags import tags_of, times
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import KongService, StreamRoute


def stream_route(route: StreamRoute, service: KongService) -> dict[str, Any]:
    return {
        "id": entity_id("route", route.name),
        "name": route.name,
        "service": {"id": service.id},
        "protocols": list(route.protocols),
        "methods": None,
        "hosts": None,
        "paths": None,
        "headers": None,
        "snis": [route.host] if route.host else None,
        "sources": None,
        "destinations": [{"port": route.port}],
        "https_redirect_status_code": 426,
        "regex_priority": 0,
        "strip_path": False,
        "path_handling": "v0",
        "preserve_host": True,
        "request_buffering": True,
        "response_buffering": True,
        "tags": tags_of(route.origin.ref),
        **times(route.age[0]),
    }
