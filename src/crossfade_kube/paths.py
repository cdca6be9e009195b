"""URL paths and query strings of the Kubernetes API."""

from typing import Final
from urllib.parse import quote

from crossfade_kube.meta import Resource

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"


def path_of(
    resource: Resource, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    """`namespace` of a namespaced kind may be None for "all of them"; it is ignored for cluster-scoped kinds."""
    parts = ["/apis", resource.group, resource.version] if resource.group else ["/api", resource.version]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    if name is not None:
        if not name or (resource.namespaced and not namespace):
            raise ValueError(f"a {resource.kind} is addressed by {'namespace and ' if resource.namespaced else ''}name")
        parts.append(name)
    if subresource:
        parts.append(subresource)
    return "/".join(parts[:1] + [quote(part, safe=":") for part in parts[1:]])


def query_of(**parameters: str | int | bool | None) -> dict[str, str]:
    """Leaves out what is None or empty; snake case becomes the API's camel case, `True` becomes "true"."""
    return {
        _camel(key): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in parameters.items()
        if value is not None and value != ""
    }


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
