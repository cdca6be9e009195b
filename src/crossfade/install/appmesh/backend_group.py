"""The BackendGroup kind's definition (appmesh.md §1.9)."""

from crossfade.api.appmesh import BackendGroup
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import MESH_REFERENCE, REFERENCE, array, obj
from crossfade_kube.meta import JsonObject


def backend_group_definition() -> JsonObject:
    spec = obj({"virtualservices": array(REFERENCE), "meshRef": MESH_REFERENCE})
    return definition(BackendGroup.RESOURCE, spec=spec, status={"type": "object"}, arn_field=None)
