"""Objects of a cluster read once, for who asks a question and ends."""

from crossfade.store.cache import Cache
from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.registry import TypedObject


async def list_into(
    cache: Cache,
    kind: type[TypedObject],
    client: Client,
    *,
    label_selector: str | None = None,
    field_selector: str | None = None,
) -> None:
    """A kind that the server does not know has no objects. Raises KubeError."""
    sink = cache.sink(kind)
    try:
        listed = await client.list_read(
            kind.RESOURCE, sink.read, label_selector=label_selector, field_selector=field_selector
        )
    except NotFound:
        return
    sink.replace_read(listed.items)
