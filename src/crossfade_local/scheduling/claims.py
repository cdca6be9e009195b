"""Which claims keep a pod from every node, in the words of Kubernetes' plugins."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.scheduling.cluster import PodFacts
from crossfade_local.values.fields import mapping, objects, text

_BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
_DELAYED: Final = "WaitForFirstConsumer"


class ClaimFacts(NamedTuple):
    """`volume` is the name of the one that it has or asks for."""

    volume: str
    storage_class: str
    is_bound: bool
    is_lost: bool
    is_being_deleted: bool

    @classmethod
    def of(cls, claim: JsonObject) -> "ClaimFacts":
        volume = text(claim, "spec", "volumeName")
        return cls(
            volume,
            text(claim, "spec", "storageClassName"),
            bool(volume) and _BIND_COMPLETED in mapping(claim, "metadata", "annotations"),
            text(claim, "status", "phase") == "Lost",
            bool(text(claim, "metadata", "deletionTimestamp")),
        )


class Claims:
    """All claims, and the storage classes that bind theirs when the first pod is scheduled."""

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str], ClaimFacts] = {}
        self._delayed: set[str] = set()

    def set_claim(self, claim: JsonObject) -> bool:
        """Whether that changes anything."""
        key, facts = _key(claim), ClaimFacts.of(claim)
        former = self._claims.get(key)
        self._claims[key] = facts
        return facts != former

    def drop_claim(self, claim: JsonObject) -> None:
        self._claims.pop(_key(claim), None)

    def set_class(self, storage_class: JsonObject) -> None:
        if text(storage_class, "volumeBindingMode") == _DELAYED:
            self._delayed.add(text(storage_class, "metadata", "name"))
        else:
            self.drop_class(storage_class)

    def drop_class(self, storage_class: JsonObject) -> None:
        self._delayed.discard(text(storage_class, "metadata", "name"))

    def refusal(self, pod: PodFacts) -> str | None:
        """None when no claim stands in the way."""
        found = [(name, is_own, self._claims.get((pod.namespace, name))) for name, is_own in _claims_of(pod)]
        for name, is_own, claim in found:
            if claim is None and is_own:
                return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim.is_lost:
                return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.volume}"'
            if claim.is_being_deleted:
                return f'persistentvolumeclaim "{name}" is being deleted'
        if any(claim is not None and self._is_pending(claim) for _, _, claim in found):
            return "pod has unbound immediate PersistentVolumeClaims"
        return None

    def _is_pending(self, claim: ClaimFacts) -> bool:
        return not claim.is_bound and claim.storage_class not in self._delayed


def _claims_of(pod: PodFacts) -> Iterator[tuple[str, bool]]:
    """Names, with whether the claim is made for the pod."""
    for volume in objects(pod.spec, "volumes"):
        if name := text(volume, "persistentVolumeClaim", "claimName"):
            yield name, False
        elif "ephemeral" in volume:
            yield f"{pod.name}-{text(volume, 'name')}", True


def _key(claim: JsonObject) -> tuple[str, str]:
    return text(claim, "metadata", "namespace"), text(claim, "metadata", "name")
