"""What leaves the cluster, and what does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from crossfade_local.egress import may_leave, render_egress
from crossfade_local.preflight import search_path


@pytest.mark.parametrize(
    ("address", "leaves"),
    [
        ("192.0.2.7", True),
        ("10.0.0.1", True),
        ("172.17.0.1", True),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("224.0.0.251", False),
        ("255.255.255.255", False),
        ("10.244.0.16", False),
        ("10.96.0.1", False),
    ],
)
def test_where_pods_may_go(address: str, leaves: bool) -> None:
    assert may_leave(address) == leaves


IN_A_NODE = """
import asyncio, socket, sys
from crossfade_local import network
from crossfade_local.egress import Egress
from crossfade_local.netlink import Netlink
from crossfade_local import namespaces as ns

SERVER = {server!r}

async def main():
    # The machine, to the pods: addresses of the loopback of the namespace that this program began in.
    with Netlink() as outside:
        outside.set_up(outside.index_of("lo"))
        outside.add_address(outside.index_of("lo"), SERVER)
    made = []
    def server(kind):
        one = socket.socket(socket.AF_INET, kind)
        one.bind((SERVER if kind == socket.SOCK_STREAM else "0.0.0.0", 7))
        one.setblocking(False)
        return one
    tcp, udp = server(socket.SOCK_STREAM), server(socket.SOCK_DGRAM)
    tcp.listen()
    spare = [socket.socket(socket.AF_INET, kind) for kind in [socket.SOCK_STREAM] * 3 + [socket.SOCK_DGRAM] * 2]
    async def open_socket(kind):
        return next(spare.pop(i) for i, one in enumerate(spare) if one.type & 15 == kind)
    ns.unshare(ns.CLONE_NEWNET)
    links = Netlink()
    network.prepare_node(links)
    await ns.on_fresh_thread(lambda: made.append(network.create_pod_namespaces(
        hostname="pod", address="10.244.0.16", link="pod", node=links, node_namespace=ns.open_own("net"))), name="pod")
    egress = asyncio.create_task(Egress(open_socket).run(links))
    loop = asyncio.get_running_loop()
    def in_pod(kind):
        def make():
            ns.enter(made[0])
            return socket.socket(socket.AF_INET, kind)
        return ns.on_fresh_thread(make, name="client")
    client = await in_pod(socket.SOCK_STREAM)
    client.setblocking(False)
    while True:
        try:
            await loop.sock_connect(client, (SERVER, 7))
            break
        except OSError:
            client.close()
            client = await in_pod(socket.SOCK_STREAM)
            client.setblocking(False)
            await asyncio.sleep(0.01)
    await loop.sock_sendall(client, b"over tcp")
    accepted, _ = await loop.sock_accept(tcp)
    print((await loop.sock_recv(accepted, 100)).decode())
    await loop.sock_sendall(accepted, b"and back")
    print((await loop.sock_recv(client, 100)).decode())
    client.close()
    print(await loop.sock_recv(accepted, 100))
    refused = await in_pod(socket.SOCK_STREAM)
    refused.setblocking(False)
    await loop.sock_connect(refused, (SERVER, 8))
    try:
        print(await loop.sock_recv(refused, 1))
    except ConnectionResetError:
        print("reset")
    talker = await in_pod(socket.SOCK_DGRAM)
    talker.setblocking(False)
    for word in (b"one", b"two"):
        await loop.sock_sendto(talker, word, (SERVER, 7))
        said, peer = await loop.sock_recvfrom(udp, 100)
        await loop.sock_sendto(udp, said + b" heard", peer)
        print(*await loop.sock_recvfrom(talker, 100))
    sys.stdout.flush()
    import os; os._exit(0)
asyncio.run(asyncio.wait_for(main(), 10))
"""


def in_namespaces(program: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--user", "--map-root-user", "--net", "--uts", "--", sys.executable, "-c", program]
    env = {"PATH": search_path(), "PYTHONPATH": str(Path(__file__).parents[4] / "src")}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_tcp_and_udp_go_out_and_come_back() -> None:
    done = in_namespaces(IN_A_NODE.format(server="192.0.2.7"))
    assert done.stdout.splitlines() == [
        "over tcp",
        "and back",
        "b''",
        "reset",
        "b'one heard' ('192.0.2.7', 7)",
        "b'two heard' ('192.0.2.7', 7)",
    ], done.stderr


def test_nft_accepts_the_rules() -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "-f", "-"]
    env = {"PATH": search_path()}
    done = subprocess.run(
        command, env=env, input=render_egress(15001, 15002), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
