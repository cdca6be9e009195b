"""Secret: values are decoded bytes (never trimmed) and never shown."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class Secret(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("", "v1", "secrets", "Secret", namespaced=True)

    metadata: ObjectMeta
    type: str = "Opaque"
    data: dict[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        keys = ", ".join(f"{key}=***" for key in sorted(self.data))
        # Annotations are left out too: kubectl keeps the last applied manifest there, values included.
        return f"Secret({self.metadata.key}, type={self.type!r}, data={{{keys}}})"

    __str__ = __repr__
