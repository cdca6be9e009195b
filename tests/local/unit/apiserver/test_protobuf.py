"""Binary bodies become the JSON that Go would have written, structs that JSON inlines included."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.types.builtin_resources import ROWS
from crossfade_local.apiserver.wire.protobuf import ProtobufError, decode, messages, name_of

SAMPLES: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "protobuf_samples" / "objects.json.gz").read_bytes())
)


def field(number: int, value: "bytes | str | int") -> bytes:
    """One protobuf field; texts and nested messages shorter than 16 KiB."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


METADATA = field(1, field(1, "jazz") + field(3, "") + field(11, field(1, "app") + field(2, "dj")) + field(8, b""))
PROBE = field(1, field(2, field(1, "/live") + field(2, field(1, 0) + field(2, 9080)) + field(4, "HTTP"))) + field(2, 0)
ENV = field(1, "KEY") + field(3, field(4, field(1, field(1, "secret")) + field(2, "key")))
LIMIT = field(1, field(1, "cpu") + field(2, field(1, "500m")))
CONTAINER = field(1, "app") + field(7, ENV) + field(8, LIMIT) + field(10, PROBE)
VOLUME = field(1, "data") + field(2, field(2, b""))
POD = METADATA + field(2, field(1, VOLUME) + field(2, CONTAINER) + field(4, 0) + field(11, 0))


def test_inlined_structs_are_merged_into_their_parents() -> None:
    pod = decode(envelope("v1", "Pod", POD))
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    assert pod["metadata"] == {"name": "jazz", "labels": {"app": "dj"}}
    assert pod["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]
    container = pod["spec"]["containers"][0]
    assert container["env"] == [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}}]
    assert container["resources"] == {"limits": {"cpu": "500m"}}
    assert container["livenessProbe"] == {"httpGet": {"path": "/live", "port": 9080, "scheme": "HTTP"}}
    # A pointer that is set to zero is a value; a plain zero means unset.
    assert pod["spec"]["terminationGracePeriodSeconds"] == 0
    assert "hostNetwork" not in pod["spec"]


def test_bytes_times_and_negative_numbers() -> None:
    secret = field(1, field(8, field(1, 1_700_000_000))) + field(2, field(1, "k") + field(2, b"\x00\xff"))
    assert decode(envelope("v1", "Secret", secret)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"creationTimestamp": "2023-11-14T22:13:20Z"},
        "data": {"k": "AP8="},
    }
    options = decode(envelope("v1", "DeleteOptions", field(1, -1)))
    assert options["gracePeriodSeconds"] == -1


def test_message_that_is_a_list_in_json() -> None:
    extra = field(1, "scopes") + field(2, field(1, "a") + field(1, "b"))
    review = field(2, field(3, "jane") + field(5, extra))
    spec = decode(envelope("authorization.k8s.io/v1", "SubjectAccessReview", review))["spec"]
    assert spec == {"user": "jane", "extra": {"scopes": ["a", "b"]}}


@pytest.mark.parametrize("body", [b"{}", envelope("v1", "Pod", POD)[:-3], envelope("example.com/v1", "Thing", b"")])
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode(body)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_field_is_read_as_go_writes_it(kind: str) -> None:
    api_version, _, name = kind.rpartition("/")
    sample = SAMPLES[kind]
    read = decode(envelope(api_version, name, base64.b64decode(sample["protobuf"])))
    assert read == {"apiVersion": api_version, "kind": name, **sample["json"]}


def test_all_kinds_that_are_served_are_known() -> None:
    served = {(row.group, row.version, row.kind) for row in ROWS}
    posted = {sub.gvk for row in ROWS for sub in row.subresources if sub.gvk and not sub.gvk[2].endswith("Options")}
    names = {name_of(f"{group}/{version}".strip("/"), kind) for group, version, kind in served | posted}
    assert names - messages().keys() == set()


def custom_resource(schema: bytes) -> bytes:
    spec = field(7, field(1, "v1") + field(4, field(1, schema)))
    return envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, spec))


def test_schemas_that_are_either_or() -> None:
    text, boolean, integer = (field(5, name) for name in ("string", "boolean", "integer"))
    schema = (
        field(8, field(1, "0"))
        + field(24, field(2, text) + field(2, boolean))
        + field(33, field(1, 1) + field(2, integer))
        + field(30, field(1, 0))
        + field(32, field(1, "a") + field(2, field(1, text)))
    )
    version = decode(custom_resource(schema))["spec"]["versions"][0]
    assert version["schema"]["openAPIV3Schema"] == {
        "default": 0,
        "items": [{"type": "string"}, {"type": "boolean"}],
        "additionalItems": {"type": "integer"},
        "additionalProperties": False,
        "dependencies": {"a": {"type": "string"}},
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(field(1, b"\x08" + b"\x80" * 1_000_000), id="a number without end"),
        pytest.param(field(1, b"\x10\x01" * 151_000), id="many fields"),
        pytest.param(field(2, b"\x32\x01\x00" * 151_000), id="many unknown fields"),
    ],
)
def test_what_would_take_long_is_refused(body: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode(envelope("v1", "Pod", body))


def test_schemas_without_end_are_refused() -> None:
    schema = b""
    while len(schema) < 100_000:
        schema = field(28, schema)
    with pytest.raises(ProtobufError, match="nested too deeply"):
        decode(custom_resource(schema))
