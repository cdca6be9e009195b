"""Several gateways on the same objects: each writes what is its own, and they come to rest."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from msgspec import convert
from msgspec.structs import replace

from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.plugin import KongPlugin, KongStatus
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy, PolicyStatus
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.status.kong import StatusDecider, StatusInput
from crossfade.status.ownership import Ownership
from crossfade.store.snapshot import KubernetesObject, Snapshot
from crossfade_kube.core.ingress import (
    HttpIngressPath,
    HttpIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
)
from crossfade_kube.core.service import Service
from crossfade_kube.meta import Condition, NamespacedName, ObjectMeta
from crossfade_kube.registry import typed_ref

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLUGIN = KongPlugin(metadata=ObjectMeta(name="p", namespace="n", generation=1), plugin="cors")
USES = {"konghq.com/plugins": "p"}


def ingress(name: str, ingress_class: str, service: str = "web", **annotations: str) -> Ingress:
    path = HttpIngressPath(backend=IngressBackend(service=IngressServiceBackend(service)))
    spec = IngressSpec(ingress_class_name=ingress_class, rules=(IngressRule(http=HttpIngressRuleValue(paths=(path,))),))
    noted = {f"konghq.com/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return Ingress(metadata=ObjectMeta(name=name, namespace="n", annotations=noted), spec=spec)


def service(name: str, **annotations: str) -> Service:
    noted = {f"konghq.com/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return Service(metadata=ObjectMeta(name=name, namespace="n", annotations=noted))


def consumer(ingress_class: str) -> KongConsumer:
    return KongConsumer(
        metadata=ObjectMeta(name="c", namespace="n", annotations=USES | {"kubernetes.io/ingress.class": ingress_class})
    )


@pytest.mark.parametrize(
    ("objects", "is_foreign"),
    [
        ([], False),
        ([ingress("a", "other", plugins="p")], True),
        ([ingress("a", "other", plugins="p"), ingress("b", "kong", plugins="p")], False),
        ([ingress("a", "other"), service("web", plugins="p")], True),
        ([ingress("a", "other"), ingress("b", "kong"), service("web", plugins="p")], False),
        ([service("web", plugins="p")], False),
        ([consumer("other")], True),
        ([consumer("other"), ingress("a", "kong", plugins="q, p")], False),
        ([ingress("a", "other", plugins="elsewhere:p")], False),
        ([ingress("a", "other", plugins="n:p")], True),
    ],
)
def test_whose_a_plugin_is(objects: list[KubernetesObject], is_foreign: bool) -> None:
    snapshot = Snapshot.of([PLUGIN, *objects])
    found = Ownership(snapshot, ClassFilter(snapshot, "kong")).foreign_plugins
    assert (PLUGIN.metadata.key in found) is is_foreign


class Gateways:
    """Of classes `kong` and `other`, with verdicts that differ."""

    def __init__(self) -> None:
        self._deciders = {name: StatusDecider() for name in ("kong", "other")}

    def writes(self, name: str, objects: Iterable[KubernetesObject], *, refused: bool) -> list[str]:
        """Kinds of what this gateway writes now, Events left out."""
        found = Diagnostics()
        if refused:
            found.error(typed_ref(PLUGIN), "plugin.refused", "no vault", effect="closed", hint="look", field="config")
        given = StatusInput(Snapshot.of(objects), found, name, None)
        return [one.ref.kind for one in self._deciders[name].decide(given, now=NOW) if one.patch is not None]


def programmed(status: str) -> KongPlugin:
    condition = Condition("Programmed", status, "2026-01-01T00:00:00Z", "Programmed", "as it is", 1)
    return replace(PLUGIN, status=KongStatus(conditions=(condition,)))


def test_a_plugin_of_other_gateways_is_left_to_them_until_it_is_ours_too() -> None:
    gateways, theirs = Gateways(), ingress("a", "other", plugins="p")
    assert gateways.writes("kong", [PLUGIN, theirs], refused=True) == []
    assert gateways.writes("other", [PLUGIN, theirs], refused=False) == ["KongPlugin"]
    judged = programmed("True")
    assert gateways.writes("kong", [judged, theirs], refused=True) == []
    # Nothing of the plugin changes, and yet it is ours now.
    both = [judged, theirs, ingress("b", "kong", plugins="p")]
    assert gateways.writes("kong", both, refused=True) == ["KongPlugin"]


def test_of_a_policy_each_writes_the_services_of_its_own() -> None:
    policy = KongUpstreamPolicy(metadata=ObjectMeta(name="u", namespace="n"))
    objects: list[KubernetesObject] = [
        policy,
        *(service(name, upstream_policy="u") for name in ("ours", "theirs", "idle")),
        ingress("a", "kong", "ours"),
        ingress("b", "other", "theirs"),
    ]
    written: list[tuple[str, list[tuple[str, str]]]] = []
    for name in ("kong", "other") * 3:
        given = StatusInput(Snapshot.of([policy, *objects[1:]]), Diagnostics(), name, None)
        for change in StatusDecider().decide(given, now=NOW):
            assert change.patch is not None
            policy = replace(policy, status=convert(change.patch["status"], PolicyStatus))
            assert policy.status is not None
            said = [(one.ancestor_ref.name, one.conditions[1].status) for one in policy.status.ancestors]
            written.append((name, said))
    assert written == [
        ("kong", [("idle", "False"), ("ours", "True")]),
        ("other", [("idle", "False"), ("ours", "True"), ("theirs", "True")]),
    ]


def test_backends_of_others_are_those_of_nobody_else() -> None:
    snapshot = Snapshot.of([ingress("a", "kong", "x"), ingress("b", "other", "x"), ingress("c", "other", "y")])
    found = Ownership(snapshot, ClassFilter(snapshot, "kong"))
    assert found.our_backends == {NamespacedName("n", "x")}
    assert found.foreign_backends == {NamespacedName("n", "y")}
