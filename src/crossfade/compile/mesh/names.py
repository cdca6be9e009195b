"""Names that dashboards built for App Mesh rely on: ARNs, Envoy resources, statistics (appmesh.md §1.1, §3.1)."""

from typing import Final

from msgspec import Struct

INBOUND_PORT: Final = 15000
OUTBOUND_PORT: Final = 15001
INBOUND_LISTENER: Final = "lds_ingress_0.0.0.0_15000"
OUTBOUND_LISTENER: Final = "lds_egress_0.0.0.0_15001"


class ArnScope(Struct, frozen=True):
    """Where ARNs claim to live; nothing is looked up there."""

    region: str = "us-west-2"
    account_id: str = "000000000000"

    def arn(self, resource: str) -> str:
        return f"arn:aws:appmesh:{self.region}:{self.account_id}:{resource}"


def mesh_path(mesh: str) -> str:
    return f"mesh/{mesh}"


def mesh_of(path: str) -> str:
    """The awsName of the mesh that a node or gateway of this path is in."""
    return path.split("/", 2)[1]


def node_path(mesh: str, aws_name: str) -> str:
    """Also what a sidecar's APPMESH_VIRTUAL_NODE_NAME holds."""
    return f"mesh/{mesh}/virtualNode/{aws_name}"


def service_path(mesh: str, aws_name: str) -> str:
    return f"mesh/{mesh}/virtualService/{aws_name}"


def router_path(mesh: str, aws_name: str) -> str:
    return f"mesh/{mesh}/virtualRouter/{aws_name}"


def route_path(mesh: str, router: str, route: str) -> str:
    return f"{router_path(mesh, router)}/route/{route}"


def gateway_path(mesh: str, aws_name: str) -> str:
    """Also what a gateway pod's APPMESH_VIRTUAL_NODE_NAME holds."""
    return f"mesh/{mesh}/virtualGateway/{aws_name}"


def gateway_route_path(mesh: str, gateway: str, aws_name: str) -> str:
    return f"{gateway_path(mesh, gateway)}/gatewayRoute/{aws_name}"


def local_cluster(mesh: str, node: str, protocol: str, port: int) -> str:
    return f"cds_ingress_{mesh}_{node}_{protocol}_{port}"


def remote_cluster(mesh: str, node: str, protocol: str, port: int) -> str:
    return f"cds_egress_{mesh}_{node}_{protocol}_{port}"


def loop_cluster(mesh: str, gateway: str, listener: str) -> str:
    """From a gateway's first stage to its second; `listener` begins with an underscore."""
    return f"cds_ingress_{mesh}_{gateway}_self_redirect{listener}"


def amazonaws_cluster(mesh: str) -> str:
    return f"cds_egress_{mesh}_amazonaws"


def passthrough_cluster(mesh: str) -> str:
    return f"cds_egress_{mesh}_mesh-allow-all"


def passthrough_http2_cluster(mesh: str) -> str:
    """The same for HTTP/2 requests, which need a cluster that speaks it."""
    return f"cds_egress_{mesh}_mesh-allow-all_http2"


def domain_cluster(mesh: str, domain: str, port: int) -> str:
    """No node's cluster has a colon in its name."""
    return f"cds_egress_{mesh}_domain:{domain}:{port}"


def named_by_client_cluster(mesh: str) -> str:
    return f"cds_egress_{mesh}_domain:"


def unresolved_cluster(mesh: str) -> str:
    """Takes the share of targets that cannot be reached; it has no endpoints."""
    return f"cds_egress_{mesh}_unresolved"


def inbound_routes(protocol: str, port: int) -> str:
    return f"rds_ingress_{protocol}_{port}"


def outbound_routes(protocol: str, port: int) -> str:
    return f"rds_egress_{protocol}_{port}"
