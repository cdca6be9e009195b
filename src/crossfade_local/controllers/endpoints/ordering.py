"""The order in which kube-controller-manager lists ports: by a hash of each port, written out as Go prints it.

Clients see it (`kubectl get endpoints`), so it is kept.
"""

from typing import Final

from crossfade_kube.meta import JsonObject

_OFFSET: Final = 0x6C62272E07BB014262B821756295C58D
_PRIME: Final = 0x0000000001000000000000000000013B
_MASK: Final = (1 << 128) - 1


def in_slice_order(ports: list[JsonObject]) -> list[JsonObject]:
    """Ports of an EndpointSlice."""
    return sorted(ports, key=lambda port: fnv_128a(_slice_port_text(port).encode()))


def in_subset_order(ports: list[JsonObject]) -> list[JsonObject]:
    """Ports of a subset of Endpoints."""
    return sorted(ports, key=lambda port: fnv_128a(_subset_port_text(port).encode()))


def fnv_128a(content: bytes) -> int:
    """FNV-1a over 128 bits."""
    value = _OFFSET
    for byte in content:
        value = ((value ^ byte) * _PRIME) & _MASK
    return value


def _slice_port_text(port: JsonObject) -> str:
    return (
        f"(v1.EndpointPort){{Name:(*string){port['name']} Protocol:(*v1.Protocol){port['protocol']} "
        f"Port:(*int32){port['port']} AppProtocol:(*string){port.get('appProtocol', '<nil>')}}}"
    )


def _subset_port_text(port: JsonObject) -> str:
    return (
        f"(v1.EndpointPort){{Name:(string){port.get('name', '')} Port:(int32){port['port']} "
        f"Protocol:(v1.Protocol){port['protocol']} AppProtocol:(*string){port.get('appProtocol', '<nil>')}}}"
    )
