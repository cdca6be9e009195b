"""A real Prometheus scrapes gateway and controller: rules hold, and each panel of the dashboards shows something."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml
from generate.dashboards import DASHBOARDS, FOLDER, RATE, texts

from crossfade.compile.diagnostics import Diagnostics
from crossfade.controller.metrics import metrics_server
from crossfade.controller.tally import ControllerTally, Expiry
from crossfade.envoy.proto import cluster_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, encoded
from crossfade.store.snapshot import Snapshot
from crossfade.xds.publisher import Publisher
from crossfade_kube.core import Service
from crossfade_kube.meta import ObjectMeta, ObjectRef
from crossfade_kube.tally import WatchTally
from tests.support.envoy import get
from tests.support.gateway import RunningGateway, ingress, running_gateway, service, upstream
from tests.support.ports import free_ports
from tests.support.sidecar import sidecar

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]

PLUGINS: Final = """\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {name: prometheus, labels: {global: "true"}, annotations: {kubernetes.io/ingress.class: kong}}
plugin: prometheus
config: {status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true, upstream_health_metrics: true}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: keys}
plugin: key-auth
---
"""


@contextmanager
def gateway(folder: Path, status: int) -> Iterator[RunningGateway]:
    folder.mkdir()
    with upstream("web") as port:
        texts = (PLUGINS, service("web", port), ingress("open", "/open", "web"))
        closed = ingress("closed", "/closed", "web", 'konghq.com/plugins: "keys"')
        (folder / "all.yaml").write_text("".join((*texts, closed)))
        with running_gateway(folder, settings={"KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}) as running:
            yield running


def tally() -> ControllerTally:
    """Of a controller that has done a little of everything."""
    publisher, watch, found = Publisher(), WatchTally(), Diagnostics()
    resources = ResourceSet({ResourceType.CLUSTER: {"c": encoded("c", cluster_v3.Cluster(name="c"))}})
    stream = publisher.connect("gateway")
    publisher.publish("gateway", resources)
    stream.note_response(ResourceType.CLUSTER, 40)
    stream.settle(resources)
    watch.events, watch.is_connected = 3, True
    found.warning(ObjectRef("v1", "Service", "shop", "web"), "service.odd", "odd")
    end = datetime(2100, 1, 1, tzinfo=UTC)
    one = ControllerTally(
        "gateway",
        "gateway",
        publisher=publisher,
        watches=lambda: [("Service", watch)],
        expiries=lambda: [Expiry("shop", "tls", "ingress", end)],
    )
    one.compiled(0.01, Snapshot.of([Service(metadata=ObjectMeta(name="web", namespace="shop"))]), (Service,), found)
    return one


class Prometheus:
    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/api/v1"

    async def ask(self, path: str, **query: str) -> Any:
        try:
            async with self._http.get(f"{self._url}/{path}", params=query) as response:
                # While it starts it answers 503.
                return (await response.json())["data"] if response.status == 200 else None
        except aiohttp.ClientConnectionError:
            return None

    async def series(self, query: str) -> list[Any]:
        found = await self.ask("query", query=query)
        return found["result"] if found is not None else []


@asynccontextmanager
async def prometheus(folder: Path, http: aiohttp.ClientSession, targets: dict[str, int]) -> AsyncIterator[Prometheus]:
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": name,
                "metrics_path": "/stats/prometheus" if name == "sidecar" else "/metrics",
                "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
                "metric_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": "envoy_(crossfade_.+)", "target_label": "__name__"}
                ],
            }
            for name, target in targets.items()
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    process = await asyncio.create_subprocess_exec(
        *("prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"),
        f"--web.listen-address=127.0.0.1:{port}",
    )
    try:
        yield Prometheus(http, port)
    finally:
        process.terminate()
        await process.wait()


async def test_rules_hold_and_every_panel_shows_something(tmp_path: Path) -> None:
    (status,) = free_ports(1)
    async with (
        aiohttp.ClientSession() as http,
        metrics_server(tally(), host="127.0.0.1", port=0) as controller,
        sidecar(tmp_path, {}) as (outbound, inbound, admin),
    ):
        assert controller is not None
        with gateway(tmp_path / "manifests", status) as running:
            targets = {"gateway": status, "controller": controller, "sidecar": admin}
            async with prometheus(tmp_path, http, targets) as asked:
                await all_shown(asked, running, [(http, outbound), (http, inbound)])
                rules = [rule for group in (await asked.ask("rules"))["groups"] for rule in group["rules"]]
                assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
                assert len(rules) == 12
                assert {one["value"][1] for one in await asked.series("max_over_time(up[1m])")} == {"1"}


async def all_shown(
    asked: Prometheus, running: RunningGateway, others: list[tuple[aiohttp.ClientSession, int]]
) -> None:
    """While requests go through the gateway, and to the ports of `others`."""
    missing = {panel.query: panel.title for _, panels in DASHBOARDS.values() for panel in panels}
    async with asyncio.timeout(120):
        while missing:
            await asyncio.to_thread(running.get, "/open")
            await asyncio.to_thread(running.get, "/closed")
            for http, port in others:
                await get(http, port)
            for query in list(missing):
                if await asked.series(query.replace(RATE, "5s").replace("$service", ".*")):
                    del missing[query]


@pytest.mark.parametrize("name", ["alerts.yaml", "prometheus-rule.yaml"])
def test_rules_are_right(name: str, tmp_path: Path) -> None:
    rules = yaml.safe_load((FOLDER / name).read_text())
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules.get("spec", rules)))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(texts()), ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    assert path.read_text() == texts()[path], "run `python -m generate.dashboards`"
