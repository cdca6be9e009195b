"""What an admission step gets to see of a write."""

from dataclasses import dataclass, field

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.registry import Gvk, ResourceType
from crossfade_local.apiserver.wire.request import Call


@dataclass
class Attributes:
    """One write. Steps that mutate replace or change `new`; objects are in stored form."""

    call: Call
    resource: ResourceType
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT."""
    namespace: str
    name: str
    new: JsonObject | None
    old: JsonObject | None = None
    subresource: str = ""
    dry_run: bool = False
    options: JsonObject = field(default_factory=dict)
    own_kind: Gvk | None = None
    """Of the objects, where it is not that of the resource: a Scale, an Eviction, the options of a command."""
    is_admitted: bool = False
    """Those that other people registered have seen the request already, in another form."""

    @property
    def bucket(self) -> str:
        return self.resource.bucket

    @property
    def is_new_pod(self) -> bool:
        return self.operation == "CREATE" and self.bucket == "/pods" and not self.subresource

    @property
    def told_name(self) -> str:
        """For whom it is refused: what a name begins with that is not made yet."""
        metadata = (self.new or {}).get("metadata") or {}
        name: str = self.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
        return name
