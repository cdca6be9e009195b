"""Validation of containers and init containers."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.environment import validate_environment
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.probes import validate_lifecycle, validate_probes
from crossfade_local.apiserver.validation.shapes import NEGATIVE
from crossfade_local.apiserver.validation.volumes import relative_path
from crossfade_local.quantity import QuantityError, canonical, parse
from crossfade_local.values.fields import at, flag, mapping, number, objects, text

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
RESIZABLE: Final = ("cpu", "memory")
_RESIZE_POLICIES: Final = ("NotRequired", "RestartContainer")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_ONLY_SIDECAR: Final = "may not be set for init containers without restartPolicy=Always"


def validate_containers(
    field: str, containers: list[JsonObject], volumes: set[str], grace_period: int
) -> Iterator[FieldError]:
    if not containers:
        yield required(field)
        return
    taken: set[str] = set()
    for index, container in enumerate(containers):
        place, name = f"{field}[{index}]", text(container, "name")
        yield from _validate_container(place, container, volumes)
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)
        yield from validate_lifecycle(f"{place}.lifecycle", mapping(container, "lifecycle"), grace_period)
        yield from validate_probes(place, container, grace_period)
        # Restart policies of single containers are a feature that is on by default since 1.35.
        policy = container.get("restartPolicy")
        if policy is not None and policy not in ("Always", "Never", "OnFailure"):
            yield not_supported(f"{place}.restartPolicy", policy, ("Always", "Never", "OnFailure"))
    yield from _host_port_conflicts(field, containers)


def validate_init_containers(
    field: str, containers: list[JsonObject], regular: list[JsonObject], volumes: set[str], grace_period: int
) -> Iterator[FieldError]:
    taken = {text(container, "name") for container in regular}
    for index, container in enumerate(containers):
        place, name = f"{field}[{index}]", text(container, "name")
        yield from _validate_container(place, container, volumes)
        if name in taken:
            yield duplicate(f"{place}.name", name)
        elif name:
            taken.add(name)
        yield from _host_port_conflicts(field, [container])
        if container.get("restartPolicy") == "Always":
            yield from validate_lifecycle(f"{place}.lifecycle", mapping(container, "lifecycle"), grace_period)
            yield from validate_probes(place, container, grace_period)
            continue
        for extra in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(extra) is not None:
                yield forbidden(f"{place}.{extra}", _ONLY_SIDECAR)


def _validate_container(field: str, container: JsonObject, volumes: set[str]) -> Iterator[FieldError]:
    name = text(container, "name")
    if name:
        yield from each(f"{field}.name", name, names.dns_label(name))
    else:
        yield required(f"{field}.name")
    if not text(container, "image"):
        yield required(f"{field}.image")
    yield from _choice(
        f"{field}.terminationMessagePolicy", text(container, "terminationMessagePolicy"), _MESSAGE_POLICIES
    )
    yield from _validate_ports(f"{field}.ports", objects(container, "ports"))
    yield from validate_environment(field, container)
    yield from _validate_mounts(f"{field}.volumeMounts", objects(container, "volumeMounts"), volumes)
    yield from _choice(f"{field}.imagePullPolicy", text(container, "imagePullPolicy"), _PULL_POLICIES)
    yield from validate_resources(f"{field}.resources", mapping(container, "resources"))
    yield from _validate_security(f"{field}.securityContext", mapping(container, "securityContext"))


def validate_resize_policies(field: str, containers: list[JsonObject], policy: str) -> Iterator[FieldError]:
    """`policy` is by what the pod's containers are started again."""
    for index, container in enumerate(containers):
        taken: set[str] = set()
        for position, one in enumerate(objects(container, "resizePolicy")):
            place, name = f"{field}[{index}].resizePolicy[{position}]", text(one, "resourceName")
            yield from _choice(f"{place}.resourceName", name, RESIZABLE)
            yield from _choice(f"{place}.restartPolicy", text(one, "restartPolicy"), _RESIZE_POLICIES)
            if name in taken:
                yield duplicate(f"{place}.resourceName", name)
            taken.add(name)
            if policy == "Never" and text(one, "restartPolicy") == "RestartContainer":
                said = "must be 'NotRequired' when `restartPolicy` is 'Never'"
                yield invalid(f"{place}.restartPolicy", "RestartContainer", said)


def _choice(field: str, value: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    if not value:
        yield required(field)
    elif value not in supported:
        yield not_supported(field, value, supported)


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
        yield from _choice(f"{place}.protocol", text(port, "protocol"), PROTOCOLS)


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


def _validate_mounts(field: str, mounts: list[JsonObject], volumes: set[str]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        place, name, path = f"{field}[{index}]", text(mount, "name"), text(mount, "mountPath")
        if not name:
            yield required(f"{place}.name")
        if name not in volumes:
            yield not_found(f"{place}.name", name)
        if not path:
            yield required(f"{place}.mountPath")
        if path in taken:
            yield invalid(f"{place}.mountPath", path, "must be unique")
        taken.add(path)
        # Kubernetes reports these two at the list, without an index.
        if text(mount, "subPath"):
            yield from relative_path(f"{field}.subPath", text(mount, "subPath"))
        if text(mount, "subPathExpr"):
            if text(mount, "subPath"):
                said = "subPathExpr and subPath are mutually exclusive"
                yield invalid(f"{place}.subPathExpr", text(mount, "subPathExpr"), said)
            yield from relative_path(f"{field}.subPathExpr", text(mount, "subPathExpr"))


def validate_resources(field: str, resources: JsonObject) -> Iterator[FieldError]:
    limits, requests = mapping(resources, "limits"), mapping(resources, "requests")
    for name in sorted(limits):
        yield from _validate_amount(f"{field}.limits", name, limits[name])
    for name in sorted(requests):
        place = f"{field}.requests"
        errors = list(_validate_amount(place, name, requests[name]))
        yield from errors
        if errors:
            continue
        overcommit = name in _RESOURCES
        if name not in limits:
            if not overcommit:
                yield required(f"{field}.limits", "Limit must be set for non overcommitable resources")
            continue
        request, limit = parse(requests[name]), parse(limits[name])
        if request != limit and not overcommit:
            said = f"must be equal to {name} limit of {canonical(limits[name])}"
            yield invalid(place, canonical(requests[name]), said)
        elif request > limit:
            said = f"must be less than or equal to {name} limit of {canonical(limits[name])}"
            yield invalid(place, canonical(requests[name]), said)


def _validate_amount(field: str, name: str, amount: object) -> Iterator[FieldError]:
    problems = names.qualified_name(name)
    yield from each(field, name, problems)
    if not problems and "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
        yield invalid(field, name, "must be a standard resource type or fully qualified")
        yield invalid(field, name, "must be a standard resource for containers")
    try:
        if parse(amount) < 0:
            yield invalid(field, canonical(amount), NEGATIVE)
    except QuantityError as error:
        yield invalid(field, amount, str(error))


def _validate_security(field: str, context: JsonObject) -> Iterator[FieldError]:
    for name in ("runAsUser", "runAsGroup"):
        value = context.get(name)
        if isinstance(value, int):
            yield from each(f"{field}.{name}", value, names.user_id(value))
    if at(context, "allowPrivilegeEscalation") is False:
        if flag(context, "privileged"):
            yield invalid(field, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if "CAP_SYS_ADMIN" in (mapping(context, "capabilities").get("add") or ()):
            said = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(field, context, said)
