"""How large an object may be: etcd takes requests of 1.5 MiB, of which the object is nearly all."""

from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values.copies import COMPOSITES

MOST_BYTES: Final = 1_572_864
"""etcd's `--max-request-bytes`, as Kubernetes leaves it."""

_MOST_SENT: Final = 2 * 1024 * 1024
# Fields whose keys are data; the keys of others are numbers in protocol buffers.
_MAPS: Final = frozenset({
    "annotations", "binaryData", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests", "selector",
})  # fmt: skip
_GROUPS_IN_JSON: Final = frozenset({"apiextensions.k8s.io", "apiregistration.k8s.io"})
_HEAD: Final = 4
"""Tag and length of a field."""


class TooLarge(Exception):  # noqa: N818 - it is an outcome, not a fault
    """The object is larger than a store of Kubernetes takes; nothing changed."""

    def __init__(self, size: int = 0) -> None:
        """What its client for the store does not send at all it says itself."""
        sent = f"trying to send message larger than max ({size} vs. {_MOST_SENT})"
        is_sent = size <= _MOST_SENT
        super().__init__(
            "etcdserver: request is too large" if is_sent else f"rpc error: code = ResourceExhausted desc = {sent}"
        )


def check_size(bucket: str, obj: JsonObject, raw: bytes) -> None:
    """`raw` is the object as JSON. Kubernetes stores custom resources so, most of its own kinds as protocol buffers.

    Raises TooLarge.
    """
    if len(raw) <= MOST_BYTES:
        return
    group, _, plural = bucket.partition("/")
    in_json = group in _GROUPS_IN_JSON or ("." in group and not group.endswith(".k8s.io"))
    size = len(raw) if in_json else _size(obj, is_secret=plural == "secrets")
    if size > MOST_BYTES:
        raise TooLarge(size)


def _size(value: Any, *, is_secret: bool, field: str = "") -> int:
    if isinstance(value, str):
        return _HEAD + _length(value)
    if isinstance(value, list):
        return _HEAD + sum([_size(one, is_secret=is_secret) if one else _HEAD for one in value])
    if not isinstance(value, dict):
        return _HEAD
    if field == "fieldsV1":
        return _HEAD + len(orjson.dumps(value))
    inner = _HEAD * len(value)
    for key, one in value.items():
        if type(one) is str:
            inner += _length(one)
        elif type(one) in COMPOSITES:
            inner += _size(one, is_secret=is_secret, field=key) - _HEAD
    if field == "binaryData" or (field == "data" and is_secret):
        inner = inner * 3 // 4
    keys = sum(map(_length, value)) + _HEAD * len(value) if field in _MAPS else 0
    return _HEAD + inner + keys


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
