"""Ingress of `extensions/v1beta1` and `networking.k8s.io/v1beta1` → `networking.k8s.io/v1`, on plain JSON."""

from typing import Any

from crossfade_kube.meta import JsonObject


def ingress_v1_from_v1beta1(obj: JsonObject) -> JsonObject:
    """A new object; what both versions share is taken as it stands (kong.md §1.1)."""
    spec: JsonObject = dict(obj.get("spec") or {})
    backend = spec.pop("backend", None)
    if backend is not None:
        spec["defaultBackend"] = _backend(backend)
    if isinstance(spec.get("rules"), list):
        spec["rules"] = [_rule(rule) for rule in spec["rules"]]
    return {**obj, "apiVersion": "networking.k8s.io/v1", "spec": spec}


def _rule(rule: Any) -> Any:
    http = rule.get("http") if isinstance(rule, dict) else None
    if not isinstance(http, dict) or not isinstance(http.get("paths"), list):
        return rule
    return {**rule, "http": {**http, "paths": [_path(path) for path in http["paths"]]}}


def _path(path: Any) -> Any:
    if not isinstance(path, dict):
        return path
    converted = {**path, "pathType": path.get("pathType") or "ImplementationSpecific"}
    if "backend" in path:
        converted["backend"] = _backend(path["backend"])
    return converted


def _backend(backend: Any) -> Any:
    """Numeric ports are numbers, others names, also when a number was written as text."""
    if not isinstance(backend, dict) or "serviceName" not in backend:
        return backend
    port = backend.get("servicePort")
    is_number = isinstance(port, int) or (isinstance(port, str) and port.isdigit())
    converted: JsonObject = {"name": backend["serviceName"]}
    if port is not None:
        converted["port"] = {"number": int(port)} if is_number else {"name": str(port)}
    rest = {key: value for key, value in backend.items() if key not in ("serviceName", "servicePort")}
    return {**rest, "service": converted}
