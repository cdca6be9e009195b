"""KongVault: where references in configurations, `{vault://prefix/…}`, are looked up (kong.md §1.8)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP, KongStatus
from crossfade_kube.meta import JsonObject, ObjectMeta, Resource


class KongVaultSpec(Struct, frozen=True):
    """`backend` is `env` or `kubernetes`; what `config` holds depends on it."""

    backend: str = ""
    prefix: str = ""
    description: str = ""
    config: JsonObject | None = None


class KongVault(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1alpha1", "kongvaults", "KongVault", False)

    metadata: ObjectMeta = ObjectMeta()
    spec: KongVaultSpec = field(default_factory=KongVaultSpec)
    status: KongStatus | None = None
