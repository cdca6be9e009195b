"""The Mesh kind's definition (appmesh.md §1.3)."""

from crossfade.api.appmesh import Mesh
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import AWS_NAME, LABEL_SELECTOR, STRING, choice, obj, status
from crossfade_kube.meta import JsonObject


def mesh_definition() -> JsonObject:
    spec = obj(
        {
            "awsName": AWS_NAME,
            "namespaceSelector": LABEL_SELECTOR,
            "egressFilter": obj({"type": choice("ALLOW_ALL", "DROP_ALL")}, "type"),
            "meshOwner": STRING,
            "meshServiceDiscovery": obj({"ipPreference": choice("IPv6_ONLY", "IPv4_ONLY")}),
        }
    )
    return definition(Mesh.RESOURCE, spec=spec, status=status("meshARN"), arn_field="meshARN")
