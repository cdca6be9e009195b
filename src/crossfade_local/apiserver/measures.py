"""What the API server counts of its own work, under Kubernetes' names; shown at `/metrics`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.wire.request import Call

_BUCKETS: Final = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    45,
    60,
)
_VERBS: Final = {
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
}
_READING: Final = frozenset({"get", "list", "watch"})
_LONG: Final = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_LABELS: Final = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component", "code")
_SHAPE: Final = ("verb", "group", "version", "resource", "subresource", "scope", "component")


class Measures:
    """Labels come from what is served, never from what a client makes up: paths that lead nowhere share one line.

    What is no longer served is forgotten, so that custom resources that come and go leave nothing behind.
    """

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._types = registry
        self._revision = registry.revision
        self._custom: set[tuple[str, str, str]] = set()
        self._metrics: Final = CollectorRegistry()
        ProcessCollector(registry=self._metrics)
        self._metrics.register(_Objects(storage, registry))
        self._requests = Counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
            "component, and HTTP response code.",
            _LABELS,
            registry=self._metrics,
        )
        self._durations = Histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and "
            "component.",
            _SHAPE,
            buckets=_BUCKETS,
            registry=self._metrics,
        )
        self._inflight = Gauge(
            "apiserver_current_inflight_requests",
            "Number of currently used inflight request limit of this apiserver per request kind.",
            ("request_kind",),
            registry=self._metrics,
        )
        self._long = Gauge(
            "apiserver_longrunning_requests",
            "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope "
            "and component.",
            _SHAPE,
            registry=self._metrics,
        )

    @contextmanager
    def running(self, call: Call) -> Iterator[None]:
        if self.is_long(call):
            gauge = self._long.labels(*self._shape(call))
        else:
            kind = "readOnly" if call.info.verb in _READING else "mutating"
            gauge = self._inflight.labels(kind)
        with gauge.track_inprogress():
            yield

    def note(self, call: Call, code: int, seconds: float) -> None:
        verb, *rest = self._shape(call)
        dry_run = "All" if call.is_dry_run else ""
        self._requests.labels(verb, dry_run, *rest, str(code)).inc()
        if not self.is_long(call):
            self._durations.labels(verb, *rest).observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """The body and its content type."""
        self._forget_what_is_gone()
        return generate_latest(self._metrics), CONTENT_TYPE_LATEST

    def is_long(self, call: Call) -> bool:
        return call.info.verb == "watch" or call.info.subresource in _LONG

    def _forget_what_is_gone(self) -> None:
        if self._revision == self._types.revision:
            return
        self._revision = self._types.revision
        for gone in [one for one in self._custom if self._types.get(*one) is None]:
            self._custom.discard(gone)
            labels = dict(zip(("group", "version", "resource"), gone, strict=True))
            for metric in (self._requests, self._durations, self._long):
                metric.remove_by_labels(labels)

    def _shape(self, call: Call) -> tuple[str, ...]:
        self._forget_what_is_gone()
        info = call.info
        resource = self._types.get(info.group, info.version, info.resource) if info.is_resource else None
        if resource is None:
            verb = _VERBS.get(info.verb, info.verb.upper())
            known = verb if verb in _VERBS.values() else "other"
            return known, "", "", "", "", "", "apiserver"
        if resource.custom is not None:
            self._custom.add((resource.group, resource.version, resource.plural))
        scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
        subresource = info.subresource if info.subresource in resource.subresources else ""
        verb = "CONNECT" if subresource in _LONG - {"log"} else _VERBS.get(info.verb, "other")
        return verb, resource.group, resource.version, resource.plural, subresource, scope, "apiserver"


class _Objects(Collector):
    """How many objects are stored, counted when somebody asks."""

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._types = registry

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            labels=["resource"],
        )
        counted = set()
        for resource in self._types:
            if resource.is_stored_form and resource.bucket not in counted and "watch" in resource.verbs:
                counted.add(resource.bucket)
                family.add_metric([resource.qualified], self._storage.count(resource.bucket))
        yield family
