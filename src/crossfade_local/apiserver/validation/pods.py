"""Validation of pods and pod templates on create."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.containers import (
    PodContext,
    validate_containers,
    validate_init_containers,
)
from crossfade_local.apiserver.validation.errors import FieldError, each, forbidden, invalid, required
from crossfade_local.apiserver.validation.metadata import validate_annotations, validate_labels, validate_metadata
from crossfade_local.apiserver.validation.scheduling import (
    validate_affinity,
    validate_gates,
    validate_spreading,
    validate_tolerations,
)
from crossfade_local.apiserver.validation.security_contexts import validate_host_users, validate_pod_security
from crossfade_local.apiserver.validation.shapes import choice, one_of
from crossfade_local.apiserver.validation.volumes import validate_volumes
from crossfade_local.values.fields import flag, mapping, number, objects, sequence, text

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_INT32: Final = 2**31 - 1
_MAX_NAMESERVERS, _MAX_SEARCHES, _MOST_SEARCH_CHARACTERS = 3, 32, 2048
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
_SYSTEMS: Final = ("linux", "windows")


def validate_pod(pod: JsonObject) -> Iterator[FieldError]:
    yield from validate_pod_as_it_is(pod)
    spec = mapping(pod, "spec")
    if objects(spec, "ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if text(spec, "nodeName") and objects(spec, "schedulingGates"):
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def validate_pod_as_it_is(pod: JsonObject) -> Iterator[FieldError]:
    """Everything that holds for a pod whether it is new or changed."""
    yield from validate_metadata(pod, namespaced=True, name_check=names.subdomain_name)
    spec = mapping(pod, "spec")
    yield from validate_pod_spec("spec", spec, text(pod, "metadata", "name"))
    for name in ("containers", "initContainers"):
        for index, container in enumerate(objects(spec, name)):
            image = text(container, "image")
            if image != image.strip():
                yield invalid(f"spec.{name}[{index}].image", image, "must not have leading or trailing whitespace")


def validate_template(field: str, template: JsonObject) -> Iterator[FieldError]:
    """A pod template; label errors are reported at the template itself, as Kubernetes does."""
    yield from validate_labels(mapping(template, "metadata", "labels"), f"{field}.labels")
    yield from validate_annotations(mapping(template, "metadata", "annotations"), f"{field}.annotations")
    spec = mapping(template, "spec")
    yield from validate_pod_spec(f"{field}.spec", spec, None)
    if objects(spec, "ephemeralContainers"):
        yield forbidden(f"{field}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def validate_pod_spec(field: str, spec: JsonObject, pod_name: str | None) -> Iterator[FieldError]:
    """`pod_name` is None in a template."""
    volumes, errors = validate_volumes(f"{field}.volumes", objects(spec, "volumes"), pod_name)
    yield from errors
    pod = PodContext(
        volumes=volumes,
        grace_period=number(spec, "terminationGracePeriodSeconds"),
        restart_policy=text(spec, "restartPolicy"),
        host_users=spec.get("hostUsers") is not False,
    )
    containers = objects(spec, "containers")
    yield from validate_containers(f"{field}.containers", containers, pod)
    yield from validate_init_containers(f"{field}.initContainers", objects(spec, "initContainers"), containers, pod)
    yield from _validate_host_network(f"{field}.containers", spec, is_pod=pod_name is not None)
    yield from choice(f"{field}.restartPolicy", text(spec, "restartPolicy"), RESTART_POLICIES)
    yield from choice(f"{field}.dnsPolicy", text(spec, "dnsPolicy"), _DNS_POLICIES)
    yield from validate_labels(mapping(spec, "nodeSelector"), f"{field}.nodeSelector")
    yield from validate_pod_security(field, spec)
    yield from validate_affinity(f"{field}.affinity", mapping(spec, "affinity"))
    yield from _validate_dns(f"{field}.dnsConfig", spec)
    yield from _validate_readiness_gates(f"{field}.readinessGates", objects(spec, "readinessGates"))
    yield from validate_gates(f"{field}.schedulingGates", objects(spec, "schedulingGates"))
    yield from validate_spreading(f"{field}.topologySpreadConstraints", objects(spec, "topologySpreadConstraints"))
    yield from validate_host_users(field, spec)
    yield from _validate_names(field, spec)
    yield from validate_tolerations(f"{field}.tolerations", objects(spec, "tolerations"))
    yield from _validate_host_aliases(f"{field}.hostAliases", objects(spec, "hostAliases"))
    for name in ("priorityClassName", "runtimeClassName"):
        value = text(spec, name)
        yield from each(f"{field}.{name}", value, names.dns_subdomain(value) if value else [])
    if spec.get("preemptionPolicy") is not None:
        yield from choice(f"{field}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION_POLICIES)
    yield from _validate_system(field, spec)


def _validate_system(field: str, spec: JsonObject) -> Iterator[FieldError]:
    system = spec.get("os")
    if isinstance(system, dict):
        name = text(system, "name")
        if not name:
            yield required(f"{field}.os.name")
        else:
            yield from one_of(f"{field}.os", name, _SYSTEMS)


def _validate_host_network(field: str, spec: JsonObject, *, is_pod: bool) -> Iterator[FieldError]:
    if not flag(spec, "hostNetwork"):
        return
    for index, container in enumerate(objects(spec, "containers")):
        for position, port in enumerate(objects(container, "ports")):
            host = number(port, "hostPort")
            if (is_pod or host) and host != number(port, "containerPort"):
                said = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{field}[{index}].ports[{position}].hostPort", host, said)


def _validate_dns(field: str, spec: JsonObject) -> Iterator[FieldError]:
    config = spec.get("dnsConfig")
    servers = sequence(config, "nameservers")
    if text(spec, "dnsPolicy") == "None":
        if config is None:
            yield required(field, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not servers:
            said = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{field}.nameservers", said)
            return
    if len(servers) > _MAX_NAMESERVERS:
        yield invalid(f"{field}.nameservers", servers, f"must not have more than {_MAX_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from each(f"{field}.nameservers[{index}]", server, names.ip_address(server))
    searches = [search or "" for search in sequence(config, "searches")]
    if len(searches) > _MAX_SEARCHES:
        yield invalid(f"{field}.searches", searches, f"must not have more than {_MAX_SEARCHES} search paths")
    if len(" ".join(searches)) > _MOST_SEARCH_CHARACTERS:
        said = f"must not have more than {_MOST_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield invalid(f"{field}.searches", searches, said)
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            yield from each(f"{field}.searches[{index}]", domain, names.dns_subdomain_with_underscore(domain))
    for index, option in enumerate(objects(config, "options")):
        if not text(option, "name"):
            yield required(f"{field}.options[{index}]", "must not be empty")


def _validate_readiness_gates(field: str, gates: list[JsonObject]) -> Iterator[FieldError]:
    for index, gate in enumerate(gates):
        name = text(gate, "conditionType")
        yield from each(f"{field}[{index}].conditionType", name, names.qualified_name(name))


def _validate_names(field: str, spec: JsonObject) -> Iterator[FieldError]:
    for name in ("serviceAccountName", "nodeName"):
        value = text(spec, name)
        yield from each(f"{field}.{name}", value, names.dns_subdomain(value) if value else [])
    deadline = spec.get("activeDeadlineSeconds")
    if isinstance(deadline, int):
        yield from each(f"{field}.activeDeadlineSeconds", deadline, names.in_range(deadline, 1, _MAX_INT32))
    for name in ("hostname", "subdomain"):
        value = text(spec, name)
        yield from each(f"{field}.{name}", value, names.dns_label(value) if value else [])


def _validate_host_aliases(field: str, aliases: list[JsonObject]) -> Iterator[FieldError]:
    for index, alias in enumerate(aliases):
        address = text(alias, "ip")
        yield from each(f"{field}[{index}].ip", address, names.ip_address(address))
        for position, hostname in enumerate(sequence(alias, "hostnames")):
            yield from each(f"{field}[{index}].hostnames[{position}]", hostname, names.dns_subdomain(str(hostname)))
