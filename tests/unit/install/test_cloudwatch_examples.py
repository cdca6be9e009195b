"""What examples/cloudwatch asks of CloudWatch's agent: a Prometheus can read it, and it keeps what proxies show."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from crossfade.cli.emf import add_parsers
from crossfade.compile.model import Direction
from crossfade.envoy.proto import stats_log_v3
from crossfade.envoy.telemetry.stats_log import connection_log, request_logs
from tests.support.documentation import ROOT

FOLDER = ROOT / "examples/cloudwatch"


def agent_file(name: str) -> str:
    documents = yaml.safe_load_all((FOLDER / "agent.yaml").read_text())
    return next(text for one in documents for key, text in one["data"].items() if key == name)


def declarations() -> list[dict[str, Any]]:
    found = json.loads(agent_file("cwagentconfig.json"))["logs"]["metrics_collected"]["prometheus"]
    declared: list[dict[str, Any]] = found["emf_processor"]["metric_declaration"]
    return declared


def extension() -> dict[str, frozenset[str]]:
    """The names that sidecars show of App Mesh's set, with their labels."""
    shown = {}
    logs = [connection_log(), *(request_logs(direction)[1] for direction in Direction)]
    for log in logs:
        message = stats_log_v3.Config()
        log.typed_config.Unpack(message)
        for one in (*message.counters, *message.histograms):
            labels = frozenset(tag.name for tag in one.stat.tags)
            shown[f"envoy_appmesh_{one.stat.name}"] = labels
    return shown


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_what_is_scraped(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yaml"
    # Debian's Prometheus knows no Kubernetes.
    file.write_text(agent_file("prometheus.yaml").replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: []"))
    done = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_metric_of_the_extension_is_declared_with_labels_that_it_has() -> None:
    for name, labels in extension().items():
        taking = [
            one for one in declarations() if any(re.search(selector, name) for selector in one["metric_selectors"])
        ]
        (one,) = taking
        assert re.search(one["label_matcher"], "envoy")
        for dimensions in one["dimensions"]:
            assert set(dimensions) - {"ClusterName"} <= labels, name


def test_each_selector_takes_something() -> None:
    kong = {"kong_http_requests_total", "kong_bandwidth_bytes", "kong_kong_latency_ms", "kong_upstream_latency_ms"}
    known = {*extension(), *kong}
    for selector in (selector for one in declarations() for selector in one["metric_selectors"]):
        assert any(re.search(selector, name) for name in known), selector


def test_the_deployments_command_is_one() -> None:
    import argparse

    deployment = next(
        one for one in yaml.safe_load_all((FOLDER / "emf.yaml").read_text()) if one["kind"] == "Deployment"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers())
    parsed = parser.parse_args([*container["command"][4:], *container["args"]])
    assert (parsed.all_namespaces, parsed.log_group) == (True, "/crossfade/metrics")
