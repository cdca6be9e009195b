"""A CustomResourceDefinition around the schemas of one kind (appmesh.md §1.1)."""

from crossfade.api.appmesh.values import GROUP, VERSION
from crossfade_kube.meta import JsonObject, Resource


def definition(resource: Resource, *, spec: JsonObject, status: JsonObject, arn_field: str | None) -> JsonObject:
    """`arn_field` names the status field that `kubectl get` shows; None keeps the server's own columns."""
    names: JsonObject = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
    }
    if resource.namespaced:
        names["categories"] = ["all"]
    version: JsonObject = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
            }
        },
    }
    if arn_field is not None:
        version["additionalPrinterColumns"] = [
            {"name": "ARN", "type": "string", "jsonPath": f".status.{arn_field}"},
            {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [version],
        },
    }
