"""The manifests of the App Mesh part: the kinds, the controller, its webhooks."""

import json

from msgspec import Struct

from crossfade import __version__
from crossfade.install.appmesh.backend_group import backend_group_definition
from crossfade.install.appmesh.gateway_route import gateway_route_definition
from crossfade.install.appmesh.mesh import mesh_definition
from crossfade.install.appmesh.virtual_gateway import virtual_gateway_definition
from crossfade.install.appmesh.virtual_node import virtual_node_definition
from crossfade.install.appmesh.virtual_router import virtual_router_definition
from crossfade.install.appmesh.virtual_service import virtual_service_definition
from crossfade.install.field_descriptions import add_descriptions
from crossfade.install.mesh_chart import MESH_CHART
from crossfade.install.mesh_names import NAME, NAMESPACE
from crossfade.install.template.evaluate import Context
from crossfade.install.template.values import overlaid
from crossfade_kube.meta import JsonObject


class MeshInstallSettings(Struct, frozen=True):
    """`region` and `account_id` only appear in ARNs.

    With `reads_acm_secrets` the controller may read Secrets, of which some stand for ACM's certificates. `sds_socket`
    is a socket of the nodes at which an agent gives sidecars certificates. `values` are values of the chart and go
    before the others.
    """

    region: str = "us-west-2"
    account_id: str = "000000000000"
    ip_family: str = "ipv4"
    version: str = __version__
    reads_acm_secrets: bool = False
    sds_socket: str = ""
    namespace: str = NAMESPACE
    values: JsonObject = {}

    def all_values(self) -> JsonObject:
        sds = {"enabled": True, "udsPath": self.sds_socket} if self.sds_socket else {}
        own = {
            "region": self.region,
            "accountId": self.account_id,
            "sds": sds,
            "crossfade": {"ipFamily": self.ip_family, "acmSecrets": self.reads_acm_secrets},
        }
        return overlaid(own, self.values)


def mesh_crds() -> list[JsonObject]:
    """CustomResourceDefinitions of the seven App Mesh kinds."""
    made = [
        mesh_definition(),
        virtual_node_definition(),
        virtual_service_definition(),
        virtual_router_definition(),
        virtual_gateway_definition(),
        gateway_route_definition(),
        backend_group_definition(),
    ]
    return [add_descriptions(crd) for crd in _unshared(made)]


def mesh_manifests(settings: MeshInstallSettings) -> list[JsonObject]:
    """Everything, in the order in which it should be applied. Raises ValueError as `mesh_objects` does."""
    return [*mesh_crds(), *mesh_objects(settings)]


def mesh_objects(settings: MeshInstallSettings) -> list[JsonObject]:
    """Everything but the kinds, in the order in which it should be applied.

    Raises ValueError for values that do not exist here.
    """
    return [_namespace(settings), *MESH_CHART.manifests(_context(settings))]


def mesh_remarks(settings: MeshInstallSettings) -> list[str]:
    """On values that have no effect."""
    return MESH_CHART.without_effect(_context(settings))


def _context(settings: MeshInstallSettings) -> Context:
    return MESH_CHART.context(
        settings.all_values(), release=NAME, namespace=settings.namespace, version=settings.version
    )


def _namespace(settings: MeshInstallSettings) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}}


def _unshared(objects: list[JsonObject]) -> list[JsonObject]:
    """Parts that objects share would be printed as YAML anchors."""
    return [json.loads(json.dumps(item)) for item in objects]
