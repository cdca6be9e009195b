"""What lets people see what the proxies of one namespace count, or those of all: `crossfade top` and `graph`."""

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.compile.mesh.compiler import ROUTING_KINDS
from crossfade.install.rbac import granted, people, rule
from crossfade_kube.core import EndpointSlice, Secret
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import TypedObject

_NAME: Final = "crossfade-top"


def top_manifests(namespace: str | None, groups: Sequence[str], users: Sequence[str]) -> list[JsonObject]:
    """Without a namespace, of all, with what the objects of meshes declare; Secrets are not among them."""
    pages = [rule("", "pods", "list"), rule("", "pods/proxy", "get")]
    rules = pages if namespace else [*pages, *_declared()]
    return granted(namespace, _NAME, rules, people(groups, users))


def _declared() -> Iterator[JsonObject]:
    by_group: dict[str, list[str]] = {}
    kinds: tuple[type[TypedObject], ...] = (EndpointSlice, *ROUTING_KINDS)
    for kind in kinds:
        if kind is not Secret:
            by_group.setdefault(kind.RESOURCE.group, []).append(kind.RESOURCE.plural)
    for group, plurals in sorted(by_group.items()):
        yield rule(group, sorted(plurals), "list")
