"""Namespace: its labels select meshes and injection."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class NamespaceStatus(Struct, frozen=True):
    phase: str = "Active"


class Namespace(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("", "v1", "namespaces", "Namespace", namespaced=False)

    metadata: ObjectMeta
    status: NamespaceStatus = field(default_factory=NamespaceStatus)
