"""Who may refer to a KongPlugin of another namespace: objects that a ReferenceGrant there names (kong.md §4.3)."""

from typing import NamedTuple

from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.plugin import GROUP, KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import NamespacedName, ObjectRef


class _Granted(NamedTuple):
    """Objects of one kind and namespace, and the plugin that they may refer to; `name` is empty for all of its
    namespace.
    """

    group: str
    kind: str
    namespace: str
    plugin: NamespacedName


class Grants:
    """Of one snapshot; the very same object as long as no grant changes."""

    def __init__(self, grants: tuple[ReferenceGrant, ...]) -> None:
        self._granted = frozenset(
            _Granted(giver.group, giver.kind, giver.namespace, NamespacedName(grant.metadata.namespace, to.name))
            for grant in grants
            for giver in grant.spec.from_
            for to in grant.spec.to
            if (to.group, to.kind) == (GROUP, KongPlugin.RESOURCE.kind)
        )

    def allow(self, referrer: ObjectRef, plugin: NamespacedName) -> bool:
        """Nobody needs a grant for what is in its own namespace."""
        group = referrer.api_version.rpartition("/")[0]
        return referrer.namespace == plugin.namespace or any(
            _Granted(group, referrer.kind, referrer.namespace, NamespacedName(plugin.namespace, name)) in self._granted
            for name in (plugin.name, "")
        )


def grants_of(snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> Grants:
    given = snapshot.all(ReferenceGrant)
    return memo.of("grants", (given,), lambda _: Grants(given), diagnostics)
