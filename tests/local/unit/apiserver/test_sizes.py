"""What is too large for a store of Kubernetes: etcd's limit, on what Kubernetes would send it."""

import base64
import contextlib
import os
from typing import Any

import orjson
import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.sizes import TooLarge, check_size
from crossfade_local.apiserver.state.storage import Storage

MIB = 1024 * 1024


def config_map(text: str) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "data": {"key": text}}


@pytest.mark.parametrize(
    ("bucket", "obj", "too_large"),
    [
        ("example.com/things", {"spec": {"text": "x" * MIB}}, False),
        ("example.com/things", {"spec": {"text": "x" * (3 * MIB // 2)}}, True),
        ("apiextensions.k8s.io/customresourcedefinitions", {"spec": {"names": {"plural": "\n" * MIB}}}, True),
        # Twice as long in JSON, which only custom resources are stored in.
        ("example.com/things", {"spec": {"text": "\n" * MIB}}, True),
        ("/configmaps", config_map("\n" * MIB), False),
        ("/configmaps", config_map("x" * (3 * MIB // 2)), True),
        ("/configmaps", {"metadata": {"annotations": {"x" * (MIB * 3 // 2): ""}}}, True),
        ("/secrets", {"data": {"key": base64.b64encode(os.urandom(5 * MIB // 4)).decode()}}, False),
        ("/secrets", {"data": {"key": base64.b64encode(os.urandom(7 * MIB // 4)).decode()}}, True),
        ("/pods", {"metadata": {"managedFields": [{"fieldsV1": {"f:x": {"y" * 2 * MIB: {}}}}]}}, True),
        ("discovery.k8s.io/endpointslices", {"endpoints": [{"conditions": {"ready": True}}] * 40_000}, False),
    ],
)
def test_limit(bucket: str, obj: dict[str, Any], too_large: bool) -> None:
    with pytest.raises(TooLarge) if too_large else contextlib.nullcontext():
        check_size(bucket, obj, orjson.dumps(obj))


def test_what_is_larger_than_a_message_is_not_sent() -> None:
    obj = {"spec": {"text": "x" * (2 * MIB)}}
    raw = orjson.dumps(obj)
    with pytest.raises(TooLarge) as raised:
        check_size("example.com/things", obj, raw)
    sent = f"trying to send message larger than max ({len(raw)} vs. 2097152)"
    assert str(raised.value) == f"rpc error: code = ResourceExhausted desc = {sent}"


async def test_store_refuses_and_stays_as_it_was() -> None:
    storage = Storage(Database(None))
    kept = await storage.create("/configmaps", "ns", "a", config_map("x"))
    for write in (
        storage.create("/configmaps", "ns", "b", config_map("x" * (7 * MIB // 4))),
        storage.update("/configmaps", kept, config_map("x" * (7 * MIB // 4))),
    ):
        with pytest.raises(TooLarge, match="etcdserver: request is too large"):
            await write
    assert (storage.revision, storage.count("/configmaps")) == (kept.revision, 1)
    # What is there already can always be removed.
    await storage.delete("/configmaps", kept)
    storage.close()
