"""What the mesh compiler hands on: a proxy model per virtual node, and what became of every object."""

from collections.abc import Mapping

from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostic, Fault
from crossfade.compile.mesh.acm import UsedCertificate
from crossfade.compile.mesh.cloud_map import InstancesByName, Registration
from crossfade.compile.mesh.endpoints import EndpointsByCluster, SourcesByCluster
from crossfade.compile.mesh.zones import Zones
from crossfade.compile.model import Cluster, ProxyModel
from crossfade.compile.routing.routes import Destination, Route
from crossfade_kube.meta import ObjectRef


class ObjectState(Struct, frozen=True):
    """`message` says why the object is not active; it `waits` where nothing is wrong with the object itself.

    `note` is what the author of an active object should know all the same; `note_reason` says in one word what that is,
    where it is not something that is not carried out. `route_arns` only for a VirtualRouter.
    """

    arn: str
    is_active: bool
    message: str = ""
    note: str = ""
    note_reason: str = ""
    waits: bool = False
    route_arns: tuple[tuple[str, str], ...] = ()


class PortPlan(Struct, frozen=True):
    """What one virtual service does on one port, the same for every client.

    `routes` for the HTTP family, `destinations` for tcp; `clusters` are all that the two mention.
    """

    port: int
    protocol: str
    routes: tuple[Route, ...] = ()
    destinations: tuple[Destination, ...] = ()
    idle_timeout_s: float | None = None
    clusters: tuple[Cluster, ...] = ()


class ServicePlan(Struct, frozen=True):
    """`host` is the virtual service's awsName.

    No ports when nobody provides it: callers then use the ports of the Service that it is named after.
    """

    ref: ObjectRef
    host: str
    ports: tuple[PortPlan, ...] = ()
    service_ports: tuple[int, ...] = ()


class MeshModel(Struct, frozen=True):
    """`proxies` and their `owners` (VirtualNodes and VirtualGateways) by what their pods are told to be (`mesh/…`).

    An owner whose proxy could not be compiled (one of the `faults`) has no proxy: it keeps what it had. `sources` and
    `endpoints` are those of clusters that share them, by the mesh's awsName and the cluster. `registrations` are what
    nodes keep in Cloud Map, `instances` what that comes to. `zones` are those of pods; None where nobody prefers any.
    nodes keep in Cloud Map, `instances` what that comes to. Of `certificates` it is known when they end.
    """

    proxies: Mapping[str, ProxyModel]
    owners: Mapping[str, ObjectRef]
    states: Mapping[ObjectRef, ObjectState]
    diagnostics: tuple[Diagnostic, ...]
    faults: tuple[Fault, ...] = ()
    sources: Mapping[str, SourcesByCluster] = {}
    endpoints: Mapping[str, EndpointsByCluster] = {}
    registrations: tuple[Registration, ...] = ()
    instances: InstancesByName = {}
    zones: Zones | None = None
    certificates: tuple[UsedCertificate, ...] = ()
