"""What is served, told to clients: the old lists per group and version, and aggregated discovery v2 and v2beta1."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.apiserver.wire.negotiation import media_ranges

_AGGREGATED: Final = ("v2", "v2beta1")


def aggregated_version(accept: str) -> str:
    """v2, v2beta1, or empty for the old form: whichever the client prefers."""
    for name, parameters in media_ranges(accept):
        if name in ("application/json", "*/*"):
            version = parameters.get("v", "")
            if parameters.get("as") == "APIGroupDiscoveryList" and version in _AGGREGATED:
                return version
            if not parameters:
                return ""
    return ""


def aggregated(registry: Registry, *, core: bool, version: str) -> JsonObject:
    items = [
        _aggregated_group(registry, group, versions)
        for group, versions in registry.groups().items()
        if (group == "") == core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def aggregated_content_type(version: str) -> str:
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def _aggregated_group(registry: Registry, group: str, versions: list[str]) -> JsonObject:
    found = [
        {
            "version": version,
            "resources": [_aggregated_resource(entry) for entry in _sorted(registry.in_version(group, version))],
            "freshness": "Current",
        }
        for version in versions
    ]
    return {"metadata": {"name": group, "creationTimestamp": None} if group else {}, "versions": found}


def _aggregated_resource(entry: ResourceType) -> JsonObject:
    result: JsonObject = {
        "resource": entry.plural,
        "responseKind": _gvk(entry.group, entry.version, entry.kind),
        "scope": "Namespaced" if entry.namespaced else "Cluster",
        "singularResource": entry.singular,
        "verbs": list(entry.verbs),
    }
    if entry.short_names:
        result["shortNames"] = list(entry.short_names)
    if entry.categories:
        result["categories"] = list(entry.categories)
    if entry.subresources:
        result["subresources"] = [
            {"subresource": sub.name, "responseKind": _gvk(sub.group, sub.version, sub.kind), "verbs": list(sub.verbs)}
            for sub in entry.subresources.values()
        ]
    return result


def _gvk(group: str, version: str, kind: str) -> JsonObject:
    return {"group": group, "version": version, "kind": kind}


def core_versions(server: str) -> JsonObject:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    }


def group_list(registry: Registry) -> JsonObject:
    groups = [_group(group, versions) for group, versions in registry.groups().items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> JsonObject | None:
    versions = registry.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions and name else None


def _group(name: str, versions: list[str]) -> JsonObject:
    found = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": found, "preferredVersion": found[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> JsonObject | None:
    entries = registry.in_version(group_name, version)
    if not entries:
        return None
    resources: list[Mapping[str, Any]] = []
    for entry in _sorted(entries):
        resources.append(_legacy_resource(entry))
        resources += _legacy_subresources(entry)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{version}" if group_name else version,
        "resources": resources,
    }


def _sorted(entries: list[ResourceType]) -> list[ResourceType]:
    return sorted(entries, key=lambda entry: entry.plural)


def _legacy_resource(entry: ResourceType) -> JsonObject:
    result: JsonObject = {
        "name": entry.plural,
        "singularName": entry.singular,
        "namespaced": entry.namespaced,
        "kind": entry.kind,
        "verbs": list(entry.verbs),
    }
    if entry.short_names:
        result["shortNames"] = list(entry.short_names)
    if entry.categories:
        result["categories"] = list(entry.categories)
    if len(entry.verbs) > 1:
        result["storageVersionHash"] = _storage_version_hash(entry)
    return result


def _storage_version_hash(entry: ResourceType) -> str:
    """Tells clients when objects are stored in another version than before."""
    digest = hashlib.sha256("/".join(entry.storage_gvk).encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _legacy_subresources(entry: ResourceType) -> list[JsonObject]:
    found: list[JsonObject] = []
    for sub in entry.subresources.values():
        row: JsonObject = {
            "name": f"{entry.plural}/{sub.name}",
            "singularName": "",
            "namespaced": entry.namespaced,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }
        if (sub.group, sub.version) != (entry.group, entry.version):
            row |= {"group": sub.group, "version": sub.version}
        found.append(row)
    return found
