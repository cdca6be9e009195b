"""ConfigMap: CA certificates and gateway settings."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class ConfigMap(Struct, frozen=True, rename="camel"):
    RESOURCE: ClassVar = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)

    metadata: ObjectMeta
    data: dict[str, str] = field(default_factory=dict)
    binary_data: dict[str, bytes] = field(default_factory=dict)
