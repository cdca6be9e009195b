"""One decided change to an object, and the news that goes with it."""

from msgspec import Struct

from crossfade_kube.meta import JsonObject, ObjectRef, Resource
from crossfade_kube.paths import MERGE


class News(Struct, frozen=True):
    """Becomes an Event; `reason` in CamelCase."""

    reason: str
    message: str
    is_warning: bool = True


class ObjectChange(Struct, frozen=True):
    """A patch for an object, or only news about it; `content_type` says what kind of patch.

    `basis` is the resourceVersion that the decision was made on: the same decision is not written twice.
    """

    ref: ObjectRef
    resource: Resource
    basis: str
    patch: JsonObject | None = None
    subresource: str | None = None
    news: tuple[News, ...] = ()
    content_type: str = MERGE
