"""One cluster with two applications, faults that are done to it, and what must hold after each."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from tests.local.reliability.faults import Fault
from tests.local.reliability.load import Api, Traffic, Writer, answers
from tests.local.reliability.polling import until
from tests.local.reliability.remains import Living, Remains, living, node_of, remains, rules, state_of
from tests.local.reliability.victims import ROLE, Victims
from tests.support.cluster import EmbeddedCluster

T = TypeVar("T")

STOPPED_S = 2.0


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

    def __init__(
        self,
        cluster: EmbeddedCluster,
        *,
        api_port: int,
        app_ports: tuple[int, int],
        seed: int,
        patience_s: float = 180.0,
        options: tuple[str, ...] = ("--bare",),
        host: str = "",
    ) -> None:
        """`app_ports` are free. `patience_s`: how long everything may take to be ready again. `options` are those of
        `up`. `host` is what the gateway is asked for, where there is one."""
        self.api = Api(api_port, cluster.data_dir / "pki")
        self.report = Report(seed)
        self.random = random.Random(seed)
        self._cluster = cluster
        self._api_port = api_port
        self._patience_s = patience_s
        self._options = options
        self._ports = dict(zip(("hit", "calm"), app_ports, strict=True))
        self._asked = {f"http://127.0.0.1:{port}/ping": "" for port in app_ports}
        self._gateway = f"{cluster.gateway_url}/jazz" if host else ""
        if host:
            self._asked[self._gateway] = host
        self.victims = Victims(cluster.data_dir, self.random)

    def prepare(self) -> None:
        for name, port in self._ports.items():
            self._cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(_application(name, port)))
        self._until(self._is_settled)
        self._until(self._is_ruled)

    def writer(self) -> Writer:
        return Writer(self.api)

    def traffic(self) -> dict[str, Traffic]:
        """By its kind, as faults spare it."""
        found = {"calm": Traffic(f"http://127.0.0.1:{self._ports['calm']}/ping")}
        if self._gateway:
            found["gateway"] = Traffic(self._gateway, self._asked[self._gateway])
        return found

    def do(self, fault: Fault, traffic: Mapping[str, Traffic], before: Remains) -> None:
        """Until everything is ready again; notes what should not have happened."""
        began = time.monotonic()
        try:
            ended = self._strike(fault)
            self._until(self._is_settled)
            self._until(lambda: self.measure() == before and not any(one.lives for one in ended))
        except TimeoutError as error:
            self.report.left_over.append(f"after {fault}: {error}; {self._compared_text(before)}")
        over = time.monotonic()
        for kind in sorted(fault.spared & traffic.keys()):
            if failed := traffic[kind].failed_between(began, over):
                times = ", ".join(f"{moment - began:.1f}" for moment in failed[:5])
                text = f"{fault} disturbed {len(failed)} requests of traffic {kind} (first after {times} s)"
                self.report.disturbed.append(text)
        self.report.done.append((fault, over - began))

    def measure(self) -> Remains:
        return remains(self._cluster.data_dir)

    def check_database(self) -> None:
        """When nothing runs any more."""
        with contextlib.closing(sqlite3.connect(self._cluster.data_dir / "state.db")) as database:
            (found,) = database.execute("PRAGMA integrity_check").fetchone()
        if found != "ok":
            self.report.left_over.append(f"the database: {found}")

    def _strike(self, fault: Fault) -> list[Living]:
        """What may not live any more when all is ready again."""
        pid = self._until(lambda: self.victims.find(fault.victim))
        ends = living([pid, *(self.victims.all() if fault.part.takes_all else ())])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, fault.number)
        if fault.outcome == "waits":
            time.sleep(STOPPED_S)
            os.kill(pid, signal.SIGCONT)
            return []
        if fault.outcome == "continued":
            self._until(lambda: state_of(pid) not in ("T", ""))
            return []
        if fault.victim == "up":
            self._until(lambda: not any(one.lives for one in ends))
            self._start_up()
        else:
            self._until(lambda: not ends[0].lives)
        return ends

    def _start_up(self) -> None:
        http_port = self._cluster.gateway_url.rpartition(":")[2]
        ports = [f"--api-port={self._api_port}", f"--http-port={http_port}", "--https-port=0"]
        folder = ["--data-dir", str(self._cluster.data_dir)]
        up = self._cluster.crossfade("up", "--detach", *folder, *ports, *self._options)
        assert up.returncode == 0, up.stderr

    def _is_settled(self) -> bool:
        status, pods = self.api.send("GET", "/api/v1/pods")
        if status != 200 or not all(map(_is_ready, pods["items"])):
            return False
        for name in self._ports:
            status, found = self.api.send("GET", f"/apis/apps/v1/namespaces/default/deployments/{name}")
            if status != 200 or (found.get("status") or {}).get("availableReplicas") != 1:
                return False
        return all(answers(url, host) for url, host in self._asked.items())

    def _is_ruled(self) -> bool:
        """Rules come after what they are for."""
        _, pods = self.api.send("GET", "/api/v1/namespaces/default/pods?labelSelector=app")
        addresses = [pod["status"]["podIP"] for pod in pods["items"]]
        text = rules(node_of(self._cluster.data_dir))
        return "table ip crossfade_egress" in text and all(f"dnat to {address}:" in text for address in addresses)

    def _compared_text(self, before: Remains) -> str:
        try:
            return f"{self.measure()}, before {before}; {self._unready()}"
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"what there is now cannot be said: {error}"

    def _unready(self) -> str:
        pods = self.api.send("GET", "/api/v1/pods")[1].get("items") or ()
        names = [pod["metadata"]["name"] for pod in pods if not _is_ready(pod)]
        silent = [url for url, host in self._asked.items() if not answers(url, host)]
        return f"not ready: {names}; not answering: {silent}"

    def _until(self, condition: Callable[[], T | None]) -> T:
        return until(condition, self._patience_s)


def _is_ready(pod: dict[str, Any]) -> bool:
    """One that is to go can be ready for long, and counts as none."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _application(name: str, port: int) -> list[dict[str, Any]]:
    probe = {"httpGet": {"path": "/ping", "port": 9080}, "periodSeconds": 1, "failureThreshold": 2}
    container = {
        "name": "app",
        "image": "crossfade/djapp:v1",
        "env": [{"name": ROLE, "value": name}],
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
