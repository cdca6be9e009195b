"""A custom resource's schema as OpenAPI v3 shows it to kubectl."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.schemas import openapi_schema
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.schema import OBJECT_META

_API_VERSION: Final = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized"
    " schemas to the latest internal value, and may reject unrecognized values. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
)
_KIND: Final = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the"
    " endpoint the client submits requests to. Cannot be updated. In CamelCase. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
)
_METADATA: Final = (
    "Standard object's metadata. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


def published_schema(entry: ResourceType) -> JsonObject:
    assert entry.custom is not None
    raw = openapi_schema(entry.custom.version)
    own = {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": {"description": _METADATA, "allOf": [{"$ref": f"#/components/schemas/{OBJECT_META}"}]},
    }
    return {**raw, "properties": {**(raw.get("properties") or {}), **own}}
