"""What one change costs the control plane's event loop beside compiling: a new snapshot, and deciding on statuses.

    python -m benchmarks.change_cost [--objects 20000] [--ingresses 5000]

A snapshot of that many Secrets after a change of another kind, after a changed, and after an inserted Secret. Then,
with that many Ingresses and as many consumers that all say already what they should: the decision and its submission
after one of them changed, for different numbers of objects with a diagnostic.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from crossfade.api.kong.consumer import KongConsumer
from crossfade.compile.diagnostics import Diagnostics
from crossfade.status.kong import StatusDecider, StatusInput
from crossfade.status.writer import StatusWriter
from crossfade.store.cache import Cache
from crossfade_kube.client import Client
from crossfade_kube.core import ConfigMap, Secret
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.service import Service
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import typed_ref
from crossfade_kube.watch import WatchEvent

ROUNDS = 30
GATEWAY = NamespacedName("kong", "proxy")
ADDRESS = "10.0.0.1"
PROGRAMMED = ("Programmed", "Programmed", "Object was successfully configured in Kong.")
VALID = ("CredentialSecretRefsValid", "Valid", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--ingresses", type=int, default=5_000)
    arguments = parser.parse_args()
    measure_snapshots(arguments.objects)
    measure_decisions(arguments.ingresses)


def measure_snapshots(objects: int) -> None:
    cache = Cache([Secret, ConfigMap])
    cache.sink(Secret).replace([_object(f"a{number:06}") for number in range(objects)])
    cache.sink(ConfigMap).replace([])
    cache.snapshot()
    cases: dict[str, Callable[[int], None]] = {
        "a change of another kind": lambda n: cache.sink(ConfigMap).apply(_change("c", n)),
        "a changed Secret": lambda n: cache.sink(Secret).apply(_change("a000007", n)),
        "an inserted Secret": lambda n: cache.sink(Secret).apply(_change(f"a000007-{n:02}", n)),
    }
    for what, change in cases.items():
        times = []
        for number in range(ROUNDS):
            change(number + 2)
            started = time.perf_counter()
            cache.snapshot().all(Secret)
            times.append(time.perf_counter() - started)
        print(f"snapshot of {objects} Secrets after {what}: {shown_ms(times)}")


def measure_decisions(ingresses: int) -> None:
    cache = Cache([Ingress, KongConsumer, Service])
    cache.sink(Service).replace([_object(GATEWAY.name, GATEWAY.namespace, spec={"clusterIPs": [ADDRESS]})])
    cache.sink(Ingress).replace([_ingress(number, 1) for number in range(ingresses)])
    cache.sink(KongConsumer).replace([_consumer(number) for number in range(ingresses)])
    client = Client(ClusterConfig(server="http://127.0.0.1:9"))
    decider, writer = StatusDecider(), StatusWriter(client, EventRecorder(client, "benchmark"))
    for diagnosed in (0, ingresses // 50, ingresses):
        times = []
        for number in range(ROUNDS):
            cache.sink(Ingress).apply(WatchEvent("MODIFIED", _ingress(number, diagnosed + number + 2)))
            snapshot, found = cache.snapshot(), Diagnostics()
            for item in snapshot.all(Ingress)[:diagnosed]:
                found.error(
                    typed_ref(item), "route.missing-service", "there is no such Service", effect="it answers 503"
                )
            given = StatusInput(snapshot, found, "kong", GATEWAY)
            started = time.perf_counter()
            writer.submit(decider.decide(given, now=datetime.now(UTC)))
            times.append(time.perf_counter() - started)
        what = f"{ingresses} Ingresses and as many consumers, {diagnosed} with a diagnostic"
        print(f"statuses of {what}: {shown_ms(times)}")


def _change(name: str, version: int) -> WatchEvent:
    return WatchEvent("MODIFIED", _object(name, version=version))


def _object(name: str, namespace: str = "demo", *, version: int = 1, spec: JsonObject | None = None) -> JsonObject:
    metadata = {"name": name, "namespace": namespace, "uid": name, "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata, "spec": spec or {}}


def _ingress(number: int, version: int) -> JsonObject:
    ingress = _object(f"i{number:05}", version=version, spec={"ingressClassName": "kong"})
    return ingress | {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}


def _consumer(number: int) -> JsonObject:
    consumer = _object(f"c{number:05}")
    consumer["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "kong"}
    conditions = [
        {
            "type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, reason, message in (PROGRAMMED, VALID)
    ]  # fmt: skip
    return consumer | {"username": f"u{number}", "status": {"conditions": conditions}}


def shown_ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1000:.2f} ms (best {min(times) * 1000:.2f})"


if __name__ == "__main__":
    main()
