"""KongUpstreamPolicy: what a Service refers to by `konghq.com/upstream-policy` (kong.md §1.7)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP
from crossfade.api.kong.upstream import KongUpstreamPolicySpec
from crossfade_kube.meta import Condition, ObjectMeta, Resource


class AncestorRef(Struct, frozen=True, rename="camel"):
    """The Service, or KongServiceFacade, that refers to the policy; other controllers may name other things."""

    group: str = ""
    kind: str = ""
    namespace: str | None = None
    name: str = ""
    section_name: str | None = None
    port: int | None = None


class AncestorStatus(Struct, frozen=True, rename="camel"):
    ancestor_ref: AncestorRef = AncestorRef()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class PolicyStatus(Struct, frozen=True):
    ancestors: tuple[AncestorStatus, ...] = ()


class KongUpstreamPolicy(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1beta1", "kongupstreampolicies", "KongUpstreamPolicy", True)

    metadata: ObjectMeta = ObjectMeta()
    spec: KongUpstreamPolicySpec = field(default_factory=KongUpstreamPolicySpec)
    status: PolicyStatus | None = None
