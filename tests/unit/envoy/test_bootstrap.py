"""The bootstrap: who asks whom, how, and what others may see."""

import json
import re
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from crossfade.envoy.bootstrap import STATUS_PATHS, AdminPages, AdsPeer, bootstrap, token_secret
from crossfade.envoy.proto import message_class, pool


def built(ads: AdsPeer, **more: Any) -> dict[str, Any]:
    made = bootstrap(node_id="ns/pod", ads=ads, admin_port=9901, **more)
    ParseDict(made, message_class("envoy.config.bootstrap.v3.Bootstrap")(), descriptor_pool=pool())
    return made


def test_plain_connection_inside_the_pod() -> None:
    (cluster,) = built(AdsPeer("127.0.0.1", 18001))["static_resources"]["clusters"]
    assert cluster["type"] == "STATIC"
    assert "transport_socket" not in cluster


def test_the_control_plane_must_prove_its_name() -> None:
    made = built(
        AdsPeer("ads.ns.svc", 18000, "/run/ca.json", "/run/token.json"),
        pages=(AdminPages("0.0.0.0", 8100, STATUS_PATHS),),
    )
    ads, admin, metrics = made["static_resources"]["clusters"]
    context = ads["transport_socket"]["typed_config"]
    assert context["sni"] == "ads.ns.svc"
    validation = context["common_tls_context"]["combined_validation_context"]
    (name,) = validation["default_validation_context"]["match_typed_subject_alt_names"]
    assert name == {"san_type": "DNS", "matcher": {"exact": "ads.ns.svc"}}
    source = validation["validation_context_sds_secret_config"]["sds_config"]["path_config_source"]
    assert source == {"path": "/run/ca.json"}
    assert admin["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] == {
        "address": "127.0.0.1",
        "port_value": 9901,
    }
    (endpoint,) = metrics["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": "@crossfade-metrics-9901"}}


def test_a_proxy_without_configuration_is_not_ready() -> None:
    resources = built(AdsPeer("127.0.0.1", 18001))["dynamic_resources"]
    assert resources["lds_config"]["initial_fetch_timeout"] == resources["cds_config"]["initial_fetch_timeout"] == "0s"


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("cluster.cds_egress_m_jazz.v1_prod_http_9080.upstream_rq_active", True),
        ("cluster.c.upstream_rq_2xx", True),
        ("cluster.c.upstream_cx_http2_total", True),
        ("cluster.c.membership_healthy", True),
        ("cluster.c.outlier_detection.ejections_active", True),
        ("cluster.c.health_check.failure", True),
        ("cluster.c.circuit_breakers.default.cx_open", True),
        ("cluster.c.ssl.handshake", True),
        ("cluster.c.lb_healthy_panic", False),
        ("cluster.c.external.upstream_rq_time", True),
        ("listener.0.0.0.0_15000.ssl.connection_error", True),
        ("listener.0.0.0.0_15000.downstream_cx_total", False),
        ("http.egress.downstream_rq_active", True),
        ("http.egress.downstream_cx_total", True),
        ("http.egress.downstream_cx_rx_bytes_total", False),
        ("http.egress.tracing.random_sampling", False),
        ("http.egress.fault.aborts_injected", True),
        ("tcp.ingress.downstream_cx_active", True),
        ("tcp.ingress.downstream_cx_rx_bytes_total", False),
        ("server.stats_overflow.counter", True),
        ("crossfade.requests_total.reporter.source", True),
        ("appmesh.RequestCount", True),
        ("runtime.load_success", False),
    ],
)
def test_which_statistics_are_kept(name: str, is_kept: bool) -> None:
    patterns = built(AdsPeer("127.0.0.1", 1))["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    *prefixes, regex = patterns
    found = name.startswith(tuple(one["prefix"] for one in prefixes))
    assert (found or re.fullmatch(regex["safe_regex"]["regex"], name) is not None) is is_kept


def test_all_statistics_are_kept_where_they_are_asked_for() -> None:
    made = built(AdsPeer("127.0.0.1", 1), keeps_all_statistics=True)
    assert "stats_matcher" not in made["stats_config"]
    assert "deferred_stat_options" not in made


def test_socket_mark() -> None:
    (option,) = built(AdsPeer("127.0.0.1", 1), socket_mark=1337)["cluster_manager"]["upstream_bind_config"][
        "socket_options"
    ]
    assert (option["level"], option["name"], option["int_value"]) == (1, 36, 1337)


def test_the_token_is_a_secret_of_its_own() -> None:
    (secret,) = token_secret("t0ken")["resources"]
    assert secret["generic_secret"]["secret"] == {"inline_string": "t0ken"}
    assert "t0ken" not in json.dumps(built(AdsPeer("h", 1, "/run/ca.json", "/run/token.json")))


@pytest.mark.parametrize("is_sidecar", [True, False])
def test_only_a_sidecar_bears_with_callers_that_hang_up(is_sidecar: bool) -> None:
    (layer, _) = built(AdsPeer("127.0.0.1", 18000), is_sidecar=is_sidecar)["layered_runtime"]["layers"]
    assert ("overload.premature_reset_total_stream_count" in layer["static_layer"]) is is_sidecar


def test_a_proxy_with_the_library_says_so_and_gives_it_its_series() -> None:
    made = built(AdsPeer("127.0.0.1", 18001), has_counts_module=True)
    assert made["node"]["metadata"] == {"crossfade": {"crossfade_counts": True}}
    cluster = made["static_resources"]["clusters"][-1]
    assert (cluster["name"], cluster["lb_policy"]) == ("crossfade_counts", "CLUSTER_PROVIDED")
    static = made["layered_runtime"]["layers"][0]["static_layer"]
    assert static["envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix"] is True


def test_a_proxy_without_it_says_nothing() -> None:
    made = built(AdsPeer("127.0.0.1", 18001))
    assert "metadata" not in made["node"]
    assert all(cluster["name"] != "crossfade_counts" for cluster in made["static_resources"]["clusters"])
