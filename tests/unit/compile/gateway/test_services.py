"""Backends that do not exist, and Services that nobody answers for."""

import pytest

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.services import ServiceResolver
from crossfade.compile.gateway.state import KongBackend
from crossfade.compile.memo import Memo
from crossfade.compile.model import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.endpoint_slice import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from crossfade_kube.core.ingress import IngressServiceBackend, ServiceBackendPort
from crossfade_kube.core.service import Service, ServicePort, ServiceSpec
from crossfade_kube.meta import ObjectMeta, ObjectRef


def test_everybody_who_names_a_missing_service_is_told() -> None:
    refs = [ObjectRef("networking.k8s.io/v1", "Ingress", "shop", name) for name in ("a", "b")]
    diagnostics = Diagnostics()
    resolver = ServiceResolver(Snapshot.of([]), ClassFilter(Snapshot.of([]), "kong"), Memo(), diagnostics)
    gone = IngressServiceBackend("gone", ServiceBackendPort(80))
    one, two = (resolver.resolve(KongBackend("shop", gone, Origin(ref, "spec"))) for ref in refs)
    assert one is two
    assert [(item.ref, item.code) for item in diagnostics] == [(ref, "backend.service-not-found") for ref in refs]


WEB = Service(ObjectMeta("web", "shop"), ServiceSpec(ports=(ServicePort(80, "http"), ServicePort(53, "dns", "UDP"))))
INGRESS = ObjectRef("networking.k8s.io/v1", "Ingress", "shop", "a")


def slice_of(*ready: bool, port: str = "http", address: str = "10.0.0.1") -> EndpointSlice:
    meta = ObjectMeta("web-1", "shop", labels={"kubernetes.io/service-name": "web"})
    ends = tuple(Endpoint((address,), EndpointConditions(ready=one)) for one in ready)
    return EndpointSlice(meta, "IPv4", ends, (EndpointPort(port, port=8080),))


def told(*slices: EndpointSlice, port: int = 80) -> list[tuple[str, str, str]]:
    """About Services and Ingresses."""
    diagnostics = Diagnostics()
    snapshot = Snapshot.of([WEB, *slices])
    resolver = ServiceResolver(snapshot, ClassFilter(snapshot, "kong"), Memo(), diagnostics)
    resolver.resolve(
        KongBackend("shop", IngressServiceBackend("web", ServiceBackendPort(port)), Origin(INGRESS, "spec"))
    )
    return [(item.ref.kind, item.code, item.message) for item in diagnostics if item.ref.kind != "EndpointSlice"]


@pytest.mark.parametrize(
    ("slices", "reason"),
    [
        ((), "it has no endpoints"),
        ((slice_of(),), "it has no endpoints"),
        ((slice_of(False, False),), "none of its 2 endpoints is ready"),
        ((slice_of(True, port="web"),), "its ready endpoints have no port http; they have web"),
        ((slice_of(True, port=""),), "its ready endpoints have no port http; they have one without a name"),
        ((slice_of(True, address="x"),), "none of its endpoints can be used"),
        ((slice_of(True, False),), None),
    ],
)
def test_a_service_that_nobody_answers_for(slices: tuple[EndpointSlice, ...], reason: str | None) -> None:
    assert told(*slices) == ([("Service", "service.no-endpoints", f"port 80: {reason}")] if reason else [])


def test_a_port_that_is_not_there_is_told_to_who_asks_for_it() -> None:
    text = (
        "can't find port for backend kubernetes service: no suitable port found: port 81 was asked for,"
        " Service shop/web has 80 (http), 53/UDP (dns)"
    )
    assert told(slice_of(True), port=81) == [("Ingress", "backend.port-not-found", text)]
