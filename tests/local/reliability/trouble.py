"""One cluster with two applications, faults that are done to it, and what must hold after each."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.local.reliability.load import Api, Traffic, Writer, answers
from tests.local.reliability.remains import Remains, children_of, processes, remains
from tests.support.cluster import EmbeddedCluster, crossfade
from tests.support.ports import free_ports

PROGRAM = "djapp.py"
STOPPED_UP_S = 2.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Fault:
    victim: str
    number: signal.Signals

    def __str__(self) -> str:
        return f"{self.number.name} of {self.victim}"

    @property
    def spares_others(self) -> bool:
        """Traffic to the application that is not hit goes on."""
        return self.victim in ("api", "container") or (self.victim, self.number) == ("up", signal.SIGSTOP)


_SIGNALS = (signal.SIGKILL, signal.SIGSTOP)
FAULTS = (
    *(Fault(victim, number) for victim in ("up", "node", "api", "container") for number in _SIGNALS),
    Fault("init", signal.SIGKILL),
)


@dataclass
class Report:
    seed: int
    done: list[tuple[Fault, float]] = field(default_factory=list)
    """Each with the seconds until everything was ready again."""
    disturbed: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    @property
    def problems(self) -> list[str]:
        return [*self.disturbed, *self.left_over, *(f"{name} was acknowledged and lost" for name in sorted(self.lost))]


class Trouble:
    """`calm` is never hit itself; `hit` is the application whose containers are."""

    def __init__(self, cluster: EmbeddedCluster, *, api_port: int, seed: int, patience_s: float = 60.0) -> None:
        """`patience_s`: how long everything may take to be ready again."""
        self.api = Api(api_port, cluster.data_dir / "pki")
        self.report = Report(seed)
        self._cluster = cluster
        self._api_port = api_port
        self._patience_s = patience_s
        self._random = random.Random(seed)
        self._ports = dict(zip(("hit", "calm"), free_ports(2), strict=True))

    def prepare(self) -> None:
        for name, port in self._ports.items():
            self._cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(_application(name, port)))
        self._until(self._is_settled)

    def writer(self) -> Writer:
        return Writer(self.api)

    def calm_traffic(self) -> Traffic:
        return Traffic(self._url("calm"))

    def do(self, fault: Fault, traffic: Traffic, before: Remains) -> None:
        """Until everything is ready again; notes what should not have happened."""
        began = time.monotonic()
        self._strike(fault)
        try:
            self._until(self._is_settled)
            self._until(lambda: self._compared(before))
        except TimeoutError:
            self.report.left_over.append(f"after {fault}: {self._compared_text(before)}")
        ended = time.monotonic()
        if fault.spares_others and (failed := traffic.failed_between(began, ended)):
            self.report.disturbed.append(f"{fault} disturbed {failed} requests to others")
        self.report.done.append((fault, ended - began))

    def draw(self) -> Fault:
        return self._random.choice(FAULTS)

    def measure(self) -> Remains:
        return remains(self._cluster.data_dir, PROGRAM)

    def _strike(self, fault: Fault) -> None:
        pid = self._victim(fault.victim)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, fault.number)
        if fault.victim != "up":
            self._until(lambda: not _is_alive(pid))
        elif fault.number == signal.SIGSTOP:
            # Nobody watches over the one who watches over all: it is continued by who stopped it.
            time.sleep(STOPPED_UP_S)
            os.kill(pid, signal.SIGCONT)
        else:
            self._until(lambda: not processes("crossfade_local", str(self._cluster.data_dir)))
            self._start_up()

    def _start_up(self) -> None:
        http_port = self._cluster.gateway_url.rpartition(":")[2]
        options = [f"--api-port={self._api_port}", f"--http-port={http_port}", "--https-port=0"]
        up = crossfade("up", "--detach", "--bare", "--data-dir", str(self._cluster.data_dir), *options)
        assert up.returncode == 0, up.stderr

    def _victim(self, name: str) -> int:
        data_dir = str(self._cluster.data_dir)
        if name == "up":
            return int(yaml.safe_load((self._cluster.data_dir / "run/up.json").read_text())["pid"])
        if name == "container":
            (node,) = processes("crossfade_local.node", data_dir)
            hit = [pid for pid in children_of(node, PROGRAM) if _has_environment(pid, "ROLE=hit")]
            return self._random.choice(hit)
        part = {"api": "crossfade_local.apiserver", "node": "crossfade_local.node", "init": "crossfade_local.init"}
        # `unshare` names init, too; its own process is the younger one.
        return processes(part[name], data_dir)[-1]

    def _is_settled(self) -> bool:
        for name in self._ports:
            status, found = self.api.send("GET", f"/apis/apps/v1/namespaces/default/deployments/{name}")
            if status != 200 or (found.get("status") or {}).get("availableReplicas") != 1:
                return False
        return all(answers(self._url(name)) for name in self._ports)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}/ping"

    def _compared(self, before: Remains) -> bool:
        return self.measure() == before

    def _compared_text(self, before: Remains) -> str:
        try:
            return f"{self.measure()} instead of {before}"
        except (OSError, ValueError) as error:
            return f"not ready within {self._patience_s:g} s: {error}"

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(condition)
            time.sleep(_POLL_S)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _has_environment(pid: int, entry: str) -> bool:
    try:
        return entry.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _application(name: str, port: int) -> list[dict[str, Any]]:
    probe = {"httpGet": {"path": "/ping", "port": 9080}, "periodSeconds": 1, "failureThreshold": 2}
    container = {
        "name": "app",
        "image": "crossfade/djapp:v1",
        "env": [{"name": "ROLE", "value": name}],
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    service = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": port, "targetPort": 9080}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]
