"""Namespaces with deployments, mesh objects, Ingresses and watches come and go; nothing may grow meanwhile."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.local.reliability.growth import MIB, Growth, growth
from tests.local.reliability.load import Api
from tests.local.reliability.polling import until
from tests.local.reliability.samples import Key, sample
from tests.local.reliability.victims import Victims
from tests.support.cluster import EmbeddedCluster

T = TypeVar("T")

PATIENCE_S: Final = 180.0
# Changes are remembered for up to ten minutes, so that watches can go back, and so is what Events were about. The event
# loop remembers the last 2048 addresses that asked for a name, of which a round brings some 15.
WARM_UP_S: Final = 660.0
WARM_UP_ROUNDS: Final = 140
# What is remembered for a time is as much as happens in it.
PACE_S: Final = 10.0
_MAPS: Final = 5
_WATCHES: Final = 5


@dataclass
class Churn:
    cluster: EmbeddedCluster
    api: Api
    victims: Victims
    samples: list[dict[Key, float]] = field(default_factory=list)

    def run(self, seconds: float, *, say: Callable[[str], None]) -> None:
        """Rounds for so long, at an even pace; a sample after each that comes after the warm-up, for which half of the
        time is enough."""
        self.round(0)
        base = self._until(self._settled)
        began = time.monotonic()
        number = 1
        while (passed := time.monotonic() - began) < seconds:
            self.round(number)
            self._until(lambda: self._is_as(base))
            if passed >= seconds / 2 or (passed >= WARM_UP_S and number > WARM_UP_ROUNDS):
                self.samples.append(self._sample())
            say(f"{number}, {time.monotonic() - began:.0f} s")
            number += 1
            time.sleep(max(0.0, passed + PACE_S - (time.monotonic() - began)))

    def round(self, number: int) -> None:
        name = f"churn-{number}"
        self._apply(_namespace(name))
        self._apply(*_objects(name))
        path = f"/apis/apps/v1/namespaces/{name}/deployments/app"
        with self._watches(name):
            self._until(lambda: (self.api.send("GET", path)[1].get("status") or {}).get("availableReplicas") == 2)
            self.cluster.kubectl("exec", "-n", name, "deploy/app", "-c", "app", "--", "true")
            self.cluster.kubectl("logs", "-n", name, "deploy/app", "-c", "app")
            self.cluster.kubectl("scale", "-n", name, "deploy/app", "--replicas=1")
            self.cluster.kubectl("delete", "namespace", name, "--wait=false")
            self._until(lambda: self.api.send("GET", f"/api/v1/namespaces/{name}")[0] == 404)

    def found(self) -> Iterator[tuple[Key, Growth]]:
        """Of all that lived as long as the samples."""
        lasting = set(self.samples[0]).intersection(*self.samples)
        for key in sorted(lasting):
            yield key, growth(key.kind, [one[key] for one in self.samples])

    def _apply(self, *objects: dict[str, Any]) -> None:
        """Until it is taken: webhooks of a mesh that is busy may be late."""
        text = yaml.safe_dump_all(objects)

        def is_taken() -> bool:
            self.cluster.kubectl("apply", "-f", "-", stdin=text)
            return True

        self._until(is_taken)

    @contextlib.contextmanager
    def _watches(self, namespace: str) -> Iterator[None]:
        """Of clients that end without a word."""
        command = [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(self.cluster.kubeconfig)]
        watching = [
            subprocess.Popen(
                [*command, "get", "pods", "-n", namespace, "--watch"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(_WATCHES)
        ]
        try:
            yield
        finally:
            for one in watching:
                one.kill()
                one.wait()

    def _sample(self) -> dict[Key, float]:
        found: list[dict[Key, float]] = []

        def is_taken() -> bool:
            found.append(sample(self.cluster.data_dir, self.victims.up()))
            return True

        self._until(is_taken)
        return found[-1]

    def _settled(self) -> dict[Key, float] | None:
        """A sample when no pod is on its way out, each has its cable, and nothing changed between two looks."""
        pods = self.api.send("GET", "/api/v1/pods")[1]["items"]
        if any("deletionTimestamp" in pod["metadata"] for pod in pods):
            return None
        first, second = self._sample(), self._sample()
        is_quiet = all(first[key] == second[key] for key in _SETTLED)
        return second if is_quiet and second[Key("", "cables")] == len(pods) else None

    def _is_as(self, base: dict[Key, float]) -> bool:
        """Raises ValueError that names what is not."""
        now = self._sample()
        others = [f"{key.kind}: {now[key]:g}, not {base[key]:g}" for key in _SETTLED if now[key] != base[key]]
        if others:
            raise ValueError("; ".join(others))
        return True

    def _until(self, condition: Callable[[], T | None]) -> T:
        return until(condition, PATIENCE_S)


_SETTLED: Final = tuple(Key("", kind) for kind in ("programs", "cables", "routes", "rules", "mounts", "folders"))


def describe(key: Key, found: Growth) -> str:
    unit, scale = (" MiB", MIB) if key.kind in ("memory", "database") else ("", 1)
    verdict = "  GROWS" if found.is_too_much else ""
    values = f"{found.before / scale:.1f} to {found.after / scale:.1f}{unit}"
    return f"{key.owner or 'cluster':40} {key.kind:12} {values}{verdict}"


def _namespace(name: str) -> dict[str, Any]:
    labels = {"mesh": "dj-app", "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _objects(namespace: str) -> Iterator[dict[str, Any]]:
    def made(version: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}

    labels = {"app": "app"}
    for number in range(_MAPS):
        yield made("v1", "ConfigMap", f"map-{number}", data={"text": "x" * 2000})
    yield made("v1", "Secret", "secret", stringData={"key": "value"})
    yield made("v1", "Service", "app", spec={"selector": labels, "ports": [{"port": 9080}]})
    listener = {"portMapping": {"port": 9080, "protocol": "http"}}
    discovery = {"dns": {"hostname": f"app.{namespace}.svc.cluster.local"}}
    node = {"podSelector": {"matchLabels": labels}, "listeners": [listener], "serviceDiscovery": discovery}
    yield made("appmesh.k8s.aws/v1beta2", "VirtualNode", "app", spec=node)
    backend = {"service": {"name": "app", "port": {"number": 9080}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rule = {"host": f"{namespace}.test", "http": {"paths": [path]}}
    yield made("networking.k8s.io/v1", "Ingress", "app", spec={"ingressClassName": "kong", "rules": [rule]})
    container = {
        "name": "app",
        "image": "crossfade/djapp:v1",
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 9080}, "periodSeconds": 1},
        "volumeMounts": [{"name": kind, "mountPath": f"/{kind}"} for kind in ("map", "secret", "empty")],
    }
    volumes = [
        {"name": "map", "configMap": {"name": "map-0"}},
        {"name": "secret", "secret": {"secretName": "secret"}},
        {"name": "empty", "emptyDir": {}},
    ]
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 2}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    yield made("apps/v1", "Deployment", "app", spec=spec)
