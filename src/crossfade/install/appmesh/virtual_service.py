"""The VirtualService kind's definition (appmesh.md §1.5)."""

from crossfade.api.appmesh import VirtualService
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import (
    AWS_NAME,
    MESH_REFERENCE,
    REFERENCE,
    STRING,
    VIRTUAL_NODE_TARGET,
    obj,
    status,
)
from crossfade_kube.meta import JsonObject


def virtual_service_definition() -> JsonObject:
    provider = obj(
        {
            "virtualNode": obj(VIRTUAL_NODE_TARGET),
            "virtualRouter": obj({"virtualRouterRef": REFERENCE, "virtualRouterARN": STRING}),
        }
    )
    spec = obj({"awsName": AWS_NAME, "provider": provider, "meshRef": MESH_REFERENCE})
    arn = "virtualServiceARN"
    return definition(VirtualService.RESOURCE, spec=spec, status=status(arn), arn_field=arn)
