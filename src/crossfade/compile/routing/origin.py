"""Every value remembers where it came from."""

from msgspec import Struct

from crossfade_kube.meta import ObjectRef


class Origin(Struct, frozen=True, gc=False):
    """Where a value came from: the object and the JSON path within it."""

    ref: ObjectRef
    path: str = ""
