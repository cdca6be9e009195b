"""Lease: who leads, and until when."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class LeaseSpec(Struct, frozen=True, rename="camel"):
    """Times are RFC 3339 with microseconds, in UTC."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)

    metadata: ObjectMeta
    spec: LeaseSpec = field(default_factory=LeaseSpec)
