"""The environment of a proxy container, read into settings and a bootstrap."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossfade.proxy.run import bootstrap_from_settings, settings_from_environment
from crossfade.proxy.variables import SettingsError

SIDECAR = {
    "CROSSFADE_ADS_ADDRESS": "appmesh-controller-ads.appmesh-system.svc:18000",
    "CROSSFADE_ADS_CA": "-----BEGIN CERTIFICATE-----",
    "CROSSFADE_ADS_TOKEN_FILE": "/var/run/secrets/token",
    "POD_NAME": "jazz-v1-x",
    "POD_NAMESPACE": "prod",
    "POD_IP": "10.244.0.7",
}


def test_a_sidecar() -> None:
    settings = settings_from_environment(SIDECAR, is_gateway=False)
    assert settings.node_id == "prod/jazz-v1-x"
    assert settings.ads.token_file == Path("/var/run/secrets/token")
    assert (settings.admin_port, settings.concurrency, settings.log_level) == (9901, 1, "info")
    assert settings.status == ()
    made = json.loads(bootstrap_from_settings(settings))
    (scraping,) = made["static_resources"]["listeners"]
    assert scraping["address"]["socket_address"] == {"address": "10.244.0.7", "port_value": 9901}
    assert made["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}


@pytest.mark.parametrize(
    ("environment", "keeps_all"),
    [
        ({}, False),
        ({"CROSSFADE_ENVOY_STATS": "needed", "ENABLE_ENVOY_STATS_TAGS": "1"}, False),
        ({"CROSSFADE_ENVOY_STATS": "all"}, True),
        ({"ENABLE_ENVOY_STATS_TAGS": "1"}, True),
    ],
)
def test_which_statistics_are_kept(environment: dict[str, str], keeps_all: bool) -> None:
    for is_gateway in (False, True):
        settings = settings_from_environment(SIDECAR | environment, is_gateway=is_gateway)
        made = json.loads(bootstrap_from_settings(settings))
        assert ("stats_matcher" not in made["stats_config"]) is keeps_all


def test_another_word_for_statistics_is_an_error() -> None:
    with pytest.raises(SettingsError, match="CROSSFADE_ENVOY_STATS is 'few': it must be all or needed"):
        settings_from_environment({**SIDECAR, "CROSSFADE_ENVOY_STATS": "few"}, is_gateway=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ENABLE_ENVOY_JAEGER_TRACING": "1", "CROSSFADE_TRACE_SAMPLING_RATE": "5%"},
        {"ENABLE_ENVOY_JAEGER_TRACING": "1", "ENABLE_ENVOY_DATADOG_TRACING": "1"},
        {"CROSSFADE_OTLP_ADDRESS": "nowhere"},
    ],
)
def test_a_wrong_tracer_costs_traces_and_nothing_else(wrong: dict[str, str]) -> None:
    settings = settings_from_environment(SIDECAR | wrong, is_gateway=False)
    assert "tracing" not in json.loads(bootstrap_from_settings(settings))
    (remark,) = settings.traced.remarks
    assert max(wrong, key=len) in remark
    assert remark.endswith("; this proxy sends no traces until it is right")


def test_a_gateway_needs_no_settings() -> None:
    settings = settings_from_environment({}, is_gateway=True)
    assert settings.ads.address == "127.0.0.1:18001"
    made = json.loads(bootstrap_from_settings(settings))
    (status,) = made["static_resources"]["listeners"]
    assert status["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 8100}


def test_a_gateway_without_a_sidecar_asks_the_meshs_controller_who_it_is() -> None:
    environment = {name.replace("_ADS_", "_MESH_"): value for name, value in SIDECAR.items()}
    settings = settings_from_environment(environment, is_gateway=True)
    assert settings.mesh is not None
    assert settings.ads.ca_pem is None
    made = json.loads(bootstrap_from_settings(settings))
    ads, mesh, *_ = made["static_resources"]["clusters"]
    assert (ads["name"], mesh["name"]) == ("crossfade_ads", "crossfade_mesh_identities")
    (endpoint,) = mesh["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"]["port_value"] == 18000
    assert settings_from_environment(environment | SIDECAR, is_gateway=False).mesh is None
    wrong = settings_from_environment({**environment, "CROSSFADE_MESH_ADDRESS": "nowhere"}, is_gateway=True)
    with pytest.raises(SettingsError, match="CROSSFADE_MESH_ADDRESS is 'nowhere': it must be host:port"):
        bootstrap_from_settings(wrong)


def test_a_gateway_tells_its_settings_of_kong_and_keeps_its_secrets() -> None:
    environment = {
        "KONG_TRUSTED_IPS": "10.0.0.0/8",
        "KONG_SSL_CERT_KEY": "/key",
        "KONG_LOG_LEVEL": "warn",
        "KONG_PG_HOST": "db",
    }
    settings = settings_from_environment(environment, is_gateway=True)
    made = json.loads(bootstrap_from_settings(settings))
    assert made["node"]["metadata"] == {"kong": {"trusted_ips": "10.0.0.0/8"}}
    assert [remark.where for remark in settings.remarks] == ["KONG_PG_HOST", "KONG_SSL_CERT_KEY"]
    assert settings.log_level == "warning"
    with pytest.raises(SettingsError, match="KONG_TRUSTED_IPS"):
        settings_from_environment({"KONG_TRUSTED_IPS": "everyone"}, is_gateway=True)


def test_where_the_status_pages_are_and_who_is_asked_for_names() -> None:
    environment = {"KONG_STATUS_LISTEN": "127.0.0.1:9, [::]:10 ipv6only=off", "KONG_DNS_RESOLVER": "10.0.0.1"}
    settings = settings_from_environment(environment, is_gateway=True)
    made = json.loads(bootstrap_from_settings(settings))
    addresses = [one["address"]["socket_address"] for one in made["static_resources"]["listeners"]]
    assert addresses == [
        {"address": "127.0.0.1", "port_value": 9},
        {"address": "::", "port_value": 10, "ipv4_compat": True},
    ]
    (asked,) = made["typed_dns_resolver_config"]["typed_config"]["resolvers"]
    assert asked == {"socket_address": {"address": "10.0.0.1", "port_value": 53}}
    assert settings.told == {}
    off = settings_from_environment({"KONG_STATUS_LISTEN": "off"}, is_gateway=True)
    made = json.loads(bootstrap_from_settings(off))
    assert made["static_resources"]["listeners"] == []
    assert made["layered_runtime"]["layers"][0]["static_layer"].keys() >= {
        "envoy.reloadable_features.http_reject_path_with_fragment"
    }


def test_a_sidecar_tells_nothing() -> None:
    settings = settings_from_environment(SIDECAR | {"KONG_TRUSTED_IPS": "everyone"}, is_gateway=False)
    assert "metadata" not in json.loads(bootstrap_from_settings(settings))["node"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("mesh/dj-app/virtualNode/jazz_prod", ("dj-app", "jazz_prod", "jazz")),
        ("mesh/m@123456789012/virtualGateway/other", ("m", "other", "other")),
        ("nonsense", ("unknown", "unknown", "unknown")),
    ],
)
def test_under_which_names_requests_are_counted(path: str, expected: tuple[str, ...]) -> None:
    environment = SIDECAR | {"APPMESH_VIRTUAL_NODE_NAME": path, "POD_NAMESPACE": "prod"}
    names = settings_from_environment(environment, is_gateway=False).own_names
    assert (names["CROSSFADE_MESH"], names["CROSSFADE_AWS_NODE"], names["CROSSFADE_NODE"]) == expected
    assert names["CROSSFADE_NODE_NAMESPACE"] == "prod"


def test_the_certificate_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("PEM")
    settings = settings_from_environment(SIDECAR | {"CROSSFADE_ADS_CA": str(file)}, is_gateway=False)
    assert settings.ads.ca_pem == "PEM"
    with pytest.raises(SettingsError, match="cannot read"):
        settings_from_environment(SIDECAR | {"CROSSFADE_ADS_CA": str(tmp_path / "none")}, is_gateway=False)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            "mesh/dj-app/virtualNode/jazz-v1_prod",
            (("appmesh.mesh", "dj-app"), ("appmesh.virtual_node", "jazz-v1_prod")),
        ),
        ("mesh/m@123456789012/virtualGateway/gw_ns", (("appmesh.mesh", "m"), ("appmesh.virtual_gateway", "gw_ns"))),
        ("nonsense", ()),
    ],
)
def test_stats_tags(resource: str, expected: tuple[tuple[str, str], ...]) -> None:
    environment = SIDECAR | {"APPMESH_VIRTUAL_NODE_NAME": resource, "ENABLE_ENVOY_STATS_TAGS": "1"}
    assert settings_from_environment(environment, is_gateway=False).stats_tags == expected
    del environment["ENABLE_ENVOY_STATS_TAGS"]
    assert settings_from_environment(environment, is_gateway=False).stats_tags == ()


def test_nothing_but_the_product_and_the_standard_library_is_imported() -> None:
    """A sidecar needs neither the embedded cluster nor a package of other people's, and starts as fast."""
    code = (
        "import sys; before = set(sys.modules); import crossfade.cli.app, crossfade.cli.proxy, crossfade.proxy.run;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["crossfade"]


def test_what_is_large_is_not_imported_before_it_is_needed() -> None:
    """A pod waits for it, with a tenth of a processor perhaps."""
    large = ("ssl", "email", "http", "asyncio", "importlib.metadata", "inspect", "logging", "subprocess", "difflib")
    code = (
        "import os, sys; import crossfade.cli.app, crossfade.cli.proxy; from crossfade.proxy import run;"
        "run.become_launcher = lambda plan, lock: print(*sys.modules);"
        "run.run_proxy(is_gateway=False)"
    )
    environment = os.environ | {"CROSSFADE_ADS_ADDRESS": "controller:18000"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    imported = set(found.stdout.split())
    assert "json" in imported
    assert {name for name in imported if name in large or name.startswith("crossfade.kong_conf")} == set()
