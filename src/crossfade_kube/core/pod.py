"""Pod: identity, labels, addresses and readiness. A cluster has more of them than of anything else."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class PodIp(Struct, frozen=True):
    ip: str = ""


class PodCondition(Struct, frozen=True):
    """`status` is one of "True", "False", "Unknown"."""

    type: str
    status: str


class PodStatus(Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[PodIp, ...] = field(default=(), name="podIPs")
    conditions: tuple[PodCondition, ...] = ()


class Pod(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("", "v1", "pods", "Pod", namespaced=True)

    metadata: ObjectMeta
    status: PodStatus = field(default_factory=PodStatus)

    @property
    def is_finished(self) -> bool:
        """Its containers have ended for good: it never serves again."""
        return self.status.phase in ("Succeeded", "Failed")
