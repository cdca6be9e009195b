"""KongCustomEntities: refused, each with the reason."""

from crossfade.api.kong.custom_entity import KongCustomEntity
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.memo import Memo
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import typed_ref


def is_ours(item: KongCustomEntity, classes: ClassFilter) -> bool:
    """It names its class in `controllerName`; Kong's webhook looks at the annotation too."""
    return item.spec.controller_name == classes.name or classes.takes(item.metadata)


def refuse_custom_entities(snapshot: Snapshot, classes: ClassFilter, memo: Memo, diagnostics: Diagnostics) -> None:
    inputs = ((item,) for item in snapshot.all(KongCustomEntity) if is_ours(item, classes))
    memo.each("custom entities", inputs, (), _refuse, diagnostics)


def _refuse(item: KongCustomEntity, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(item),
        "custom-entity.unsupported",
        f"entity type {item.spec.type} is not supported: entities of custom plugins are read by plugins in Lua only",
        effect="the entity is not created",
        hint="use a plugin of the list in the documentation, or remove the object",
        field="spec.type",
    )
