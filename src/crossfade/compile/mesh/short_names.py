"""Shorter names of virtual services that are named after a Service of the cluster, where a mesh wants them.

App Mesh knew the whole awsName alone (appmesh.md §0 D3).
"""

from collections.abc import Iterable, Mapping

from crossfade.compile.mesh.service_names import service_key


def short_names(host: str, namespace: str, domain: str) -> tuple[str, ...]:
    """What a pod of `namespace` can call `host` as well: what its resolver would complete to the same Service."""
    key = service_key(host, domain)
    if key is None:
        return ()
    name = f"{key.name}.{key.namespace}"
    local = (key.name,) if key.namespace == namespace else ()
    found = (*local, name, f"{name}.svc", f"{name}.svc.{domain.strip('.')}")
    return tuple(one for one in found if one.lower() != host.lower())


def added_domains(hosts: Iterable[str], port: int, namespace: str, domain: str) -> Mapping[str, tuple[str, ...]]:
    """By host. A name that another host has is that one's; one that two could have is the first one's."""
    own = list(hosts)
    taken = {one for host in own for one in _with_port(host, port)}
    found: dict[str, tuple[str, ...]] = {}
    for host in own:
        free = tuple(name for name in short_names(host, namespace, domain) if taken.isdisjoint(_with_port(name, port)))
        taken.update(one for name in free for one in _with_port(name, port))
        found[host] = tuple(one for name in free for one in (name, f"{name}:{port}"))
    return found


def _with_port(name: str, port: int) -> tuple[str, str]:
    """As Envoy compares them."""
    return name.lower(), f"{name.lower()}:{port}"
