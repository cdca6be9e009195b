"""Which objects a list, watch or collection delete means: namespace, name, label and field selectors."""

from dataclasses import dataclass

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.selectors import FieldSelector, LabelSelector, SelectorError
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import bad_request


@dataclass(frozen=True)
class Selection:
    namespace: str | None
    """None means all namespaces."""
    labels: LabelSelector
    fields: FieldSelector

    @property
    def is_everything(self) -> bool:
        return not self.labels.requirements and not self.fields.terms

    @property
    def terms(self) -> int:
        return len(self.labels.requirements) + len(self.fields.terms)

    def matches(self, obj: JsonObject) -> bool:
        """Of an object in stored form."""
        metadata = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace", "") != self.namespace:
            return False
        return self.is_everything or (self.labels.matches(obj) and self.fields.matches(obj))


def selection(call: Call, resource: ResourceType) -> Selection:
    """Raises StatusError 400 for selectors that make no sense."""
    namespace = call.info.namespace if resource.namespaced and call.info.namespace else None
    try:
        labels = LabelSelector.parse(call.query.get("labelSelector", ""))
        fields = _fields(call.query.get("fieldSelector", ""), resource)
    except SelectorError as error:
        raise bad_request(str(error)) from error
    if call.info.verb == "watch" and call.info.name and not fields.terms:
        fields = FieldSelector.parse(f"metadata.name={call.info.name}")
    return Selection(namespace, labels, fields)


def _fields(text: str, resource: ResourceType) -> FieldSelector:
    if not text:
        return FieldSelector()
    if resource.custom is None:
        return FieldSelector.parse(text, (resource.group, resource.kind))
    paths = [field["jsonPath"].lstrip(".") for field in resource.custom.version.get("selectableFields") or ()]
    return FieldSelector.parse(text, (resource.group, resource.kind), custom=True, selectable=tuple(paths))
