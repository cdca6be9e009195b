"""Which Service of the cluster a host name stands for, and how its endpoints are learned (appmesh.md §3.9)."""

from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import Mesh
from crossfade.compile.diagnostics import Diagnostics
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

ENDPOINTS_ANNOTATION: Final = "crossfade.dev/endpoints"
"""On a Mesh: where the endpoints of its nodes come from."""
FROM_SLICES: Final = "endpointslices"
FROM_DNS: Final = "dns"


class ClusterView(Struct, frozen=True):
    """`domain` is the cluster's DNS domain; without `shows_endpoints` Services and EndpointSlices may not be read.

    Without `shows_pods` pods may not, without `shows_secrets` Secrets. Without `uses_backend_groups` nodes reach no
    more by them.
    """

    domain: str = "cluster.local"
    shows_endpoints: bool = True
    shows_pods: bool = True
    shows_secrets: bool = True
    uses_backend_groups: bool = True


ANY_CLUSTER: Final = ClusterView()


def service_key(hostname: str, domain: str) -> NamespacedName | None:
    """Of `svc.ns`, `svc.ns.svc` and `svc.ns.svc.<domain>`, with or without a final dot, in any case."""
    name = hostname.removesuffix(".").lower()
    labels = name.removesuffix(f".{domain.strip('.').lower()}").split(".")
    has_domain = len(name.split(".")) > len(labels)
    if len(labels) == 3 and labels[2] == "svc":
        labels.pop()
    elif has_domain:
        return None
    return NamespacedName(labels[1], labels[0]) if len(labels) == 2 and all(labels) else None


def is_of_cluster(hostname: str, domain: str) -> bool:
    """Whether nothing but a Service of the cluster can have the name, be it there or not: `svc.ns` may be anybody's."""
    return hostname.removesuffix(".").count(".") > 1 and service_key(hostname, domain) is not None


def uses_slices(mesh: Mesh, cluster: ClusterView) -> bool:
    return cluster.shows_endpoints and mesh.metadata.annotations.get(ENDPOINTS_ANNOTATION) != FROM_DNS


def check_endpoints_annotation(mesh: Mesh, diagnostics: Diagnostics) -> None:
    value = mesh.metadata.annotations.get(ENDPOINTS_ANNOTATION, FROM_SLICES)
    if value not in (FROM_SLICES, FROM_DNS):
        diagnostics.warning(
            typed_ref(mesh),
            "mesh.endpoints",
            f"{value!r} is no place that endpoints come from",
            effect="they come from EndpointSlices",
            hint=f"write {FROM_SLICES} or {FROM_DNS}, or remove the annotation",
            field=f"metadata.annotations[{ENDPOINTS_ANNOTATION}]",
        )
