"""The socket at which an agent on the node, such as SPIRE's, gives a sidecar certificates (appmesh.md §4.4)."""

from typing import Final

from crossfade_kube.meta import JsonObject

VARIABLE: Final = "APPMESH_SDS_SOCKET_PATH"
VOLUME: Final = "appmesh-sds-socket-volume"


def sds_volume(path: str) -> JsonObject:
    return {"name": VOLUME, "hostPath": {"path": path, "type": "Socket"}}


def sds_mount(path: str) -> JsonObject:
    return {"name": VOLUME, "mountPath": path}


def sds_variable(path: str) -> JsonObject:
    return {"name": VARIABLE, "value": path}
