"""How large an object may be: etcd takes requests of 1.5 MiB, of which the object is nearly all."""

import json
from collections.abc import Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject

MOST_BYTES: Final = 1_572_864
"""etcd's `--max-request-bytes`, as Kubernetes leaves it."""

# Fields whose keys are data; the keys of others are numbers in protocol buffers.
_MAPS: Final = frozenset({
    "annotations", "binaryData", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests", "selector",
})  # fmt: skip
_HEAD: Final = 4
"""Tag and length of a field."""


def is_too_large(bucket: str, obj: JsonObject, raw: bytes) -> bool:
    """`raw` is the object as JSON. Kubernetes stores custom resources so, its own kinds as protocol buffers."""
    if len(raw) <= MOST_BYTES:
        return False
    group, _, plural = bucket.partition("/")
    if "." in group and not group.endswith(".k8s.io"):
        return True
    return _size(obj, is_secret=plural == "secrets") > MOST_BYTES


def _size(value: Any, *, is_secret: bool, field: str = "") -> int:
    match value:
        case str():
            return len(value.encode(errors="surrogatepass")) + _HEAD
        case Mapping() if field == "fieldsV1":
            return len(json.dumps(value, separators=(",", ":"))) + _HEAD
        case Mapping():
            decoded = field == "binaryData" or (field == "data" and is_secret)
            inner = sum(_size(one, is_secret=is_secret, field=key) for key, one in value.items())
            keys = sum(len(key.encode(errors="surrogatepass")) + _HEAD for key in value) if field in _MAPS else 0
            return (inner * 3 // 4 if decoded else inner) + keys + _HEAD
        case list():
            return sum(_size(one, is_secret=is_secret, field="") for one in value) + _HEAD
        case _:
            return _HEAD
