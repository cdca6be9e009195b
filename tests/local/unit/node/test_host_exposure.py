"""`nodePort` and `hostPort` on the machine: who gets a port, who is told that it does not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.watch import WatchEvent
from crossfade_local import host_ports
from crossfade_local.host_exposure import HostExposure, HostPort, wanted
from crossfade_local.pod_table import PodEntry, PodPort, PodTable, pod_entry
from crossfade_local.relay import Listening
from crossfade_local.service_table import Endpoint, ServiceEntry, ServicePort, ServiceTable
from tests.support.ports import free_ports
from tests.support.waiting import eventually

KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def node_port(
    name: str, port: int, *, protocol: str = "TCP", kind: str = "NodePort", created: str = OLD
) -> ServiceEntry:
    offered = (ServicePort("", protocol, 80, port, ()),)
    return ServiceEntry(NamespacedName("prod", name), kind, "10.96.0.20", offered, created=created, uid=name)


def pod(name: str, host: int, *, protocol: str = "TCP", host_ip: str = "", created: str = OLD) -> PodEntry:
    ports = (PodPort("http", protocol, 9080, host, host_ip),)
    return PodEntry(NamespacedName("prod", name), name, "10.244.0.16", {}, ports, created)


def table(*entries: ServiceEntry) -> ServiceTable:
    return {entry.key: entry for entry in entries}


@pytest.mark.parametrize(
    ("services", "pods", "exposed", "refused"),
    [
        ([node_port("jazz", 30080)], [], {HostPort(30080, "TCP"): "jazz"}, []),
        ([node_port("jazz", 30080, kind="LoadBalancer")], [], {}, []),
        ([node_port("dns", 30053, protocol="UDP")], [], {HostPort(30053, "UDP"): "dns"}, []),
        (
            [node_port("calls", 30060, protocol="SCTP")],
            [],
            {},
            ["nodePort 30060 is not opened on this machine: only TCP and UDP are, not SCTP"],
        ),
        (
            [node_port("jazz", 30080), node_port("dns", 30080, protocol="UDP", created=NEW)],
            [],
            {HostPort(30080, "TCP"): "jazz", HostPort(30080, "UDP"): "dns"},
            [],
        ),
        ([], [pod("web", 8080)], {HostPort(8080, "TCP"): "web"}, []),
        ([], [pod("web", 8080, host_ip="127.0.0.1")], {HostPort(8080, "TCP"): "web"}, []),
        ([], [pod("web", 8080, host_ip="192.0.2.1")], {}, ["hostPort 8080 is not opened on 192.0.2.1"]),
        (
            [],
            [pod("a", 8080, created=NEW), pod("b", 8080)],
            {HostPort(8080, "TCP"): "b"},
            ["hostPort 8080 is taken by Pod prod/b"],
        ),
        (
            [node_port("jazz", 30080)],
            [pod("web", 30080, created=NEW)],
            {HostPort(30080, "TCP"): "jazz"},
            ["hostPort 30080 is taken by Service prod/jazz"],
        ),
    ],
)
def test_who_gets_a_port(
    services: list[ServiceEntry], pods: list[PodEntry], exposed: dict[HostPort, str], refused: list[str]
) -> None:
    found = wanted(table(*services), pods)
    assert {port: exposure.ref.name for port, exposure in found.exposures.items()} == exposed
    assert len(found.refusals) == len(refused)
    for refusal, text in zip(found.refusals, refused, strict=True):
        assert refusal.message.startswith(text)


class Machine:
    def __init__(self) -> None:
        self.warnings: list[tuple[str, str]] = []
        self.exposure = HostExposure(open_exactly=self.open, warn=self.warn)

    async def open(self, port: int, protocol: str) -> Listening:
        try:
            found = host_ports.open_exactly(port, KINDS[protocol])
        except host_ports.PortTakenError as error:
            raise OSError(str(error)) from error
        return Listening(found.socket, found.port)

    def warn(self, ref: ObjectRef, reason: str, message: str) -> None:
        assert reason == "PortNotOpened"
        self.warnings.append((ref.name, message))


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    found = Machine()
    running = asyncio.create_task(found.exposure.run())
    yield found
    running.cancel()


async def test_a_taken_port_is_told_once_and_others_are_opened(machine: Machine) -> None:
    free, busy = free_ports(2)
    with socket.create_server(("127.0.0.1", busy)):
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        target = server.sockets[0].getsockname()[1]
        pods = [local_pod("web", free, target), local_pod("late", busy, target)]
        machine.exposure.update(wanted({}, pods))
        await eventually(lambda: HostPort(free, "TCP") in machine.exposure.ports and machine.warnings)
        reader, writer = await asyncio.open_connection("127.0.0.1", free)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
        machine.exposure.update(wanted({}, [*pods, local_pod("other", 0, target)]))
        machine.exposure.update(wanted({}, pods[1:]))
        await eventually(lambda: not machine.exposure.ports)
        assert [name for name, _ in machine.warnings] == ["late"]
        assert f"hostPort {busy} is not opened: 127.0.0.1:{busy} is in use" in machine.warnings[0][1]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free)
        server.close()


def local_pod(name: str, host: int, target: int) -> PodEntry:
    return PodEntry(NamespacedName("prod", name), name, "127.0.0.1", {}, (PodPort("", "TCP", target, host),))


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


def test_targets_are_the_service_or_the_pod() -> None:
    found = wanted(table(node_port("jazz", 30080)), [pod("web", 8080)]).exposures
    assert found[HostPort(30080, "TCP")].targets == (Endpoint("10.96.0.20", 80),)
    assert found[HostPort(8080, "TCP")].targets == (Endpoint("10.244.0.16", 9080),)


def stored(name: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "prod", "uid": name, "labels": {"app": name}},
        "spec": {
            "containers": [{"ports": [{"containerPort": 80, "hostPort": 8080}]}],
            "initContainers": [{"restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 9901}]}, {}],
        },
        "status": status,
    }


def test_only_news_of_the_network_count() -> None:
    changes = []
    pods = PodTable(lambda: changes.append(1))
    pods.replace([stored("a", phase="Pending")])
    assert (list(pods), changes) == ([], [])
    for phase in ("Pending", "Running"):
        pods.apply(WatchEvent("MODIFIED", stored("a", phase=phase, podIP="10.244.0.16")))
    (entry,) = pods
    assert entry.ports == (PodPort("", "TCP", 80, 8080), PodPort("admin", "TCP", 9901))
    assert len(changes) == 1
    pods.apply(WatchEvent("MODIFIED", stored("a", phase="Succeeded", podIP="10.244.0.16")))
    pods.apply(WatchEvent("DELETED", stored("a", phase="Succeeded", podIP="10.244.0.16")))
    assert (list(pods), len(changes)) == ([], 2)
    assert pod_entry({**stored("b", podIP="10.244.0.17"), "spec": {"hostNetwork": True}}) is None
