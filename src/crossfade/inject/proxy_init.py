"""The init container that redirects the pod's TCP traffic to its sidecar (appmesh.md §4.6)."""

from typing import Final

from crossfade.api.appmesh import VirtualNode
from crossfade.inject.annotations import PREFIX, PodWishes
from crossfade.inject.resources import resources
from crossfade.inject.settings import PROXY_UID, SidecarSettings
from crossfade_kube.meta import JsonObject

INIT_NAME: Final = "proxyinit"
INBOUND_PORT: Final = 15000
OUTBOUND_PORT: Final = 15001
_ALWAYS_IGNORED_PORT: Final = "22"


def captured_ports(node: VirtualNode, wishes: PodWishes) -> str:
    """Inbound ports that go through the sidecar; all others reach the application directly."""
    if wishes.ports is not None:
        return wishes.ports
    return ",".join(str(listener.port_mapping.port) for listener in node.spec.listeners)


def init_container(node: VirtualNode, wishes: PodWishes, settings: SidecarSettings) -> JsonObject:
    env = {
        "APPMESH_START_ENABLED": "1",
        "APPMESH_IGNORE_UID": str(PROXY_UID),
        "APPMESH_ENVOY_INGRESS_PORT": str(INBOUND_PORT),
        "APPMESH_ENVOY_EGRESS_PORT": str(OUTBOUND_PORT),
        "APPMESH_APP_PORTS": captured_ports(node, wishes),
        "APPMESH_EGRESS_IGNORED_IP": wishes.ignored_ips or settings.ignored_ips,
        "APPMESH_EGRESS_IGNORED_PORTS": wishes.ignored_ports or _ALWAYS_IGNORED_PORT,
        "APPMESH_ENABLE_IPV6": "1" if wishes.has_ipv6 else "0",
    }
    return {
        "name": INIT_NAME,
        "image": settings.init_image,
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}, "runAsUser": 0, "runAsNonRoot": False},
        "resources": resources(
            requests={"cpu": settings.cpu_request, "memory": settings.memory_request},
            limits={"cpu": settings.cpu_limit, "memory": settings.memory_limit},
        ),
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }


def cni_annotations(node: VirtualNode, wishes: PodWishes, settings: SidecarSettings) -> dict[str, str]:
    """What a CNI plugin reads instead; values of the pod's author do not count."""
    return {
        f"{PREFIX}ports": captured_ports(node, wishes),
        f"{PREFIX}egressIgnoredIPs": wishes.ignored_ips or settings.ignored_ips,
        f"{PREFIX}egressIgnoredPorts": wishes.ignored_ports or _ALWAYS_IGNORED_PORT,
        f"{PREFIX}ignoredUID": str(PROXY_UID),
        f"{PREFIX}proxyIngressPort": str(INBOUND_PORT),
        f"{PREFIX}proxyEgressPort": str(OUTBOUND_PORT),
    }
