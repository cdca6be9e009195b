"""Validation of containers and init containers."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.environment import validate_environment
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    required,
)
from crossfade_local.apiserver.validation.mounts import validate_devices, validate_mounts
from crossfade_local.apiserver.validation.probes import validate_lifecycle, validate_probes
from crossfade_local.apiserver.validation.resources import validate_resources
from crossfade_local.apiserver.validation.security_contexts import validate_container_security
from crossfade_local.apiserver.validation.shapes import choice, one_of
from crossfade_local.apiserver.validation.volumes import Volumes
from crossfade_local.values.fields import mapping, number, objects, text

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
RESIZABLE: Final = ("cpu", "memory")
_RESIZE_POLICIES: Final = ("NotRequired", "RestartContainer")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_RULE_ACTIONS: Final = ("Restart", "RestartAllContainers")
_ONLY_SIDECAR: Final = "may not be set for init containers without restartPolicy=Always"


class PodContext(NamedTuple):
    """What the checks of a container need to know of its pod."""

    volumes: Volumes
    grace_period: int
    restart_policy: str
    host_users: bool


def validate_containers(field: str, containers: list[JsonObject], pod: PodContext) -> Iterator[FieldError]:
    if not containers:
        yield required(field)
        return
    taken: set[str] = set()
    for index, container in enumerate(containers):
        place, name = f"{field}[{index}]", text(container, "name")
        yield from _validate_container(place, container, pod)
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)
        yield from validate_lifecycle(f"{place}.lifecycle", mapping(container, "lifecycle"), pod.grace_period)
        yield from validate_probes(place, container, pod.grace_period)
        yield from _validate_restarts(place, container)
    yield from _host_port_conflicts(field, containers)


def validate_init_containers(
    field: str, containers: list[JsonObject], regular: list[JsonObject], pod: PodContext
) -> Iterator[FieldError]:
    taken = {text(container, "name") for container in regular}
    for index, container in enumerate(containers):
        place, name = f"{field}[{index}]", text(container, "name")
        yield from _validate_container(place, container, pod)
        yield from _validate_restarts(place, container)
        if name in taken:
            yield duplicate(f"{place}.name", name)
        elif name:
            taken.add(name)
        yield from _host_port_conflicts(field, [container])
        if container.get("restartPolicy") == "Always":
            yield from validate_lifecycle(f"{place}.lifecycle", mapping(container, "lifecycle"), pod.grace_period)
            yield from validate_probes(place, container, pod.grace_period)
            continue
        for extra in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(extra) is not None:
                yield forbidden(f"{place}.{extra}", _ONLY_SIDECAR)


def _validate_container(field: str, container: JsonObject, pod: PodContext) -> Iterator[FieldError]:
    name = text(container, "name")
    if name:
        yield from each(f"{field}.name", name, names.dns_label(name))
    else:
        yield required(f"{field}.name")
    if not text(container, "image"):
        yield required(f"{field}.image")
    yield from choice(
        f"{field}.terminationMessagePolicy", text(container, "terminationMessagePolicy"), _MESSAGE_POLICIES
    )
    yield from _validate_ports(f"{field}.ports", objects(container, "ports"))
    yield from validate_environment(field, container)
    yield from validate_mounts(field, container, pod.volumes)
    yield from validate_devices(field, container, pod.volumes)
    yield from choice(f"{field}.imagePullPolicy", text(container, "imagePullPolicy"), _PULL_POLICIES)
    yield from validate_resources(f"{field}.resources", mapping(container, "resources"))
    yield from _validate_resizing(f"{field}.resizePolicy", objects(container, "resizePolicy"), pod.restart_policy)
    context = mapping(container, "securityContext")
    yield from validate_container_security(f"{field}.securityContext", context, host_users=pod.host_users)


def _validate_resizing(field: str, policies: list[JsonObject], restart_policy: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, entry in enumerate(policies):
        resource, policy = text(entry, "resourceName"), text(entry, "restartPolicy")
        if resource in taken:
            yield duplicate(f"{field}[{index}]", resource)
        taken.add(resource)
        yield from choice(field, resource, RESIZABLE)
        yield from choice(field, policy, _RESIZE_POLICIES)
        if restart_policy == "Never" and policy != "NotRequired":
            yield invalid(field, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _validate_restarts(field: str, container: JsonObject) -> Iterator[FieldError]:
    policy, rules = container.get("restartPolicy"), objects(container, "restartPolicyRules")
    if policy is not None:
        yield from one_of(f"{field}.restartPolicy", policy, _RESTART_POLICIES)
    elif rules:
        yield required(f"{field}.restartPolicy", "must specify restartPolicy when restart rules are used")
    for index, rule in enumerate(rules):
        place, codes = f"{field}.restartPolicyRules[{index}]", rule.get("exitCodes")
        yield from choice(f"{place}.action", text(rule, "action"), _RULE_ACTIONS)
        if isinstance(codes, dict):
            yield from choice(f"{place}.exitCodes.operator", text(codes, "operator"), ("In", "NotIn"))
        else:
            yield required(f"{place}.exitCodes", "must be specified")


def _validate_ports(field: str, ports: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"{field}[{index}]", text(port, "name")
        problems = names.port_name(name) if name else []
        yield from each(f"{place}.name", name, problems)
        if name and not problems:
            if name in taken:
                yield duplicate(f"{place}.name", name)
            taken.add(name)
        if not number(port, "containerPort"):
            yield required(f"{place}.containerPort")
        for key in ("containerPort", "hostPort"):
            value = number(port, key)
            yield from each(f"{place}.{key}", value, names.port_number(value) if value else [])
        yield from choice(f"{place}.protocol", text(port, "protocol"), PROTOCOLS)


def _host_port_conflicts(field: str, containers: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(objects(container, "ports")):
            if not number(port, "hostPort"):
                continue
            key = f"{text(port, 'protocol')}/{text(port, 'hostIP')}/{number(port, 'hostPort')}"
            if key in taken:
                yield duplicate(f"{field}[{index}].ports[{position}].hostPort", key)
            taken.add(key)
