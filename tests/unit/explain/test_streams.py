"""What is told of connections and datagrams: which rule takes them, or why none does."""

import io
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.admin_api.entities import all_entities
from crossfade.certs.default_certificate import self_signed_certificate
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.explain.model import StreamExplanation
from crossfade.explain.request import BadRequest
from crossfade.explain.streams import explain_stream, stream_question_of
from crossfade.explain.text import stream_lines_of
from crossfade.gateway_files.given import GivenFiles
from crossfade.gateway_files.once import compiled_files
from crossfade.kong_conf.listen import stream_listens
from crossfade.kong_conf.settings import KongSettings
from tests.unit.explain.manifests import STREAMS

LISTEN = "127.0.0.1:9000, 0.0.0.0:9001, 0.0.0.0:9443 ssl, 0.0.0.0:9053 udp"


@cache
def compiled() -> CompiledGateway:
    kong = KongSettings(stream_listen=stream_listens(LISTEN))
    settings = CompileSettings(kong=kong, salt=b"salt", default_certificate=self_signed_certificate())
    return compiled_files(GivenFiles(["-"], stdin=io.StringIO(STREAMS)), settings)[0]


def explain(url: str) -> StreamExplanation:
    return explain_stream(compiled(), stream_question_of(url))


@pytest.mark.parametrize(
    ("url", "rule", "tls"),
    [
        ("tcp://127.0.0.1:9000", "default.db.0", ""),
        ("tcp://gateway.test:9000", "default.db.0", ""),
        ("tls://any.test:9000", "default.db.0", "passed through"),
        ("tls://db.test:9443", "default.named.0", "ended here"),
        ("TLS://DB.test:9443", "default.named.0", "ended here"),
        ("tls://raw.test:9443", "default.through.0", "passed through"),
        ("udp://127.0.0.1:9053", "default.names.0.udp", ""),
    ],
)
def test_which_rule_takes_it(url: str, rule: str, tls: str) -> None:
    found = explain(url)
    assert (found.refusal, found.rule and (found.rule.name, found.rule.tls)) == ("", (rule, tls))
    assert found.service is not None
    assert found.service.endpoints == ("127.0.0.1:5432",)
    assert found.service.object == ("Service default/dns" if url.startswith("udp") else "Service default/db")
    assert list(stream_lines_of(found))[-1] == f"  forwards  to {found.service.name}"


@pytest.mark.parametrize(
    ("url", "refusal", "codes"),
    [
        ("tcp://192.0.2.1:9000", "nothing listens there", ["stream.taken"]),
        ("udp://127.0.0.1:9000", "nothing listens there", []),
        ("tcp://127.0.0.1:9999", "nothing listens there", ["stream.no-listener"]),
        ("tcp://127.0.0.1:9001", "nothing listens there", ["stream.unguarded"]),
        ("tls://other.test:9443", "no rule at this port is for the server name other.test", []),
        ("tls://127.0.0.1:9443", "no rule at this port is for connections without a server name", []),
        ("tcp://127.0.0.1:9443", "no rule at this port is for connections without a server name", []),
        ("tcp://127.0.0.1:8000", "the port takes HTTP requests", []),
        ("tls://a.wide.test:9443", "has no endpoint", None),
    ],
)
def test_why_nothing_reaches_a_service(url: str, refusal: str, codes: list[str] | None) -> None:
    found = explain(url)
    assert refusal in found.refusal
    told = [each.code for each in found.diagnostics if each.code.startswith("stream.")]
    assert codes is None or set(codes) <= set(told)
    assert any(line.startswith("  refused") for line in stream_lines_of(found))


@pytest.mark.parametrize(
    "url",
    ["tcp://h", "tcp://h:0", "tcp://h:x", "tcp://:9", "tcp://h:9/path", "tcp://u@h:9", "http://h:9", "tcp://h:9?q"],
)
def test_what_is_no_question(url: str) -> None:
    with pytest.raises(BadRequest):
        stream_question_of(url)


@given(st.sampled_from(["tcp", "tls", "udp"]), st.text(max_size=20), st.integers(0, 70000))
def test_any_host_is_explained_or_refused(scheme: str, host: str, port: int) -> None:
    try:
        question = stream_question_of(f"{scheme}://{host}:{port}")
    except BadRequest:
        return
    assert list(stream_lines_of(explain_stream(compiled(), question)))


def test_rules_are_routes_of_the_admin_api() -> None:
    entities = all_entities(compiled().entities)
    routes = {route["name"]: route for route in entities["routes"]}
    assert {name: (one["protocols"], one["snis"], one["destinations"]) for name, one in routes.items()} == {
        "default.db.0": (["tcp", "tls"], None, [{"port": 9000}]),
        "default.named.0": (["tcp", "tls"], ["db.test"], [{"port": 9443}]),
        "default.named.1": (["tcp", "tls"], ["*.wide.test"], [{"port": 9443}]),
        "default.through.0": (["tls_passthrough"], ["raw.test"], [{"port": 9443}]),
        "default.guarded.0": (["tcp", "tls"], None, [{"port": 9001}]),
        "default.names.0.udp": (["udp"], None, [{"port": 9053}]),
    }
    services = {service["id"] for service in entities["services"]}
    assert all(route["service"]["id"] in services for route in routes.values())
