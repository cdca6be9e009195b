"""One event of a Kubernetes watch, as the store consumes it and the client yields it."""

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from crossfade_kube.meta import JsonObject

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(NamedTuple):
    """`object` of a DELETED event is the last state before deletion; of a BOOKMARK only its resourceVersion counts."""

    type: EventType
    object: JsonObject


class Sink(Protocol):
    """Receives the state of one resource: first everything, then every change, in the server's order."""

    def replace(self, items: list[JsonObject]) -> None:
        """Everything that exists now; what the sink knew and is missing here was deleted meanwhile."""

    def apply(self, event: WatchEvent) -> None:
        """One change; never a bookmark."""


@runtime_checkable
class ReadingSink(Sink, Protocol):
    """Keeps less of an object than the server sends: of a large list no more than a page is ever there as it came."""

    def read(self, item: JsonObject) -> Any:
        """What is kept; nothing changes yet, since the list may not come to its end."""

    def replace_read(self, items: list[Any]) -> None:
        """As `replace`, of what `read` gave."""
