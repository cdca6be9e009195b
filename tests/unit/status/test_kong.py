"""Conditions, Events and addresses that follow from a compile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.custom_entity import KongCustomEntity, KongCustomEntitySpec
from crossfade.api.kong.plugin import KongPlugin, KongStatus
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.compile.diagnostics import Diagnostics
from crossfade.status.change import ObjectChange
from crossfade.status.kong import TRANSLATION_FAILED, StatusDecider, StatusInput
from crossfade.store.snapshot import KubernetesObject, Snapshot
from crossfade_kube.core.ingress import Ingress, IngressSpec, IngressStatus
from crossfade_kube.core.service import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServiceSpec,
    ServiceStatus,
)
from crossfade_kube.meta import Condition, NamespacedName, ObjectMeta, ObjectRef
from crossfade_kube.registry import typed_ref

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GATEWAY = NamespacedName("kong", "kong-kong-proxy")
META = ObjectMeta(name="x", namespace="n", resource_version="7", generation=2)
CLASS = {"kubernetes.io/ingress.class": "kong"}


def changes(*objects: KubernetesObject, diagnostics: Diagnostics | None = None) -> list[ObjectChange]:
    return decide(StatusDecider(), *objects, diagnostics=diagnostics)


def decide(
    decider: StatusDecider, *objects: KubernetesObject, diagnostics: Diagnostics | None = None, now: datetime = NOW
) -> list[ObjectChange]:
    return decider.decide(StatusInput(Snapshot.of(objects), diagnostics or Diagnostics(), "kong", GATEWAY), now=now)


def conditions(change: ObjectChange) -> dict[str, tuple[str, str]]:
    assert change.patch is not None
    return {item["type"]: (item["status"], item["reason"]) for item in change.patch["status"]["conditions"]}


def test_a_good_plugin_is_programmed() -> None:
    (change,) = changes(KongPlugin(metadata=META, plugin="key-auth"))
    assert (change.subresource, change.basis) == ("status", "7")
    assert conditions(change) == {"Programmed": ("True", "Programmed")}


def test_a_refused_plugin_says_so_and_why() -> None:
    plugin = KongPlugin(metadata=META, plugin="nope")
    found = Diagnostics()
    found.error(typed_ref(plugin), "plugin.refused", "unknown", effect="closed", hint="look", field="plugin")
    status, news = changes(plugin, diagnostics=found)
    assert conditions(status) == {"Programmed": ("False", "Invalid")}
    assert [(item.reason, item.message, item.is_warning) for item in news.news] == [
        (TRANSLATION_FAILED, "plugin: unknown; closed; look", True)
    ]


def test_what_already_says_so_is_left_alone() -> None:
    text = "Object was successfully configured in Kong."
    known = Condition("Programmed", "True", "2025-01-01T00:00:00Z", "Programmed", text, 2)
    assert changes(KongPlugin(metadata=META, plugin="key-auth", status=KongStatus((known,)))) == []


def test_the_time_of_a_transition_is_kept_while_the_status_is() -> None:
    known = Condition("Programmed", "True", "2025-01-01T00:00:00Z", "Programmed", "old words", 1)
    (change,) = changes(KongPlugin(metadata=META, plugin="key-auth", status=KongStatus((known,))))
    assert change.patch is not None
    assert change.patch["status"]["conditions"][0]["lastTransitionTime"] == "2025-01-01T00:00:00Z"


def test_foreign_conditions_stay() -> None:
    known = Condition("Theirs", "True", "2025-01-01T00:00:00Z", "Because", "")
    (change,) = changes(KongPlugin(metadata=META, plugin="key-auth", status=KongStatus((known,))))
    assert set(conditions(change)) == {"Theirs", "Programmed"}


def test_a_bad_credential_leaves_the_consumer_programmed() -> None:
    meta = ObjectMeta(name="x", namespace="n", annotations=CLASS)
    consumer = KongConsumer(metadata=meta, username="u")
    found = Diagnostics()
    found.error(typed_ref(consumer), "consumer.credential", "no key", effect="")
    status = changes(consumer, diagnostics=found)[0]
    assert conditions(status) == {
        "Programmed": ("True", "Programmed"),
        "CredentialSecretRefsValid": ("False", "Invalid"),
    }


def test_a_group_says_whether_it_is_in_use() -> None:
    group = KongConsumerGroup(metadata=ObjectMeta(name="gold", namespace="n", annotations=CLASS))
    assert conditions(changes(group)[0]) == {"Programmed": ("True", "Programmed")}
    found = Diagnostics()
    found.error(typed_ref(group), "plugin.refused-here", "no", effect="")
    assert conditions(changes(group, diagnostics=found)[0]) == {"Programmed": ("False", "Invalid")}
    assert changes(KongConsumerGroup(metadata=META)) == []


def test_a_custom_entity_is_judged_by_the_class_that_it_names() -> None:
    entity = KongCustomEntity(metadata=META, spec=KongCustomEntitySpec("degraphql_routes", "kong"))
    found = Diagnostics()
    found.error(typed_ref(entity), "custom-entity.unsupported", "no", effect="")
    assert conditions(changes(entity, diagnostics=found)[0]) == {"Programmed": ("False", "Invalid")}
    theirs = KongCustomEntity(metadata=META, spec=KongCustomEntitySpec("degraphql_routes", "other"))
    assert changes(theirs) == []


def test_consumers_of_another_class_are_left_alone() -> None:
    assert changes(KongConsumer(metadata=META, username="u")) == []


def gateway(*addresses: LoadBalancerIngress, kind: str = "LoadBalancer") -> Service:
    return Service(
        metadata=ObjectMeta(name=GATEWAY.name, namespace=GATEWAY.namespace),
        spec=ServiceSpec(type=kind, cluster_ip="10.96.0.9", cluster_ips=("10.96.0.9",)),
        status=ServiceStatus(LoadBalancerStatus(addresses)),
    )


def ingress(*addresses: LoadBalancerIngress, class_name: str = "kong") -> Ingress:
    return Ingress(
        metadata=META,
        spec=IngressSpec(ingress_class_name=class_name),
        status=IngressStatus(LoadBalancerStatus(addresses)),
    )


def test_ingresses_show_the_gateways_addresses() -> None:
    (change,) = changes(gateway(LoadBalancerIngress("127.0.0.1", "lb.test")), ingress())
    assert change.patch == {"status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "hostname": "lb.test"}]}}}


@pytest.mark.parametrize("kind", [TcpIngress, UdpIngress])
def test_ingresses_of_streams_show_them_too(kind: type[TcpIngress | UdpIngress]) -> None:
    ours, other = (
        kind(metadata=replace(META, name=name, annotations={"kubernetes.io/ingress.class": name}))
        for name in ("kong", "other")
    )
    (change,) = changes(gateway(LoadBalancerIngress("127.0.0.1")), ours, other)
    assert (change.ref.kind, change.ref.name) == (kind.RESOURCE.kind, "kong")
    assert change.patch == {"status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}}


def test_without_a_load_balancer_it_is_the_services_own_address() -> None:
    (change,) = changes(gateway(kind="ClusterIP"), ingress())
    assert change.patch == {"status": {"loadBalancer": {"ingress": [{"ip": "10.96.0.9"}]}}}


def test_addresses_that_are_right_or_of_another_class_are_left_alone() -> None:
    address = LoadBalancerIngress("127.0.0.1")
    assert changes(gateway(address), ingress(address)) == []
    assert changes(gateway(address), ingress(class_name="nginx")) == []


def test_addresses_that_are_gone_disappear() -> None:
    (change,) = changes(gateway(), ingress(LoadBalancerIngress("127.0.0.1")))
    assert change.patch == {"status": {"loadBalancer": {"ingress": None}}}


POOL = {
    (kind.__name__, name, version): kind(
        metadata=ObjectMeta(name=name, namespace="n", resource_version=version, annotations=CLASS), **more
    )
    for kind, more in ((KongPlugin, {"plugin": "key-auth"}), (KongConsumer, {"username": "u"}), (Ingress, {}))
    for name in "ab"
    for version in ("1", "2")
}
WORLDS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([key[:2] for key in POOL]), st.sampled_from("12")),
        st.sets(st.tuples(st.sampled_from(list(POOL)), st.sampled_from(["plugin.refused", "consumer.credential"]))),
        st.sampled_from([(), (LoadBalancerIngress("10.0.0.1"),), (LoadBalancerIngress("10.0.0.2"),)]),
    ),
    max_size=6,
)


def _written_to(change: ObjectChange) -> tuple[ObjectRef, str | None]:
    return change.ref, change.subresource


@given(WORLDS)
def test_a_series_of_decisions_is_what_each_would_be_alone(worlds: list[Any]) -> None:
    decider = StatusDecider()
    for versions, found, addresses in worlds:
        objects = [POOL[(*key, version)] for key, version in versions.items()]
        diagnostics = Diagnostics()
        for key, code in found:
            diagnostics.error(typed_ref(POOL[key]), code, "wrong", effect="none")
        world = (gateway(*addresses), *objects)
        series, alone = decide(decider, *world, diagnostics=diagnostics), changes(*world, diagnostics=diagnostics)
        assert sorted(series, key=_written_to) == sorted(alone, key=_written_to)


def test_what_did_not_change_gets_the_very_same_decision() -> None:
    decider, plugin, other = StatusDecider(), KongPlugin(metadata=META, plugin="a"), ingress()
    found = Diagnostics()
    found.warning(typed_ref(other), "x.y", "odd")
    service = gateway(LoadBalancerIngress("127.0.0.1"))
    first = decide(decider, service, plugin, other, diagnostics=found)
    again = decide(decider, service, plugin, other, diagnostics=found, now=NOW + timedelta(hours=1))
    assert len(first) == 3
    assert [id(change) for change in first] == [id(change) for change in again]
