"""The BackendGroup kind's definition (appmesh.md §1.9)."""

from crossfade.api.appmesh import BackendGroup
from crossfade.api.meta import JsonObject
from crossfade.run.manifests.appmesh.definition import definition
from crossfade.run.manifests.appmesh.schema import MESH_REFERENCE, REFERENCE, array, obj


def backend_group_definition() -> JsonObject:
    spec = obj({"virtualservices": array(REFERENCE), "meshRef": MESH_REFERENCE})
    return definition(BackendGroup.RESOURCE, spec=spec, status={"type": "object"}, arn_field=None)
