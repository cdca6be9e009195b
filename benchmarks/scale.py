"""How the gateway grows: routes, hosts, host-less routes, consumers; what a start and one change cost.

    python -m benchmarks.scale [--shapes hosts:1000 both:1000 ...] [--changes 15]

Starts `crossfade gateway run` on a folder of manifests for each shape, waits for the first answer, then changes one
object at a time and waits until the change answers. Prints time to the first answer, memory of Envoy and of the control
plane, and the median and the worst of the changes. One Envoy worker; ends by itself.

Shapes: `hosts` (a host for each Ingress), `one` (all under one host), `hostless`, `both` (as many with a host of their
own as without any), `consumers` (100 Ingresses with key-auth, each consumer with a plugin of its own; a key changes),
`company` (each Ingress with a host, a Service and two plugins of its own; a consumer for each ten).
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import memory
from tests.support.gateway import service, upstream
from tests.support.ports import free_ports

DEFAULT = (
    "hosts:10",
    "hosts:1000",
    "hosts:5000",
    "one:1000",
    "hostless:1000",
    "both:1000",
    "consumers:20000",
    "company:3000",
)
START_WITHIN_S = 120.0
CHANGE_WITHIN_S = 30.0
PAUSE_S = 0.3
INGRESSES_OF_CONSUMERS = 100

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: i{number}, annotations: {{konghq.com/strip-path: "true"{plugins}}}}}
spec:
  ingressClassName: kong
  rules:
  - {{{host}http: {{paths: [{{path: {path}, pathType: ImplementationSpecific, backend: {{service: {{name: up, port: {{number: 80}}}}}}}}]}}}}
"""  # noqa: E501 - one line keeps 5 000 files small
KEY_AUTH = "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: ka}\nplugin: key-auth\n"
CONSUMER = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: c{number}}}
plugin: rate-limiting
config: {{minute: 100000}}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: c{number}, annotations: {{kubernetes.io/ingress.class: kong, konghq.com/plugins: c{number}}}}}
username: u{number}
credentials: [k{number}]
---
apiVersion: v1
kind: Secret
metadata: {{name: k{number}, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: key-{number}-{version}}}
"""
COMPANY = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: id{number}}}
plugin: correlation-id
config: {{header_name: X-Request-{number}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: rl{number}}}
plugin: rate-limiting
config: {{minute: {limit}, policy: local}}
---
{service}{ingress}---
{consumer}"""


class Request(NamedTuple):
    host: str
    path: str
    key: str = ""


class Shape(NamedTuple):
    """`port` is where the Services' endpoint listens."""

    kind: str
    count: int
    port: int = 0

    def content(self, number: int, version: int) -> str:
        if self.kind == "consumers":
            return CONSUMER.format(number=number, version=version)
        if self.kind == "company":
            return self._company(number, version)
        wanted = self.request(number, version)
        host = f"host: {wanted.host}, " if wanted.host != "any.test" else ""
        return INGRESS.format(number=number, host=host, path=wanted.path, plugins="")

    def _company(self, number: int, version: int) -> str:
        wanted = self.request(number, version)
        plugins = f", konghq.com/plugins: 'id{number},rl{number}'"
        ingress = INGRESS.format(number=number, host=f"host: {wanted.host}, ", path=wanted.path, plugins=plugins)
        consumer = CONSUMER.format(number=number, version=0) if number % 10 == 0 else ""
        return COMPANY.format(
            number=number,
            limit=1000 + number,
            ingress=ingress.replace("{name: up,", f"{{name: up{number},"),
            service=service(f"up{number}", self.port),
            consumer=consumer,
        )

    def request(self, number: int, version: int) -> Request:
        match self.kind:
            case "hosts" | "company":
                return Request(f"h{number}.test", f"/v{version}")
            case "one":
                return Request("one.test", f"/r{number}/v{version}")
            case "both" if number % 2:
                return Request(f"h{number}.test", f"/r{number}/v{version}")
            case "consumers":
                return Request("any.test", "/r7", f"key-{number}-{version}")
        return Request("any.test", f"/r{number}/v{version}")

    def others(self) -> Iterator[tuple[str, str]]:
        """What never changes, by file."""
        if self.kind == "consumers":
            yield "plugins", KEY_AUTH
            for number in range(INGRESSES_OF_CONSUMERS):
                plugins = ", konghq.com/plugins: ka"
                yield f"i{number}", INGRESS.format(number=number, host="", path=f"/r{number}", plugins=plugins)

    @property
    def total(self) -> int:
        return 2 * self.count if self.kind == "both" else self.count


class Result(NamedTuple):
    start_s: float
    envoy_mib: float
    control_mib: float
    changes_s: list[float]


def answers(port: int, request: Request) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        headers = {"Host": request.host, **({"apikey": request.key} if request.key else {})}
        connection.request("GET", request.path, headers=headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def seconds_until(port: int, request: Request, within_s: float, *, every_s: float) -> float:
    started = time.monotonic()
    while not answers(port, request):
        if time.monotonic() - started > within_s:
            raise TimeoutError(f"{request} was not answered within {within_s:g} s")
        time.sleep(every_s)
    return time.monotonic() - started


@contextmanager
def gateway(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "crossfade.cli", "gateway", "run", "-f", str(folder), "--http-port", str(port)]
    with subprocess.Popen([*command, "--concurrency", "1"], stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def write(folder: Path, name: str, content: str) -> None:
    draft = folder / f".{name}"
    draft.write_text(content)
    draft.rename(folder / f"{name}.yaml")


def measured(shape: Shape, changes: int) -> Result:
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as directory, upstream("ok") as up_port:
        shape = shape._replace(port=up_port)
        folder = Path(directory)
        write(folder, "service", service("up", up_port))
        for name, content in shape.others():
            write(folder, name, content)
        for number in range(shape.total):
            write(folder, f"o{number}", shape.content(number, 0))
        with gateway(folder, port) as process:
            last = shape.request(shape.total - 1, 0)
            start_s = seconds_until(port, last, START_WITHIN_S, every_s=0.02)
            (envoy,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            taken = []
            for version in range(1, changes + 1):
                time.sleep(PAUSE_S)
                number = version * 37 % shape.total
                write(folder, f"o{number}", shape.content(number, version))
                taken.append(seconds_until(port, shape.request(number, version), CHANGE_WITHIN_S, every_s=0.002))
            return Result(start_s, memory(int(envoy)).rss, memory(process.pid).rss, taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=DEFAULT, metavar="KIND:NUMBER")
    parser.add_argument("--changes", type=int, default=15)
    options = parser.parse_args()
    print("shape              first answer   Envoy      control     one change: median   worst")
    for text in options.shapes:
        kind, _, count = text.partition(":")
        found = measured(Shape(kind, int(count)), options.changes)
        print(
            f"{text:18} {found.start_s:8.2f} s   {found.envoy_mib:5.0f} MiB  {found.control_mib:5.0f} MiB"
            f"   {statistics.median(found.changes_s) * 1000:12.0f} ms   {max(found.changes_s) * 1000:6.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
