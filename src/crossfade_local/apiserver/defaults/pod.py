"""Defaults of pods and pod templates. All functions change the given object."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.sizes import MOST_BYTES, TooLarge
from crossfade_local.pod_resources import qos_class
from crossfade_local.values.fields import flag, mapping, objects, text

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_NUMBERS: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_MOST_CONTAINERS: Final = MOST_BYTES // 105
"""No more can be stored, for what every one of them is given, and the least that is noted of who manages it."""
_FILE_MODE: Final = 0o644


def default_pod(pod: JsonObject) -> None:
    """A pod itself."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in _containers(spec):
        _requests_from_limits(container)
    # Only of pods, not of templates, for which Kubernetes keeps what is written.
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1


def default_template(spec: JsonObject) -> None:
    """The `template` of a workload's spec."""
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: JsonObject) -> None:
    """Raises TooLarge."""
    spec["dnsPolicy"] = text(spec, "dnsPolicy") or "ClusterFirst"
    spec["restartPolicy"] = text(spec, "restartPolicy") or "Always"
    spec["schedulerName"] = text(spec, "schedulerName") or "default-scheduler"
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    account = text(spec, "serviceAccountName") or text(spec, "serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in objects(spec, "volumes"):
        default_volume(volume)
    if sum(1 for _ in _containers(spec)) > _MOST_CONTAINERS:
        raise TooLarge
    for container in _containers(spec):
        _default_container(container, host_network=flag(spec, "hostNetwork"))


def _containers(spec: JsonObject) -> Iterator[JsonObject]:
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from objects(spec, name)


def _default_container(container: JsonObject, *, host_network: bool) -> None:
    if not text(container, "imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(text(container, "image"))
    container["terminationMessagePath"] = text(container, "terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = text(container, "terminationMessagePolicy") or "File"
    if container.get("resources") is None:
        container["resources"] = {}
    for port in objects(container, "ports"):
        port["protocol"] = text(port, "protocol") or "TCP"
        if host_network and not port.get("hostPort"):
            port["hostPort"] = port.get("containerPort")
    for variable in objects(container, "env"):
        _default_reference(mapping(variable, "valueFrom"))
    for name in _PROBES:
        if isinstance(container.get(name), dict):
            _default_probe(container[name])
    for name in ("postStart", "preStop"):
        _default_handler(mapping(container, "lifecycle", name))


def _default_reference(source: JsonObject) -> None:
    reference = source.get("fieldRef")
    if isinstance(reference, dict):
        reference["apiVersion"] = text(reference, "apiVersion") or "v1"
    resource = source.get("resourceFieldRef")
    if isinstance(resource, dict):
        resource.setdefault("divisor", "0")


def _pull_policy(image: str) -> str:
    """`Always` for the tag `latest`, also when it is only implied."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    _, has_tag, tag = last.partition(":")
    latest = tag == "latest" if has_tag else not digest
    return "Always" if latest else "IfNotPresent"


def _default_probe(probe: JsonObject) -> None:
    for name, value in _PROBE_NUMBERS.items():
        probe[name] = probe.get(name) or value
    _default_handler(probe)


def _default_handler(handler: JsonObject) -> None:
    http = handler.get("httpGet")
    if isinstance(http, dict):
        http["path"] = text(http, "path") or "/"
        http["scheme"] = text(http, "scheme") or "HTTP"
    grpc = handler.get("grpc")
    if isinstance(grpc, dict):
        grpc.setdefault("service", "")


def default_volume(volume: JsonObject) -> None:
    if not [name for name, value in volume.items() if name != "name" and value is not None]:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        source = volume.get(name)
        if isinstance(source, dict) and source.get("defaultMode") is None:
            source["defaultMode"] = _FILE_MODE
    host_path = volume.get("hostPath")
    if isinstance(host_path, dict):
        host_path.setdefault("type", "")
    claim = mapping(volume, "ephemeral", "volumeClaimTemplate")
    if claim:
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    for item in objects(volume, "downwardAPI", "items"):
        _default_reference(item)
    for source in objects(volume, "projected", "sources"):
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("expirationSeconds") is None:
            token["expirationSeconds"] = 3600
        for item in objects(source, "downwardAPI", "items"):
            _default_reference(item)


def _requests_from_limits(container: JsonObject) -> None:
    limits = mapping(container, "resources", "limits")
    if limits:
        requests = mapping(container, "resources", "requests")
        container["resources"]["requests"] = {**limits, **requests}


def initial_status(pod: JsonObject, now: str) -> JsonObject:
    """The status of a pod that was just created."""
    status: JsonObject = {"phase": "Pending", "qosClass": qos_class(pod)}
    if objects(pod, "spec", "schedulingGates"):
        said = "Scheduling is blocked due to non-empty scheduling gates"
        gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": said}
        status["conditions"] = [{**gated, "lastTransitionTime": now}]
    return status
