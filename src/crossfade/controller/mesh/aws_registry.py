"""Keeps Cloud Map of AWS equal to what the mesh's nodes register, and learns what others have registered there.

Only the leading controller writes. What it takes away is what its nodes have registered: an instance that names one
of them in its attributes. Others' instances are left alone, and are found by callers like pods.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from crossfade.api.bounds import is_ip_address
from crossfade.compile.mesh.cloud_map import MESH_ATTRIBUTE, CloudMapName, Instance, InstancesByName, Registration
from crossfade.controller.mesh.aws_cloud_map import AwsCloudMap, AwsError, AwsNamespace
from crossfade_kube.backoff import Backoff
from crossfade_kube.logging import EventLog

_NODE: Final = "appmesh.k8s.aws/virtualNode"
_POLL_S: Final = 5.0
_REQUEUE_S: Final = 10.0
_PAUSES_S: Final = (1.0, 60.0)
_Owner = tuple[str, str]


def owner_of(attributes: Mapping[str, str]) -> _Owner:
    """Mesh and virtual node that registered an instance; empty for an instance of others."""
    return attributes.get(MESH_ATTRIBUTE, ""), attributes.get(_NODE, "")


class AwsRegistry:
    """`submit` notes what is wanted, `run` writes it until cancelled. `on_problem` gets the service concerned."""

    def __init__(self, aws: AwsCloudMap, *, log: EventLog, on_problem: Callable[[CloudMapName, str], None]) -> None:
        self._aws = aws
        self._log = log
        self._on_problem = on_problem
        self._problems: dict[CloudMapName, str] = {}
        self._problems_told: dict[CloudMapName, str] = {}
        self._wanted: InstancesByName = {}
        self._owners: dict[CloudMapName, frozenset[_Owner]] = {}
        self._changed = asyncio.Event()

    def submit(self, instances: InstancesByName, registrations: Iterable[Registration]) -> None:
        owners: dict[CloudMapName, set[_Owner]] = {}
        for one in registrations:
            owners.setdefault(one.name, set()).add(owner_of(dict(one.attributes)))
        # Nodes that are gone leave instances behind, which are taken away as long as this process remembers them.
        for name, gone in self._owners.items():
            owners.setdefault(name, set()).update(gone)
        self._owners = {name: frozenset(found) for name, found in owners.items()}
        self._wanted = {
            name: tuple(one for one in instances.get(name, ()) if owner_of(one.attributes) in found)
            for name, found in self._owners.items()
        }
        self._changed.set()

    async def run(self) -> None:
        backoff = Backoff(*_PAUSES_S)
        while True:
            try:
                async with asyncio.timeout(_REQUEUE_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            if not self._wanted:
                continue
            try:
                await asyncio.to_thread(self._reconcile, self._wanted, self._owners)
            except AwsError as exc:
                self._log.warning("cloud_map.not_registered", reason=exc)
                self._changed.set()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()
            self._tell()

    def _tell(self) -> None:
        """Each once, as long as it stays."""
        news, self._problems_told = self._problems.items() - self._problems_told.items(), self._problems
        for name, problem in sorted(news):
            self._on_problem(name, problem)

    # --- in a thread -------------------------------------------------------------------------------------------

    def _reconcile(self, wanted: InstancesByName, owners: Mapping[CloudMapName, frozenset[_Owner]]) -> None:
        namespaces = self._aws.namespaces()
        named = {one.namespace for one in wanted} & namespaces.keys()
        services = {name: self._aws.services(namespaces[name]) for name in sorted(named)}
        told: dict[CloudMapName, str] = {}
        for name, instances in wanted.items():
            namespace = namespaces.get(name.namespace)
            if namespace is None:
                told[name] = f"cloudMap namespace not found: {name.namespace}"
                continue
            service_id = services[name.namespace].get(name.service) or self._created(namespace, name, instances)
            if service_id:
                self._reconcile_service(service_id, instances, owners[name])
        self._problems = told

    def _created(self, namespace: AwsNamespace, name: CloudMapName, instances: tuple[Instance, ...]) -> str | None:
        """None as long as there is nothing to register."""
        if not instances:
            return None
        record = "A" if any("IPv4" in one.addresses for one in instances) else "AAAA"
        return self._aws.create_service(namespace, name.service, record=record)

    def _reconcile_service(self, service_id: str, instances: tuple[Instance, ...], owners: frozenset[_Owner]) -> None:
        there = self._aws.instances(service_id)
        wanted = {instance_id(one): one.attributes for one in instances if not one.is_draining}
        for identity, attributes in wanted.items():
            if there.get(identity) != attributes:
                self._aws.register(service_id, identity, attributes)
        for identity, attributes in there.items():
            if identity not in wanted and owner_of(attributes) in owners:
                self._aws.deregister(service_id, identity)


def instance_id(instance: Instance) -> str:
    """The pod's address."""
    return instance.addresses.get("IPv4") or instance.addresses["IPv6"]


class AwsDiscovery:
    """Asks for the instances of the `names` that callers need; `on_change` gets all of those that others registered."""

    def __init__(self, aws: AwsCloudMap, *, log: EventLog, on_change: Callable[[InstancesByName], None]) -> None:
        self._aws = aws
        self._log = log
        self._on_change = on_change
        self._names: frozenset[CloudMapName] = frozenset()
        self._own: frozenset[_Owner] = frozenset()
        self._found: InstancesByName = {}
        self._asked = asyncio.Event()

    def ask(self, names: Iterable[CloudMapName], registrations: Iterable[Registration]) -> None:
        """Instances of `registrations` are known better from their pods."""
        names, own = frozenset(names), frozenset(owner_of(dict(one.attributes)) for one in registrations)
        if (names, own) != (self._names, self._own):
            self._names, self._own = names, own
            self._asked.set()

    async def run(self) -> None:
        backoff = Backoff(*_PAUSES_S)
        while True:
            if not self._names and not self._found:
                await self._asked.wait()
            self._asked.clear()
            try:
                found = await asyncio.to_thread(self._discovered, self._names, self._own)
            except AwsError as exc:
                self._log.warning("cloud_map.not_discovered", reason=exc)
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            if found != self._found:
                self._found = found
                self._on_change(found)
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._asked.wait()
            except TimeoutError:
                pass

    def _discovered(self, names: frozenset[CloudMapName], own: frozenset[_Owner]) -> InstancesByName:
        found: dict[CloudMapName, tuple[Instance, ...]] = {}
        for name in sorted(names):
            foreign = [one for one in self._aws.discover(name) if owner_of(one) not in own]
            instances = [instance for one in foreign if (instance := _foreign(one)) is not None]
            if instances:
                found[name] = tuple(sorted(instances, key=instance_id))
        return found


def _foreign(attributes: Mapping[str, str]) -> Instance | None:
    given = {"IPv4": attributes.get("AWS_INSTANCE_IPV4", ""), "IPv6": attributes.get("AWS_INSTANCE_IPV6", "")}
    addresses = {family: address for family, address in given.items() if is_ip_address(address)}
    return Instance(addresses, attributes, is_draining=False, ports=()) if addresses else None
