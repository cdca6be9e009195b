"""Backends that do not exist."""

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.services import ServiceResolver
from crossfade.compile.gateway.state import KongBackend
from crossfade.compile.memo import Memo
from crossfade.compile.model import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressServiceBackend, ServiceBackendPort
from crossfade_kube.meta import ObjectRef


def test_everybody_who_names_a_missing_service_is_told() -> None:
    refs = [ObjectRef("networking.k8s.io/v1", "Ingress", "shop", name) for name in ("a", "b")]
    diagnostics = Diagnostics()
    resolver = ServiceResolver(Snapshot.of([]), Memo(), diagnostics)
    gone = IngressServiceBackend("gone", ServiceBackendPort(80))
    one, two = (resolver.resolve(KongBackend("shop", gone, Origin(ref, "spec"))) for ref in refs)
    assert one is two
    assert [(item.ref, item.code) for item in diagnostics] == [(ref, "backend.service-not-found") for ref in refs]
