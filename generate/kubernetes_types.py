"""Makes `kubernetes.json.gz`: the schemas of the built-in kinds which the embedded API server serves.

Source: the definitions in the `kubernetes-validate` package. That package rewrites them for JSON Schema (types with
`null`, `$defs`, enums of apiVersion and kind); here they are put back to what an API server publishes.
"""

import gzip
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

OUTPUT: Final = "kubernetes.json.gz"
RELEASE: Final = "v1.36.0"
"""The Kubernetes that the server says it is."""
FORMAT: Final = 4
"""Raised when the shape of the output or what is in it changes, so that an older file is made anew."""

GROUP_VERSIONS: Final = (
    ("", "v1"),
    ("admissionregistration.k8s.io", "v1"),
    ("apiextensions.k8s.io", "v1"),
    ("apiregistration.k8s.io", "v1"),
    ("apps", "v1"),
    ("authentication.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
    ("autoscaling", "v1"),
    ("autoscaling", "v2"),
    ("batch", "v1"),
    ("certificates.k8s.io", "v1"),
    ("coordination.k8s.io", "v1"),
    ("discovery.k8s.io", "v1"),
    ("events.k8s.io", "v1"),
    ("networking.k8s.io", "v1"),
    ("node.k8s.io", "v1"),
    ("policy", "v1"),
    ("rbac.authorization.k8s.io", "v1"),
    ("scheduling.k8s.io", "v1"),
    ("storage.k8s.io", "v1"),
)
_REF_FROM: Final = "#/$defs/"
_REF_TO: Final = "#/components/schemas/"
_GVK: Final = "x-kubernetes-group-version-kind"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
# Defaults that the keys of list maps need (`+default` in the Go types); the source leaves them out.
_KEY_DEFAULTS: Final = {
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
}
_ZERO: Final = {"string": "", "integer": 0}
_ALSO: Final = (
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
)


def generate(target: Path) -> None:
    """Write the file into `target`, unless one of the same source and format is there."""
    source = _definitions()
    output = target / OUTPUT
    stamp = {"format": FORMAT, "source": source.parent.name, "size": source.stat().st_size}
    if output.exists() and _stamp_of(output) == stamp:
        return
    definitions = json.loads(source.read_text())["$defs"]
    content = {"stamp": stamp, "kinds": _kinds(definitions), "definitions": _closure(definitions)}
    target.mkdir(parents=True, exist_ok=True)
    part = output.with_suffix(".part")
    part.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 9, mtime=0))
    part.replace(output)


def _definitions() -> Path:
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise SystemExit("generate: the package kubernetes-validate is not installed; run `make setup`")
    folder = Path(spec.origin).parent / "kubernetes-json-schema"
    return folder / f"{RELEASE}-local" / "_definitions.json"


def _stamp_of(output: Path) -> Any:
    try:
        return json.loads(gzip.decompress(output.read_bytes()))["stamp"]
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _kinds(definitions: dict[str, Any]) -> dict[str, str]:
    """`group/version/Kind` → name of its definition."""
    return {
        f"{gvk['group']}/{gvk['version']}/{gvk['kind']}": name
        for name, schema in definitions.items()
        for gvk in schema.get(_GVK) or ()
        if (gvk["group"], gvk["version"]) in GROUP_VERSIONS and not name.startswith("io.k8s.apimachinery.")
    }


def _closure(definitions: dict[str, Any]) -> dict[str, Any]:
    todo = sorted({*_kinds(definitions).values(), *_ALSO} & definitions.keys())
    done: dict[str, Any] = {}
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done[name] = _published(name, definitions[name])
        todo += sorted(ref.removeprefix(_REF_TO) for ref in _references(done[name]))
    for schema in done.values():
        for field in schema.get("properties", {}).values():
            _default_keys(field, done)
    return dict(sorted(done.items()))


def _default_keys(field: dict[str, Any], definitions: dict[str, Any]) -> None:
    """What must be given has its type's zero value in Go where it is not, by which lists of maps find it too."""
    items = (field.get("items") or {}).get("$ref", "").removeprefix(_REF_TO)
    for key in field.get("x-kubernetes-list-map-keys") or ():
        found = definitions[items]["properties"][key]
        if key in definitions[items].get("required", ()) and found.get("type") in _ZERO:
            found.setdefault("default", _ZERO[found["type"]])


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _published(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if name == _INT_OR_STRING:
        return {"type": "string", "format": "int-or-string", **_described(schema)}
    if name == _QUANTITY:
        return {"type": "string", **_described(schema)}
    result = _restored(schema)
    for field in ("apiVersion", "kind"):
        result.get("properties", {}).get(field, {}).pop("enum", None)
    for (owner, field), default in _KEY_DEFAULTS.items():
        if owner == name:
            result["properties"][field]["default"] = default
    if schema.get(_GVK):
        result[_GVK] = [gvk for gvk in schema[_GVK] if (gvk["group"], gvk["version"]) in GROUP_VERSIONS]
    return result


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": schema["description"]} if "description" in schema else {}


def _restored(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the additions for JSON Schema. A property may itself be named `type` or `$ref`."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: _restored(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _restored(value)
        elif key == "type" and isinstance(value, list):
            result[key] = next(kind for kind in value if kind != "null")
        elif key == "$ref":
            result[key] = value.replace(_REF_FROM, _REF_TO)
        else:
            result[key] = value
    return result
