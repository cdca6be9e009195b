"""What a KongUpstreamPolicy says of the Services that refer to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import convert

from crossfade.api.kong.upstream_policy import KongUpstreamPolicy, PolicyStatus
from crossfade.compile.diagnostics import Diagnostics
from crossfade.status.change import ObjectChange
from crossfade.status.kong import StatusDecider, StatusInput
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.service import Service
from crossfade_kube.meta import ObjectMeta
from crossfade_kube.registry import typed_ref

NOW = datetime(2026, 1, 2, tzinfo=UTC)
POLICY = KongUpstreamPolicy(metadata=ObjectMeta(name="ways", namespace="n", resource_version="7"))


def service(name: str, created: str = "2026-01-01T00:00:00Z", policy: str = "ways") -> Service:
    annotations = {"konghq.com/upstream-policy": policy}
    meta = ObjectMeta(name=name, namespace="n", creation_timestamp=created, annotations=annotations)
    return Service(metadata=meta)


def ingress(*names: str, class_name: str = "kong") -> Ingress:
    paths = [{"path": "/", "backend": {"service": {"name": name, "port": {"number": 80}}}} for name in names]
    spec = {"ingressClassName": class_name, "rules": [{"http": {"paths": paths}}]}
    return convert({"metadata": {"name": "i", "namespace": "n"}, "spec": spec}, Ingress)


def decided(
    *objects: Any, diagnostics: Diagnostics | None = None, decider: StatusDecider | None = None, now: datetime = NOW
) -> list[ObjectChange]:
    given = StatusInput(Snapshot.of(objects), diagnostics or Diagnostics(), "kong", None)
    changes = (decider or StatusDecider()).decide(given, now=now)
    return [change for change in changes if change.ref.kind == "KongUpstreamPolicy" and change.patch]


def shown(change: ObjectChange) -> dict[str, list[tuple[str, str, str]]]:
    assert change.patch is not None
    return {
        ancestor["ancestorRef"]["name"]: [(one["type"], one["status"], one["reason"]) for one in ancestor["conditions"]]
        for ancestor in change.patch["status"]["ancestors"]
    }


ACCEPTED = ("Accepted", "True", "Accepted")
PROGRAMMED = ("Programmed", "True", "Programmed")
PENDING = ("Programmed", "False", "Pending")


def test_each_service_is_an_ancestor() -> None:
    old = service("old", created="2025-01-01T00:00:00Z")
    (change,) = decided(POLICY, service("used"), old, service("other", policy="else"), ingress("used"))
    assert shown(change) == {"old": [ACCEPTED, PENDING], "used": [ACCEPTED, PROGRAMMED]}
    assert change.patch is not None
    first = change.patch["status"]["ancestors"][0]
    assert list(shown(change)) == ["old", "used"], "the oldest first"
    assert first["controllerName"] == "konghq.com/kic-gateway-controller"
    assert first["ancestorRef"] == {"group": "core", "kind": "Service", "namespace": "n", "name": "old"}


def test_what_no_ingress_of_ours_uses_is_left_alone() -> None:
    assert decided(POLICY, service("used")) == []
    assert decided(POLICY, service("used"), ingress("used", class_name="other")) == []
    assert decided(POLICY, ingress("used")) == []


def test_a_policy_or_service_that_is_wrong_is_not_programmed() -> None:
    for ref in (typed_ref(POLICY), typed_ref(service("used"))):
        found = Diagnostics()
        found.error(ref, "upstream.invalid", "wrong", effect="")
        (change,) = decided(POLICY, service("used"), ingress("used"), diagnostics=found)
        assert shown(change) == {"used": [ACCEPTED, PENDING]}


def test_what_already_says_so_is_left_alone() -> None:
    objects = (service("used"), ingress("used"))
    (change,) = decided(POLICY, *objects)
    assert change.patch is not None
    known = KongUpstreamPolicy(metadata=POLICY.metadata, status=convert(change.patch["status"], PolicyStatus))
    assert decided(known, *objects, now=NOW + timedelta(hours=1)) == []


def test_what_other_controllers_say_stays() -> None:
    ref = {"group": "g", "kind": "Gateway", "name": "theirs", "sectionName": "https"}
    said = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 3}
    theirs = {"ancestorRef": ref, "controllerName": "example.test/theirs", "conditions": [said]}
    status = convert({"ancestors": [theirs]}, PolicyStatus)
    known = KongUpstreamPolicy(metadata=POLICY.metadata, status=status)
    (change,) = decided(known, service("used"), ingress("used"))
    assert change.patch is not None
    first, _ = change.patch["status"]["ancestors"]
    assert first == {**theirs, "conditions": [{**said, "lastTransitionTime": ""}]}


def test_there_are_sixteen_at_most() -> None:
    services = [service(f"s{number:02}") for number in range(20)]
    (change,) = decided(POLICY, *services, ingress("s19"))
    assert list(shown(change)) == [f"s{number:02}" for number in range(16)]


def test_the_same_input_gives_the_same_decision() -> None:
    decider = StatusDecider()
    given = StatusInput(Snapshot.of((POLICY, service("used"), ingress("used"))), Diagnostics(), "kong", None)
    (one,), (other,) = decider.decide(given, now=NOW), decider.decide(given, now=NOW)
    assert one is other
    (again,) = decided(POLICY, service("used"), ingress("used"), decider=decider)
    assert again == one
