"""KongConsumerGroups → groups of consumers, which their members name by id (kong.md §1.4).

Kong has them with an Enterprise licence only; here they need none.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from crossfade.api.kong.consumer import KongConsumerGroup
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import PluginRef
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

GROUP_UNUSED: Final = "its members are not known, their credentials are not accepted"


class ConsumerGroup(Struct, frozen=True):
    """`name` is what the plugin acl and upstreams know it by; groups of two namespaces may share it."""

    id: str
    name: str
    ref: ObjectRef
    plugins: tuple[PluginRef, ...] = ()


def consumer_groups_of(
    snapshot: Snapshot, classes: ClassFilter, memo: Memo, diagnostics: Diagnostics
) -> Mapping[NamespacedName, ConsumerGroup]:
    """In the order of namespace and name; the same groups as long as nothing about them changes."""
    inputs = ((item,) for item in snapshot.all(KongConsumerGroup) if classes.takes(item.metadata))
    found = memo.each("consumer groups", inputs, (), _read, diagnostics)

    def by_name(_: Diagnostics) -> Mapping[NamespacedName, ConsumerGroup]:
        return {_key(group): group for group in found if group is not None}

    return memo.of("consumer groups by name", (found,), by_name, diagnostics)


def _read(item: KongConsumerGroup, diagnostics: Diagnostics) -> ConsumerGroup | None:
    return isolated(
        lambda: _group(item, diagnostics),
        otherwise=None,
        ref=typed_ref(item),
        effect=GROUP_UNUSED,
        diagnostics=diagnostics,
    )


def _group(item: KongConsumerGroup, diagnostics: Diagnostics) -> ConsumerGroup:
    ref = typed_ref(item)
    reader = notes.Reader(ref, item.metadata.annotations, diagnostics)
    reader.tell_unknown()
    plugins = tuple(PluginRef(name, ref) for name in notes.list_of(reader.noted, notes.PLUGINS))
    return ConsumerGroup(entity_id("consumer-group", str(item.metadata.key)), item.metadata.name, ref, plugins)


def _key(group: ConsumerGroup) -> NamespacedName:
    return NamespacedName(group.ref.namespace, group.ref.name)
