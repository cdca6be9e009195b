"""A cluster, ours or any other, by its kubeconfig."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.kubernetes.plan import balanced_address

Json = dict[str, Any]
COMMAND_S: Final = 240.0


class Cluster(NamedTuple):
    """Nobody gives Services of type LoadBalancer their addresses where the cluster `is_ours`: the tests do."""

    kubeconfig: Path
    is_ours: bool

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output. Raises RuntimeError with what kubectl said."""
        done = self._run(arguments, stdin)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def answers(self, *arguments: str) -> bool:
        return self._run(arguments, None).returncode == 0

    def read(self, *arguments: str) -> Json:
        """`kubectl get … -o json`, decoded."""
        decoded: Json = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return decoded

    def raw(self, path: str) -> Json:
        """What the API server answers to a GET, decoded."""
        decoded: Json = json.loads(self.kubectl("get", "--raw", path))
        return decoded

    def apply(self, *objects: Json) -> None:
        self.kubectl("apply", "-f", "-", stdin="---\n".join(f"{json.dumps(each)}\n" for each in objects))

    def give_addresses(self) -> None:
        """To every Service of type LoadBalancer that has none."""
        if not self.is_ours:
            return
        services = self.read("services", "--all-namespaces")["items"]
        balanced = [each for each in services if each["spec"].get("type") == "LoadBalancer"]
        taken = {entry.get("ip") for each in balanced for entry in _entries(each)}
        free = (address for number in range(1, 255) if (address := balanced_address(number)) not in taken)
        for service in (each for each in balanced if not _entries(each)):
            status = {"status": {"loadBalancer": {"ingress": [{"ip": next(free)}]}}}
            place = ("-n", service["metadata"]["namespace"], "service", service["metadata"]["name"])
            self.kubectl("patch", *place, "--subresource=status", "--type=merge", "-p", json.dumps(status))

    def address_of(self, namespace: str, service: str, *, within_s: float = 120.0) -> str:
        """Of a Service of type LoadBalancer."""
        self.give_addresses()
        deadline = time.monotonic() + within_s
        while not (entries := _entries(self.read("service", service, "-n", namespace))):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Service {namespace}/{service} has no address after {within_s:.0f} s")
            time.sleep(0.5)
        address: str = entries[0].get("ip") or entries[0]["hostname"]
        return address

    def _run(self, arguments: tuple[str, ...], stdin: str | None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).parent / "kubectl"), *arguments],
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S,
        )


def _entries(service: Json) -> list[Json]:
    entries: list[Json] = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return entries
