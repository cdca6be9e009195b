"""What a node has besides its API server: controllers, pods, Service addresses, DNS, the installation."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import ClusterConfig, load_kubeconfig
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.reflector import Reflector
from crossfade_kube.resources import (
    CONFIG_MAP,
    ENDPOINT_SLICE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from crossfade_local import catalogue, network
from crossfade_local import namespaces as ns
from crossfade_local.certificate_requests import Authority
from crossfade_local.cgroups import CgroupsUnavailableError, make_group
from crossfade_local.controllers.run import run_controllers
from crossfade_local.data_dir import DataDir, read_json
from crossfade_local.dns import DnsServer
from crossfade_local.dns_forwarder import Forwarder
from crossfade_local.egress import Egress, EgressUnavailableError
from crossfade_local.host_exposure import HostExposure, wanted
from crossfade_local.installer import Installer, InstallFailedError
from crossfade_local.kubelet import ids
from crossfade_local.kubelet.agent import NODE_NAME, Agent
from crossfade_local.kubelet.limits import Limiter
from crossfade_local.kubelet.machine import Machine
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.kubelet.server import serve_kubelet
from crossfade_local.kubelet.service_links import ServiceLinks
from crossfade_local.kubelet.usage import Meter
from crossfade_local.load_balancer import LoadBalancer, OpenedPort
from crossfade_local.local_volumes import LocalVolumes
from crossfade_local.netlink import Netlink
from crossfade_local.node_settings import NodeSettings
from crossfade_local.objects import ObjectIndex, SharedSink
from crossfade_local.policy_keeper import PolicyKeeper
from crossfade_local.relay import Listening
from crossfade_local.service_proxy import ServiceProxy
from crossfade_local.service_table import ServiceEntry, ServiceTable
from crossfade_local.status_file import StatusFile
from crossfade_local.uplink import Uplink

_API_URL: Final = f"https://{network.API_ADDRESS}:{network.API_PORT}"
_ACCOUNT_TRIES: Final = 250
_ACCOUNT_POLL_S: Final = 0.02
_LOOPBACK: Final = "127.0.0.1"
_CONTAINER_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class NodeParts:
    """Of a node whose API server answers."""

    def __init__(self, settings: NodeSettings, directory: DataDir, uplink: Uplink, links: Netlink) -> None:
        self._settings = settings
        self._directory = directory
        self._uplink = uplink
        self._volumes = LocalVolumes(self._directory.volumes)
        self._links = links
        self._proxy = ServiceProxy(on_change=self._services_changed)
        self._balancer = self._make_balancer()
        self._exposure: HostExposure
        self._policies = PolicyKeeper()
        self._service_links = ServiceLinks()
        self._client: Client
        self._ids = ids.parse(*(Path(f"/proc/self/{kind}_map").read_text("ascii") for kind in ("uid", "gid")))
        self._ready = False
        self._status = StatusFile(directory.write_status)

    def _services_changed(self, table: ServiceTable) -> None:
        self._balancer.update(table)
        self._exposure.update(wanted(table, self._proxy.pods))

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled; the parts are tasks of this group."""
        self._point_kubeconfig()
        self._uplink.tell("progress", f"API server answers; kubeconfig: {self._directory.kubeconfig}")
        async with Client(self._config(), user_agent="crossfade-node") as client:
            self._client = client
            await self._start_parts(tasks, self._make_view())
            await self._await_accounts()
            await self._install()
            await asyncio.Event().wait()

    def _config(self) -> ClusterConfig:
        return replace(load_kubeconfig(self._directory.kubeconfig), server=_API_URL)

    def _point_kubeconfig(self) -> None:
        """A former `up` may have had another port."""
        port = socket.socket(fileno=os.dup(self._settings.api_descriptor)).getsockname()[1]
        path = self._directory.kubeconfig
        content: JsonObject = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        server = f"https://{_LOOPBACK}:{port}"
        if content["clusters"][0]["cluster"]["server"] == server:
            return
        content["clusters"][0]["cluster"]["server"] = server
        fresh = path.with_suffix(".tmp")
        fresh.touch(mode=0o600)
        fresh.write_text(yaml.safe_dump(content), encoding="utf-8")
        fresh.replace(path)

    def _make_view(self) -> MachineView:
        source = Path(__file__).parents[1]
        exposed = {Path(sys.base_prefix), Path(sys.prefix), source} | catalogue.paths_named(self._catalogue().images)
        return MachineView(
            self._directory.mounts,
            exposed=sorted(exposed),
            hidden=self._directory.root,
            sockets=self._settings.sockets_descriptor,
        )

    def _catalogue(self) -> catalogue.Catalogue:
        user_file = Path(self._settings.images) if self._settings.images else None
        built_in = read_json(self._directory.built_in_images).get("items") or ()
        return catalogue.Catalogue(user_file, msgspec.convert(built_in, tuple[catalogue.Image, ...]))

    async def _start_parts(self, tasks: asyncio.TaskGroup, view: MachineView) -> None:
        def start(name: str, part: Coroutine[Any, Any, None]) -> None:
            # What a part raises is a bug: it ends the node, is logged, and `up` starts the node again.
            tasks.create_task(part, name=name)

        recorder = EventRecorder(self._client, "kubelet", instance="crossfade")
        agent = Agent(self._machine(view, recorder), tasks=tasks)
        self._exposure = HostExposure(open_exactly=partial(self._uplink.open_port, exactly=True), warn=recorder.warning)
        start("events", recorder.run())
        start("node", agent.keep_node())
        start("controllers", self._run_controllers())
        start("service proxy", self._proxy.run())
        start("load balancer", self._balancer.run())
        start("host ports", self._exposure.run())
        start("network policies", self._policies.run())
        if self._settings.egress:
            start("egress", self._let_out())
        start("dns", DnsServer(self._proxy.current, await self._forwarder()).serve(network.DNS_ADDRESS))
        meter = Meter(agent)
        start("usage", meter.run())
        start("kubelet server", serve_kubelet(agent, meter, self._directory.kubelet_socket))
        for resource, sink in (
            (SERVICE, SharedSink(self._service_links, self._proxy.services)),
            (ENDPOINT_SLICE, self._proxy.slices),
            (NAMESPACE, self._policies.namespaces),
            (NETWORK_POLICY, self._policies.policies),
            (POD, SharedSink(self._policies.pods, self._proxy.pods, agent)),
            (CONFIG_MAP, ObjectIndex(lambda key: agent.data_changed("configMap", key))),
            (SECRET, ObjectIndex(lambda key: agent.data_changed("secret", key))),
        ):
            start(f"reflect {resource.plural}", Reflector(self._client, resource, sink).run())

    async def _run_controllers(self) -> None:
        authority = Authority(self._directory.authority.parent)
        await run_controllers(self._client, volumes=self._volumes, node=NODE_NAME, authority=authority)

    async def _let_out(self) -> None:
        try:
            await Egress(self._uplink.open_socket).run(self._links)
        except EgressUnavailableError as error:
            self._uplink.tell(
                "progress", f"pods reach nothing outside of the cluster: this kernel cannot do it ({error})"
            )

    def _machine(self, view: MachineView, recorder: EventRecorder) -> Machine:
        path = os.pathsep.join([str(Path(sys.prefix, "bin")), *_CONTAINER_PATH])
        return Machine(
            client=self._client,
            recorder=recorder,
            view=view,
            catalogue=self._catalogue(),
            links=self._links,
            node_namespace=ns.open_own("net"),
            addresses=network.AddressPool(),
            directory=self._directory.root,
            volumes=self._volumes,
            ids=self._ids,
            isolate=self._policies.isolate,
            capacity=self._settings.capacity,
            env_by_uid=self._settings.shared_user_env_by_uid if self._ids.is_single else {},
            services=self._service_links,
            limiter=self._limiter(),
            base_env={
                "PATH": path,
                "KUBERNETES_SERVICE_HOST": network.API_ADDRESS,
                "KUBERNETES_SERVICE_PORT": "443",
                "KUBERNETES_SERVICE_PORT_HTTPS": "443",
                "KUBERNETES_PORT": f"tcp://{network.API_ADDRESS}:443",
                **(self._settings.shared_user_env if self._ids.is_single else {}),
            },
        )

    def _limiter(self) -> Limiter:
        try:
            return Limiter(make_group(self._directory.root))
        except CgroupsUnavailableError as error:
            return Limiter(problem=str(error))

    async def _forwarder(self) -> Forwarder | None:
        if self._settings.resolver_descriptor is None:
            return None
        resolver = socket.socket(fileno=self._settings.resolver_descriptor)
        resolver.setblocking(False)
        family, address = resolver.family, resolver.getpeername()
        loop = asyncio.get_running_loop()

        async def connect() -> socket.socket:
            opened = await self._uplink.open_socket(socket.SOCK_STREAM, family)
            opened.setblocking(False)
            try:
                await loop.sock_connect(opened, address)
            except BaseException:
                opened.close()
                raise
            return opened

        _, forwarder = await loop.create_datagram_endpoint(lambda: Forwarder(connect=connect), sock=resolver)
        return forwarder

    def _make_balancer(self) -> LoadBalancer:
        prepared = {}
        for name, descriptor in self._settings.listeners.items():
            listening = socket.socket(fileno=descriptor)
            prepared[name] = Listening(listening, listening.getsockname()[1])
        return LoadBalancer(
            prepared,
            open_port=self._uplink.open_port,
            publish=self._publish_address,
            changed=self._note_status,
        )

    async def _publish_address(self, entry: ServiceEntry, ports: list[OpenedPort]) -> None:
        ingress = {
            "ip": _LOOPBACK,
            "ports": [{"port": one.of_machine, "protocol": one.protocol} for one in ports],
        }
        with contextlib.suppress(KubeError):
            await self._client.patch(
                SERVICE, entry.key.name, {"status": {"loadBalancer": {"ingress": [ingress]}}},
                namespace=entry.key.namespace, subresource="status",
            )  # fmt: skip

    def _note_status(self) -> None:
        addresses = [
            {
                "service": str(NamespacedName(*key)),
                "ports": [
                    {"port": one.port, "protocol": one.protocol, "address": f"{_LOOPBACK}:{one.of_machine}"}
                    for one in ports
                ],
            }
            for key, ports in sorted(self._balancer.opened.items())
        ]
        self._status.note({"ready": self._ready, "addresses": addresses})

    async def _await_accounts(self) -> None:
        """Until the default service account exists, pods are refused."""
        for _ in range(_ACCOUNT_TRIES):
            try:
                await self._client.get(SERVICE_ACCOUNT, "default", namespace="default")
            except KubeError:
                await asyncio.sleep(_ACCOUNT_POLL_S)
            else:
                return

    async def _install(self) -> None:
        await self._uplink.has_installation.wait()
        wanted = read_json(self._directory.install)
        items = wanted.get("items") or []
        if items:
            self._uplink.tell("progress", f"applying {len(items)} objects of {wanted['name']}")
            installer = Installer(self._client)
            try:
                await installer.apply(items)
                await installer.wait_for_deployments(items, say=lambda text: self._uplink.tell("progress", text))
            except InstallFailedError as error:
                # The cluster stays up, so that the cause can be looked at.
                self._uplink.tell("incomplete", str(error))
                return
        self._ready = True
        self._note_status()
        self._uplink.tell("ready")
