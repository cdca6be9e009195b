"""Copies of a virtual service's requests for another node, whose answers nobody waits for; App Mesh had none."""

import re
from typing import Final, NamedTuple

from crossfade.api.appmesh import VirtualNode, VirtualService
from crossfade.api.appmesh.values import ObjectReference, VirtualNodeTarget
from crossfade.api.bounds import Bounds, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.targets import node_cluster
from crossfade.compile.model import Cluster
from crossfade.compile.routing.routes import Mirror
from crossfade_kube.registry import typed_ref

MIRROR: Final = "crossfade.dev/mirror"
_FORM: Final = re.compile(r"(?:(?P<namespace>[^\s/]+)/)?(?P<name>[^\s/]+)(?:\s+(?P<percent>\d{1,9})%)?", re.ASCII)
_SHARE: Final = Bounds(1, 100, "%", is_amount=False)


class Mirroring(NamedTuple):
    mirror: Mirror
    cluster: Cluster


class WantedMirror(NamedTuple):
    """`service` is whose requests are copied."""

    service: VirtualService
    node: VirtualNode
    percent: int


def wanted_mirror(service: VirtualService, links: Links, diagnostics: Diagnostics) -> WantedMirror | None:
    """What cannot be kept is told."""
    text = service.metadata.annotations.get(MIRROR)
    if text is None:
        return None
    found = _wanted(text.strip(), service, links)
    if isinstance(found, WantedMirror):
        return found
    _tell(service, found, diagnostics)
    return None


def mirroring(
    wanted: WantedMirror, protocol: str, mesh: str, links: Links, diagnostics: Diagnostics
) -> Mirroring | None:
    """For a port that speaks `protocol`; `mesh` is the mesh's awsName. What cannot be kept is told."""
    found = _found(wanted, protocol, mesh, links)
    if isinstance(found, Mirroring):
        return found
    _tell(wanted.service, found, diagnostics)
    return None


def _tell(service: VirtualService, problem: Refusal, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(service),
        "service.mirror",
        problem.reason,
        effect="no request is copied",
        hint="write the name of a virtual node of the same protocol and a share of requests: `jazz-v2 10%`",
        field=f"metadata.annotations[{MIRROR}]",
    )


def _found(wanted: WantedMirror, protocol: str, mesh: str, links: Links) -> Mirroring | Refusal:
    key = wanted.node.metadata.key
    listeners = [one for one in wanted.node.spec.listeners if one.port_mapping.protocol == protocol]
    if len(listeners) != 1:
        return Refusal(f"virtualNode {key} has {len(listeners)} listeners that speak {protocol}, and one is needed")
    cluster = node_cluster(wanted.node, listeners[0], mesh, links)
    return cluster if isinstance(cluster, Refusal) else Mirroring(Mirror(cluster.name, wanted.percent), cluster)


def _wanted(text: str, service: VirtualService, links: Links) -> WantedMirror | Refusal:
    parts = _FORM.fullmatch(text)
    if parts is None:
        return Refusal(f"{text[:80]!a} is no node with a share of requests")
    percent = _SHARE.check(int(parts["percent"] or 100))
    if isinstance(percent, Misfit):
        return Refusal(percent.problem)
    target = VirtualNodeTarget(ObjectReference(parts["name"], parts["namespace"]))
    node = links.node(target, service.metadata.namespace)
    return node if isinstance(node, Refusal) else WantedMirror(service, node, percent)
