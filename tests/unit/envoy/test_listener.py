"""Listeners, chains, connection managers."""

import json
import re
from typing import Any

from crossfade.compile.model import (
    AccessLog,
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    Protocol,
    ServerCertificate,
    TcpHandler,
)
from crossfade.compile.routing.routes import Destination
from crossfade.envoy.dump import plain
from crossfade.envoy.listener import listener_from_model, tables_listener
from crossfade.envoy.settings import EnvoyOptions

MESH = HttpHandler("rds", "egress", Dialect.APP_MESH)
KONG = HttpHandler("rds", "kong", Dialect.KONG)
KONG_HTTP2 = HttpHandler("rds", "kong", Dialect.KONG, takes_http2=True)
PASS = TcpHandler((Destination("passthrough"),), "passthrough")
CERTIFICATE = ServerCertificate("CHAIN", "KEY")


def built(*chains: FilterChain, restores: bool = False) -> dict[str, Any]:
    listener = Listener("l", "0.0.0.0", 15001, Direction.OUTBOUND, chains, restores)
    result: dict[str, Any] = plain(listener_from_model(listener, EnvoyOptions()))
    return result


def manager(chain: FilterChain) -> dict[str, Any]:
    listener = built(chain)
    found = listener.get("default_filter_chain") or listener["filter_chains"][0]
    result: dict[str, Any] = found["filters"][0]["typed_config"]
    return result


def told_of(manager: dict[str, Any]) -> dict[str, Any]:
    """What the policy module is told about the listener."""
    (mutation,) = manager["early_header_mutation_extensions"]
    config: dict[str, Any] = json.loads(mutation["typed_config"]["early_header_mutation_config"]["value"])
    return config


def alpn_of(handler: HttpHandler) -> list[str]:
    chain = built(FilterChain("default", handler, certificate=CERTIFICATE))["default_filter_chain"]
    protocols: list[str] = chain["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"]
    return protocols


def test_the_original_port_picks_the_chain_and_nothing_takes_the_rest() -> None:
    listener = built(FilterChain("9080", MESH, destination_port=9080), restores=True)
    assert [one["name"] for one in listener["listener_filters"]] == ["envoy.filters.listener.original_dst"]
    assert [one["filter_chain_match"] for one in listener["filter_chains"]] == [{"destination_port": 9080}]
    assert "default_filter_chain" not in listener
    assert listener["traffic_direction"] == "OUTBOUND"


def test_a_chain_that_asks_for_nothing_takes_the_rest() -> None:
    listener = built(FilterChain("9080", MESH, destination_port=9080), FilterChain("rest", PASS), restores=True)
    assert listener["default_filter_chain"]["name"] == "rest"


def test_only_ports_that_need_the_server_name_wait_for_it() -> None:
    aws = FilterChain("aws", PASS, destination_port=443, server_names=("*.amazonaws.com",))
    listener = built(FilterChain("3306", PASS, destination_port=3306), aws, restores=True)
    inspector = listener["listener_filters"][1]
    assert inspector["name"] == "envoy.filters.listener.tls_inspector"
    assert inspector["filter_disabled"] == {"not_match": {"destination_port_range": {"start": 443, "end": 444}}}


def test_certificates_are_picked_by_server_name() -> None:
    listener = built(
        FilterChain("a", KONG, server_names=("a.test",), one_label_names=("*.b.test",), certificate=CERTIFICATE),
        FilterChain("default", KONG, certificate=CERTIFICATE),
    )
    assert [one["name"] for one in listener["filter_chains"]] == ["a"]
    assert "filter_chain_match" not in listener["filter_chains"][0]
    tree = listener["filter_chain_matcher"]["matcher_tree"]["exact_match_map"]["map"]
    assert {name: found["action"]["typed_config"]["value"] for name, found in tree.items()} == {"a.test": "a"}
    assert "transport_socket" in listener["default_filter_chain"]
    assert "filter_disabled" not in listener["listener_filters"][0]


def test_app_mesh_dialect() -> None:
    found = manager(FilterChain("all", MESH))
    assert [one["name"] for one in found["http_filters"]] == ["envoy.filters.http.router"]
    assert found["codec_type"] == "HTTP1"
    assert found["normalize_path"] is True
    assert found["merge_slashes"] is True
    assert found["path_with_escaped_slashes_action"] == "KEEP_UNCHANGED"
    assert found["upgrade_configs"] == [{"upgrade_type": "websocket"}]
    assert found["internal_address_config"] == {}
    assert found["tracing"] == {}
    assert "use_remote_address" not in found
    assert "server_header_transformation" not in found


