"""Which webhooks want to see a write: rules, selectors and match conditions, in the order of their calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.matching import is_selected, version_in_rules
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry, ResourceType

MUTATING: Final = "admissionregistration.k8s.io/mutatingwebhookconfigurations"
VALIDATING: Final = "admissionregistration.k8s.io/validatingwebhookconfigurations"
_NEVER: Final = frozenset({"admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io"})


@dataclass(frozen=True)
class Interested:
    """A webhook that is to be called, and the version of the resource in which it wants the objects."""

    configuration: str
    webhook: JsonObject
    resource: ResourceType

    @property
    def name(self) -> str:
        return str(self.webhook["name"])

    @property
    def ignores_failure(self) -> bool:
        return bool(self.webhook.get("failurePolicy") == "Ignore")


def interested(bucket: str, attributes: Attributes, storage: Storage, registry: Registry) -> Iterator[Interested]:
    """Webhooks of one of the two kinds of configuration, sorted by the configuration's name."""
    if attributes.resource.group in _NEVER:
        return
    for stored in storage.scan(bucket):
        for webhook in stored.object.get("webhooks") or ():
            policy = webhook.get("matchPolicy", "Equivalent")
            resource = version_in_rules(webhook.get("rules") or (), attributes, registry, match_policy=policy)
            if resource is not None and is_selected(webhook, attributes, storage):
                yield Interested(stored.key[1], webhook, resource)
