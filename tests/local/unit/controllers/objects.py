"""Objects as the API server would give them, as short as tests can be."""

from typing import Any

Json = dict[str, Any]


def template(image: str = "example.com/jazz:v1", **labels: str) -> Json:
    return {
        "metadata": {"labels": {"app": "jazz", **labels}},
        "spec": {"containers": [{"name": "jazz", "image": image}]},
    }


def deployment(replicas: int = 2, *, image: str = "example.com/jazz:v1", **spec: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "jazz", "namespace": "prod", "uid": "d", "generation": 1, "resourceVersion": "1"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "jazz"}},
            "template": template(image),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            **spec,
        },
    }


def replica_set(
    name: str, replicas: int, *, available: int | None = None, created: str = "2026-01-01T00:00:00Z", **annotations: str
) -> Json:
    known = replicas if available is None else available
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": "prod",
            "uid": name,
            "creationTimestamp": created,
            "annotations": annotations,
        },
        "spec": {"replicas": replicas, "template": template(f"example.com/{name}")},
        "status": {"replicas": replicas, "readyReplicas": known, "availableReplicas": known},
    }


def pod(name: str, ip: str = "", *, ready: bool = True, node: str = "n", phase: str = "Running", **extra: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "prod", "uid": name, "labels": {"app": "jazz"}, **extra},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 9080, "protocol": "TCP"}]}],
        },
        "status": {
            "phase": phase,
            "podIP": ip,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        },
    }


def service(*ports: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "jazz", "namespace": "prod", "uid": "s", "labels": {"app": "jazz"}},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": "jazz"}, "ports": list(ports), **spec},
    }
