"""Paths, JSON faults and Accept headers are understood as Kubernetes understands them."""

import pytest
import yaml

from crossfade_local.apiserver.values.gojson import MOST_DEPTH, JsonError, duplicates, parse
from crossfade_local.apiserver.wire import yaml_text
from crossfade_local.apiserver.wire.negotiation import negotiate
from crossfade_local.apiserver.wire.request import request_info
from crossfade_local.apiserver.wire.status import StatusError

PATHS = [
    ("GET", "/api/v1/pods", {}, ("list", "", "pods", "", "", "")),
    ("GET", "/api/v1/pods", {"watch": "true"}, ("watch", "", "pods", "", "", "")),
    ("GET", "/api/v1/namespaces/a/pods/p", {}, ("get", "", "pods", "", "a", "p")),
    ("GET", "/api/v1/watch/namespaces/a/pods", {}, ("watch", "", "pods", "", "a", "")),
    ("POST", "/api/v1/namespaces/a/pods/p/eviction", {}, ("create", "", "pods", "eviction", "a", "p")),
    ("PUT", "/api/v1/namespaces/a/finalize", {}, ("update", "", "namespaces", "finalize", "a", "a")),
    ("DELETE", "/apis/apps/v1/namespaces/a/deployments", {}, ("deletecollection", "apps", "deployments", "", "a", "")),
    ("GET", "/api/v1/nodes", {"fieldSelector": "metadata.name=n"}, ("list", "", "nodes", "", "", "n")),
    ("GET", "/openapi/v3/api/v1", {}, ("get", "", "", "", "", "")),
    ("GET", "/apis/apps/v1", {}, ("get", "", "", "", "", "")),
]


@pytest.mark.parametrize(("method", "path", "query", "expected"), PATHS)
def test_request_info(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    info = request_info(method, path, query)
    assert (info.verb, info.group, info.resource, info.subresource, info.namespace, info.name) == expected


FAULTS = [
    ("", "unexpected end of JSON input"),
    ('{"a": ', "unexpected end of JSON input"),
    ("{bad", "invalid character 'b' looking for beginning of object key string"),
    ('{"a" 1}', "invalid character '1' after object key"),
    ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
    ("[1 2]", "invalid character '2' after array element"),
    ("{} x", "invalid character 'x' after top-level value"),
    ("trye", "invalid character 'y' in literal true (expecting 'u')"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_json_fault_is_named_as_go_does(text: str, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse(text.encode())
    assert str(caught.value) == message


def test_doubled_fields_are_found_at_any_depth() -> None:
    assert duplicates(b'{"a": {"x": 1, "x": 2}, "b": 1}') == ["x"]


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
ACCEPTS = [
    ("", ("application/json", "")),
    (f"{TABLE},application/json", ("application/json", "Table")),
    ("application/vnd.kubernetes.protobuf,application/json", ("application/json", "")),
    ("application/json;as=Table;v=v9;g=meta.k8s.io,application/yaml", ("application/yaml", "")),
    ("text/html;q=0.9,*/*;q=0.8", ("application/json", "")),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS)
def test_first_acceptable_form_is_taken(accept: str, expected: tuple[str, str]) -> None:
    form = negotiate(accept)
    assert (form.encoding, form.convert) == expected


def test_nothing_acceptable() -> None:
    with pytest.raises(StatusError) as caught:
        negotiate("text/html")
    assert caught.value.code == 406


@pytest.mark.parametrize("outer", ["[%s]", '{"a": %s}'])
def test_what_is_nested_too_deep_is_not_read(outer: str) -> None:
    text = "1"
    for _ in range(MOST_DEPTH):
        text = outer % text
    assert parse(text.encode())
    assert yaml_text.parse(text.encode())
    with pytest.raises(JsonError, match=f"exceeded max depth: .* {MOST_DEPTH} levels"):
        parse((outer % text).encode())
    with pytest.raises(StatusError, match=f"exceeded max depth: .* {MOST_DEPTH} levels"):
        yaml_text.parse((outer % text).encode())


def test_yaml_that_takes_long_to_read_is_refused_with_the_way_out() -> None:
    with pytest.raises(StatusError, match="limit of YAML is 524288: send the object as JSON") as refused:
        yaml_text.parse(b"a: " + b"b" * 600_000)
    assert refused.value.code == 413


@pytest.mark.parametrize(("count", "style"), [(3, b"- a: 0"), (100_000, b'[{"a":0}')])
def test_yaml_answers_read_the_same_in_either_style(count: int, style: bytes) -> None:
    value = [{"a": number} for number in range(count)]
    written = yaml_text.write(value)
    assert written.startswith(style)
    assert yaml.load(written, Loader=yaml.CSafeLoader) == value
