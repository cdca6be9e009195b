"""`python -m generate.dashboards`: Grafana's dashboards, and the alert rules as the operator takes them."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER: Final = Path(__file__).parents[1] / "examples" / "prometheus"
RATE: Final = "$__rate_interval"


class Panel(NamedTuple):
    """`legend` is of each series; `unit` one of Grafana's."""

    title: str
    query: str
    legend: str
    unit: str = "short"


def _quantile(quantile: str, metric: str, labels: str) -> str:
    rate = f'rate({metric}_bucket{{service=~"$service"}}[{RATE}])'
    return f"histogram_quantile({quantile}, sum by ({labels}, le) ({rate}))"


def _rate(metric: str, labels: str, matching: str = 'service=~"$service"') -> str:
    return f"sum by ({labels}) (rate({metric}{{{matching}}}[{RATE}]))"


GATEWAY: Final = (
    Panel("Requests", _rate("kong_http_requests_total", "service"), "{{service}}", "reqps"),
    Panel("Requests by status", _rate("kong_http_requests_total", "code"), "{{code}}", "reqps"),
    Panel("Answered by", _rate("kong_http_requests_total", "source"), "{{source}}", "reqps"),
    Panel("Refused by", _rate("crossfade_denied_total", "policy, route", ""), "{{policy}} {{route}}", "reqps"),
    Panel("Request, 95 %", _quantile("0.95", "kong_request_latency_ms", "service"), "{{service}}", "ms"),
    Panel("Service, 95 %", _quantile("0.95", "kong_upstream_latency_ms", "service"), "{{service}}", "ms"),
    Panel("Gateway, 95 %", _quantile("0.95", "kong_kong_latency_ms", "service"), "{{service}}", "ms"),
    Panel("Bytes", _rate("kong_bandwidth_bytes", "service, direction"), "{{service}} {{direction}}", "Bps"),
    Panel("Connections", 'sum by (state) (kong_nginx_connections_total{state=~"active|waiting|writing"})', "{{state}}"),
    Panel("Targets not healthy", 'sum by (upstream) (kong_upstream_target_health{state="unhealthy"})', "{{upstream}}"),
    Panel("Memory of metrics", "kong_memory_lua_shared_dict_bytes", "{{shared_dict}}", "bytes"),
)
_CALLERS: Final = 'reporter="source"'
_FAILED: Final = f'{_CALLERS},code_class=~"5xx|none"'
MESH: Final = (
    Panel(
        "Requests", _rate("crossfade_requests_total", "source, target", _CALLERS), "{{source}} to {{target}}", "reqps"
    ),
    Panel(
        "Errors",
        f"{_rate('crossfade_requests_total', 'source, target', _FAILED)}"
        f" or 0 * {_rate('crossfade_requests_total', 'source, target', _CALLERS)}",
        "{{source}} to {{target}}",
        "reqps",
    ),
    Panel("By status", _rate("crossfade_requests_total", "code_class", _CALLERS), "{{code_class}}", "reqps"),
    Panel("Why proxies answered", _rate("crossfade_requests_total", "flags", _CALLERS), "{{flags}}", "reqps"),
    Panel("Called", _rate("crossfade_requests_total", "target", 'reporter="destination"'), "{{target}}", "reqps"),
    Panel(
        "Duration, 95 %",
        "histogram_quantile(0.95, "
        f"{_rate('crossfade_request_duration_milliseconds_bucket', 'source, target, le', _CALLERS)})",
        "{{source}} to {{target}}",
        "ms",
    ),
)
CONTROL_PLANE: Final = (
    Panel("Proxies", "sum by (kind) (crossfade_xds_proxies)", "{{kind}}"),
    Panel("Proxies behind", "sum(crossfade_xds_stale_proxies)", "behind"),
    Panel(
        "Change to answer, 95 %",
        f"histogram_quantile(0.95, sum by (le) (rate(crossfade_xds_convergence_seconds_bucket[{RATE}])))",
        "95 %",
        "s",
    ),
    Panel(
        "Compile, 95 %",
        f"histogram_quantile(0.95, sum by (role, le) (rate(crossfade_compile_duration_seconds_bucket[{RATE}])))",
        "{{role}}",
        "s",
    ),
    Panel("Sent to proxies", f"sum by (type) (rate(crossfade_xds_push_bytes_total[{RATE}]))", "{{type}}", "Bps"),
    Panel("Objects", "crossfade_compile_objects", "{{role}} {{kind}}"),
    Panel("Diagnostics", "sum by (severity, code) (crossfade_diagnostics)", "{{severity}} {{code}}"),
    Panel("Changes seen", f"sum by (kind) (rate(crossfade_kube_watch_events_total[{RATE}]))", "{{kind}}", "ops"),
    Panel("Watches", "min by (kind) (crossfade_kube_watch_connected)", "{{kind}}"),
    Panel("Leader", "crossfade_leader", "{{instance}}"),
)
DASHBOARDS: Final = {
    "mesh": ("Crossfade mesh", MESH),
    "gateway": ("Crossfade gateway", GATEWAY),
    "control-plane": ("Crossfade control plane", CONTROL_PLANE),
}


def dashboard_text(name: str) -> str:
    title, panels = DASHBOARDS[name]
    board = dashboard.Dashboard(title).uid(f"crossfade-{name}").refresh("30s").time("now-1h", "now").tags(["crossfade"])
    board.with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
    if any("$service" in panel.query for panel in panels):
        values = dashboard.QueryVariable("service").query("label_values(kong_http_requests_total, service)")
        source = DataSourceRef(type_val="prometheus", uid="${datasource}")
        board.with_variable(values.datasource(source).include_all(True).all_value(".*").multi(True))
    for panel in panels:
        board.with_panel(_panel(panel))
    return (
        json.dumps(json.loads(JSONEncoder(sort_keys=True, indent=2).encode(board.build())), indent=2, sort_keys=True)
        + "\n"
    )


def _panel(panel: Panel) -> timeseries.Panel:
    query = prometheus.Dataquery().ref_id("A").expr(panel.query).legend_format(panel.legend)
    source = DataSourceRef(type_val="prometheus", uid="${datasource}")
    return (
        timeseries.Panel().title(panel.title).datasource(source).unit(panel.unit).with_target(query).span(12).height(8)
    )


def rule_text() -> str:
    """A PrometheusRule with the rules of the plain file."""
    rules: Any = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    found = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "crossfade"},
        "spec": rules,
    }
    return yaml.safe_dump(found, sort_keys=False, width=200)


def texts() -> dict[Path, str]:
    boards = {FOLDER / "dashboards" / f"{name}.json": dashboard_text(name) for name in DASHBOARDS}
    return {**boards, FOLDER / "prometheus-rule.yaml": rule_text()}


def main() -> None:
    for path, text in texts().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
