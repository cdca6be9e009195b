"""The virtual services a node may call: its backends and backend groups, with the client policy of each."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import BackendGroup, VirtualNode, VirtualService
from crossfade.api.appmesh.values import ClientPolicy, TlsClientPolicy
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.admit import Members
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.model import ServicePlan
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

_EVERY_SERVICE: Final = "*"


class LinkedBackend(Struct, frozen=True):
    """`field` is where the node mentions it."""

    plan: ServicePlan
    field: str
    tls: TlsClientPolicy | None = None


def linked_backends(
    node: VirtualNode,
    members: Members,
    links: Links,
    *,
    plans: Mapping[NamespacedName, ServicePlan],
    diagnostics: Diagnostics,
) -> tuple[LinkedBackend, ...]:
    """In the node's order, without duplicates; `plans` are those of the mesh's virtual services."""
    found: dict[NamespacedName, LinkedBackend] = {}
    defaults = node.spec.backend_defaults
    default_policy = defaults.client_policy if defaults else None
    for index, backend in enumerate(node.spec.backends):
        field = f"spec.backends[{index}].virtualService"
        service = links.service(backend.virtual_service, node.metadata.namespace)
        if isinstance(service, Refusal):
            _report(node, service, field, diagnostics)
            continue
        policy = backend.virtual_service.client_policy or default_policy
        key = service.metadata.key
        found.setdefault(key, LinkedBackend(plans[key], field, _tls(policy)))
    for field, service in _grouped(node, members, links, diagnostics):
        key = service.metadata.key
        found.setdefault(key, LinkedBackend(plans[key], field, _tls(default_policy)))
    return tuple(found.values())


def backends_seen(
    node: VirtualNode, members: Members, links: Links, plans: Mapping[NamespacedName, ServicePlan]
) -> Iterator[object]:
    """All that `linked_backends` comes to, besides what the node says: the same objects, and the same texts."""
    namespace = node.metadata.namespace
    for backend in node.spec.backends:
        yield _seen(links.service(backend.virtual_service, namespace), plans)
    for reference in node.spec.backend_groups if links.cluster.uses_backend_groups else ():
        key = reference.within(namespace)
        if key.name == _EVERY_SERVICE:
            for service in _all_of(key.namespace, members):
                yield plans[service.metadata.key]
        elif (group := members.get(BackendGroup, key)) is not None:
            yield group
            for named in group.spec.virtual_services:
                yield _seen(links.service_by_reference(named, key.namespace), plans)
        else:
            yield None


def _seen(service: VirtualService | Refusal, plans: Mapping[NamespacedName, ServicePlan]) -> object:
    return service.reason if isinstance(service, Refusal) else plans[service.metadata.key]


def _all_of(namespace: str, members: Members) -> list[VirtualService]:
    """The oldest first: a group that stands for all services lists them so."""
    found = (service for service in members.all(VirtualService) if service.metadata.namespace == namespace)
    return sorted(found, key=lambda service: service.metadata.age)


def _grouped(
    node: VirtualNode, members: Members, links: Links, diagnostics: Diagnostics
) -> list[tuple[str, VirtualService]]:
    """Services of the node's backend groups; the group name `*` stands for all services of its namespace."""
    if not links.cluster.uses_backend_groups:
        _report_groups(node, diagnostics)
        return []
    found: list[tuple[str, VirtualService]] = []
    for index, reference in enumerate(node.spec.backend_groups):
        field, key = f"spec.backendGroups[{index}]", reference.within(node.metadata.namespace)
        if key.name == _EVERY_SERVICE:
            found += [(field, service) for service in _all_of(key.namespace, members)]
            continue
        group = members.get(BackendGroup, key)
        if group is None:
            _report(node, Refusal(f"unable to fetch backendGroup: {key}"), field, diagnostics)
            continue
        found += [(field, service) for service in _services_of(group, links, diagnostics)]
    return found


def _services_of(group: BackendGroup, links: Links, diagnostics: Diagnostics) -> list[VirtualService]:
    """A group may name services that come later, so one that is missing is only worth a warning."""
    services = []
    for index, reference in enumerate(group.spec.virtual_services):
        service = links.service_by_reference(reference, group.metadata.namespace)
        if isinstance(service, Refusal):
            field = f"spec.virtualservices[{index}]"
            diagnostics.warning(
                typed_ref(group), "group.unknown-service", service.reason, effect="left out for now", field=field
            )
            continue
        services.append(service)
    return services


def _report_groups(node: VirtualNode, diagnostics: Diagnostics) -> None:
    if node.spec.backend_groups:
        diagnostics.warning(
            typed_ref(node),
            "backend.groups-off",
            "the controller has --enable-backend-groups=false",
            effect="the node's pods cannot call the services of its groups, unless they are backends too",
            hint="set the flag to true (enableBackendGroups of the chart), or name the services in spec.backends",
            field="spec.backendGroups",
        )


def _report(node: VirtualNode, problem: Refusal, field: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(node),
        "backend.unknown",
        problem.reason,
        effect="the node's pods cannot call it",
        hint="create it, or remove it from the node",
        field=field,
    )


def _tls(policy: ClientPolicy | None) -> TlsClientPolicy | None:
    return policy.tls if policy else None
