"""Which pods use which claims, kept up to date as pods come and go."""

from collections.abc import Callable, Iterator

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.controllers.informers import Informer
from crossfade_local.controllers.objects import key_of, name_of, namespace_of
from crossfade_local.controllers.pods import is_active


def claims_of(pod: JsonObject) -> Iterator[NamespacedName]:
    """An ephemeral volume's claim is named after pod and volume."""
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield NamespacedName(namespace_of(pod), claim.get("claimName") or "")
        elif "ephemeral" in volume:
            yield NamespacedName(namespace_of(pod), f"{name_of(pod)}-{volume['name']}")


class ClaimUsers:
    """Calls `changed` with every claim whose users changed."""

    def __init__(self, pods: Informer, changed: Callable[[NamespacedName], None]) -> None:
        self._pods = pods
        self._changed = changed
        self._users: dict[NamespacedName, set[NamespacedName]] = {}
        pods.on_change(self._on_pod)

    def is_wanted(self, claim: NamespacedName) -> bool:
        """A pod that is to run, or runs, needs the claim."""
        return any(is_active(pod) for pod in self._of(claim))

    def is_in_use(self, claim: NamespacedName) -> bool:
        """A pod on the node has the claim, if only until its end."""
        return any((pod.get("spec") or {}).get("nodeName") for pod in self._of(claim))

    def _of(self, claim: NamespacedName) -> Iterator[JsonObject]:
        for key in self._users.get(claim, ()):
            pod = self._pods.get(key)
            if pod is not None:
                yield pod

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        pod = after or before
        if pod is None:
            return
        for claim in claims_of(pod):
            if after is not None:
                self._users.setdefault(claim, set()).add(key_of(pod))
            elif users := self._users.get(claim):
                users.discard(key_of(pod))
                if not users:
                    del self._users[claim]
            self._changed(claim)
