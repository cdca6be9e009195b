"""Ingress of networking.k8s.io/v1 as v1beta1 shows it."""

from typing import Any

from crossfade_kube.meta import JsonObject


def ingress_v1beta1_from_v1(obj: JsonObject) -> JsonObject:
    """Without `apiVersion` changed: two groups have this form."""
    spec: JsonObject = dict(obj.get("spec") or {})
    backend = spec.pop("defaultBackend", None)
    if backend is not None:
        spec["backend"] = _backend(backend)
    if isinstance(spec.get("rules"), list):
        spec["rules"] = [_rule(rule) for rule in spec["rules"]]
    return {**obj, "spec": spec}


def _rule(rule: JsonObject) -> JsonObject:
    http = rule.get("http")
    if not isinstance(http, dict) or not isinstance(http.get("paths"), list):
        return rule
    paths = [{**path, "backend": _backend(path.get("backend") or {})} for path in http["paths"]]
    return {**rule, "http": {**http, "paths": paths}}


def _backend(backend: JsonObject) -> JsonObject:
    rest = {key: value for key, value in backend.items() if key != "service"}
    service: Any = backend.get("service")
    if not isinstance(service, dict):
        return rest
    port = service.get("port") or {}
    return {**rest, "serviceName": service.get("name", ""), "servicePort": port.get("name") or port.get("number", 0)}
