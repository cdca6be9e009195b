"""Validation of Ingress and IngressClass (networking.k8s.io/v1)."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.services import validate_load_balancer_ingress
from crossfade_local.values.fields import at, mapping, number, objects, sequence, text

_CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES: Final = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS: Final = ("/..", "/.")
_MAX_CONTROLLER: Final = 250


def validate_ingress(obj: JsonObject) -> Iterator[FieldError]:
    yield from validate_ingress_spec(obj)
    annotation = mapping(obj, "metadata", "annotations").get(_CLASS_ANNOTATION)
    name = at(obj, "spec", "ingressClassName")
    if annotation is not None and name is not None and annotation != name:
        said = "must match `ingressClassName` when both are specified"
        yield invalid(f"annotations.{_CLASS_ANNOTATION}", annotation, said)


def validate_ingress_spec(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    default, rules = spec.get("defaultBackend"), objects(spec, "rules")
    if not rules and default is None:
        yield invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if isinstance(default, dict):
        yield from _validate_backend("spec.defaultBackend", default)
    for index, rule in enumerate(rules):
        yield from _validate_rule(f"spec.rules[{index}]", rule)
    for index, tls in enumerate(objects(spec, "tls")):
        for place, host in enumerate(sequence(tls, "hosts")):
            yield from _validate_host(f"spec.tls[{index}].hosts[{place}]", str(host))
        secret = text(tls, "secretName")
        yield from each(f"spec.tls[{index}].secretName", secret, names.dns_subdomain(secret) if secret else [])
    name = spec.get("ingressClassName")
    if isinstance(name, str):
        yield from each("spec.ingressClassName", name, names.dns_subdomain(name))


def validate_ingress_status_update(new: JsonObject, _old: JsonObject) -> Iterator[FieldError]:
    ingress = objects(new, "status", "loadBalancer", "ingress")
    yield from validate_load_balancer_ingress("status.loadBalancer.ingress", ingress)


def validate_ingress_class(obj: JsonObject) -> Iterator[FieldError]:
    controller = text(obj, "spec", "controller")
    if len(controller) > _MAX_CONTROLLER:
        yield too_long("spec.controller", _MAX_CONTROLLER)
    domain, _, path = controller.partition("/")
    if not controller:
        yield required("spec.controller")
    elif not domain or not path:
        said = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield invalid("spec.controller", controller, said)
    else:
        yield from each("spec.controller", domain, names.dns_subdomain(domain))
    parameters = at(obj, "spec", "parameters")
    if isinstance(parameters, dict):
        yield from _validate_parameters(parameters)


def validate_ingress_class_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("spec.controller", text(new, "spec", "controller"), text(old, "spec", "controller"))


def _validate_parameters(parameters: JsonObject) -> Iterator[FieldError]:
    field, scope, namespace = "spec.parameters", parameters.get("scope"), parameters.get("namespace")
    yield from _validate_referred(field, parameters)
    if isinstance(namespace, str) and scope == "Namespace":
        yield from each(f"{field}.namespace", namespace, names.label_name(namespace, False))
    if scope is None:
        yield required(f"{field}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{field}.scope", scope, ("Cluster", "Namespace"))
    if scope == "Namespace" and namespace is None:
        yield required(f"{field}.namespace", "`parameters.scope` is set to 'Namespace'")
    if scope == "Cluster" and namespace is not None:
        yield forbidden(f"{field}.namespace", "`parameters.scope` is set to 'Cluster'")


def _validate_referred(field: str, reference: JsonObject) -> Iterator[FieldError]:
    """An object of any kind, in this namespace or in none."""
    group = reference.get("apiGroup")
    if isinstance(group, str):
        yield from each(f"{field}.apiGroup", group, names.dns_subdomain(group))
    for name in ("kind", "name"):
        value = text(reference, name)
        if value:
            yield from each(f"{field}.{name}", value, names.path_segment_name(value, False))
        else:
            yield required(f"{field}.{name}")


def _validate_host(field: str, host: str) -> Iterator[FieldError]:
    yield from each(field, host, names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host))


def _validate_rule(field: str, rule: JsonObject) -> Iterator[FieldError]:
    host = text(rule, "host")
    if host:
        if names.is_ip(host):
            yield invalid(f"{field}.host", host, "must be a DNS name, not an IP address")
        yield from _validate_host(f"{field}.host", host)
    http = rule.get("http")
    if not isinstance(http, dict):
        return
    paths = objects(http, "paths")
    if not paths:
        yield required(f"{field}.http.paths")
    for index, path in enumerate(paths):
        yield from _validate_path(f"{field}.http.paths[{index}]", path)


def _validate_path(field: str, entry: JsonObject) -> Iterator[FieldError]:
    kind, path = entry.get("pathType"), text(entry, "path")
    if kind is None:
        yield required(f"{field}.pathType", "pathType must be specified")
        return
    if kind in ("Exact", "Prefix"):
        if not path.startswith("/"):
            yield invalid(f"{field}.path", path, "must be an absolute path")
        for part in _BAD_SEQUENCES:
            if part in path:
                yield invalid(f"{field}.path", path, f"must not contain '{part}'")
        for end in _BAD_ENDS:
            if path.endswith(end):
                yield invalid(f"{field}.path", path, f"cannot end with '{end}'")
    elif kind == "ImplementationSpecific":
        if path and not path.startswith("/"):
            yield invalid(f"{field}.path", path, "must be an absolute path")
    else:
        yield not_supported(f"{field}.pathType", kind, _PATH_TYPES)
    yield from _validate_backend(f"{field}.backend", mapping(entry, "backend"))


def _validate_backend(field: str, backend: JsonObject) -> Iterator[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(field, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _validate_referred(f"{field}.resource", resource)
    elif isinstance(service, dict):
        yield from _validate_backend_service(field, service)
    else:
        yield invalid(field, "", "resource or service backend is required")


def _validate_backend_service(field: str, service: JsonObject) -> Iterator[FieldError]:
    name = text(service, "name")
    if name:
        yield from each(f"{field}.service.name", name, names.dns_label(name))
    else:
        yield required(f"{field}.service.name")
    port, port_name = number(service, "port", "number"), text(service, "port", "name")
    if port and port_name:
        yield invalid(field, "", "cannot set both port name & port number")
    elif port_name:
        yield from each(f"{field}.service.port.name", port_name, names.port_name(port_name))
    elif port:
        yield from each(f"{field}.service.port.number", port, names.port_number(port))
    else:
        yield required(field, "port name or number is required")