def test_http2_and_grpc_speak_http2_by_prior_knowledge() -> None:
    handler = HttpHandler("rds", "s", Dialect.APP_MESH, Protocol.GRPC)
    assert manager(FilterChain("all", handler))["codec_type"] == "HTTP2"


def test_kong_dialect() -> None:
    found = manager(FilterChain("all", KONG))
    gateway, *optional, router = found["http_filters"]
    assert (gateway["name"], router["name"]) == ("gateway", "envoy.filters.http.router")
    assert all(one["disabled"] for one in optional)
    assert router["typed_config"]["suppress_envoy_headers"] is True
    assert found["server_header_transformation"] == "PASS_THROUGH"
    assert found["generate_request_id"] is False
    ignored = found["http_protocol_options"].pop("ignore_http_11_upgrade")[0]["safe_regex"]["regex"]
    words = ("", "w", "web", "websocke", "websockets", "h2c", "TLS/1.2, HTTP/1.1", "websocket", "WebSocket")
    assert [word for word in words if not re.fullmatch(ignored, word)] == ["websocket", "WebSocket"]
    assert found["http_protocol_options"] == {
        "accept_http_10": True,
        "default_host_for_http_10": "_",
        "header_key_format": {"proper_case_words": {}},
    }
    assert found["codec_type"] == "HTTP1"
    assert told_of(found) == {"scheme": "http", "port": 15001}
    assert told_of(manager(FilterChain("all", KONG, certificate=CERTIFICATE))) == {"scheme": "https", "port": 15001}
    assert (found["use_remote_address"], found["skip_xff_append"]) == (True, True)
    assert found.keys().isdisjoint({"tracing", "normalize_path", "merge_slashes"})


def test_kong_speaks_http2_where_its_listener_says_so() -> None:
    assert "codec_type" not in manager(FilterChain("all", KONG_HTTP2))
    assert manager(FilterChain("all", KONG, certificate=CERTIFICATE))["codec_type"] == "HTTP1"
    assert (alpn_of(KONG_HTTP2), alpn_of(KONG)) == (["h2", "http/1.1"], ["http/1.1"])


def test_flags_of_a_listener() -> None:
    chain = FilterChain("default", KONG, certificate=CERTIFICATE)
    flags = Listener("l", "::", 1, Direction.INBOUND, (chain,), False, True, 511, True)
    listener = plain(listener_from_model(flags, EnvoyOptions()))
    names = [one["name"] for one in listener["listener_filters"]]
    assert names == ["envoy.filters.listener.proxy_protocol", "envoy.filters.listener.tls_inspector"]
    assert listener["tcp_backlog_size"] == 511
    assert listener["address"]["socket_address"]["ipv4_compat"] is True


def test_the_policy_modules_tables_come_by_a_listener_that_listens_nowhere() -> None:
    listener = plain(tables_listener(["gateway-root", "gateway-shard-000"]))
    assert listener["bind_to_port"] is False
    *tables, _ = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    assert [one["name"] for one in tables] == ["gateway-root", "gateway-shard-000"]
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    assert all(one["config_discovery"]["config_source"] == source for one in tables)


def test_tcp_leaves_out_what_has_no_weight() -> None:
    handler = TcpHandler((Destination("a", 1), Destination("b", 0)), "tcp", idle_timeout_s=None)
    proxy = manager(FilterChain("all", handler))
    assert proxy["cluster"] == "a"
    assert proxy["idle_timeout"] == "0s"


def test_access_log_formats() -> None:
    def log(value: AccessLog) -> dict[str, Any]:
        handler = HttpHandler("rds", "s", Dialect.APP_MESH, access_log=value)
        one, *_ = manager(FilterChain("all", handler))["access_log"]
        result: dict[str, Any] = one["typed_config"]
        return result

    stdout = log(AccessLog("/dev/stdout"))
    assert stdout == {"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"}
    assert log(AccessLog("/x"))["path"] == "/x"
    assert (
        log(AccessLog("/x", text="%PROTOCOL%\n"))["log_format"]["text_format_source"]["inline_string"] == "%PROTOCOL%\n"
    )
    assert log(AccessLog("/x", json=(("p", "%PROTOCOL%"),)))["log_format"]["json_format"] == {"p": "%PROTOCOL%"}
