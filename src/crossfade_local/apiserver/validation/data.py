"""Validation of Secrets and ConfigMaps."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, forbidden, invalid, required, too_long
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.values.gojson import JsonError, json_type, parse
from crossfade_local.values.fields import mapping, text

_LIMIT: Final = 1024 * 1024
_FROZEN: Final = "field is immutable when `immutable` is set"
_REDACTED: Final = "<secret contents redacted>"
_ACCOUNT: Final = "kubernetes.io/service-account.name"
_REQUIRED_KEYS: Final = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_CONFIGS: Final = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def validate_secret(obj: JsonObject) -> Iterator[FieldError]:
    data, kind = mapping(obj, "data"), text(obj, "type")
    yield from _validate_keys("data", data)
    yield from secret_too_long(obj)
    if kind == "kubernetes.io/service-account-token":
        account = mapping(obj, "metadata", "annotations").get(_ACCOUNT)
        if not account:
            yield required(f"metadata.annotations[{_ACCOUNT}]")
    elif kind in _CONFIGS:
        yield from _validate_config(f"data[{_CONFIGS[kind]}]", data.get(_CONFIGS[kind]))
    elif kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data or (key == "ssh-privatekey" and not data[key]):
            yield required(f"data[{key}]")


def validate_secret_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("type", text(new, "type"), text(old, "type"))
    yield from validate_frozen(new, old, ("data",))


def validate_config_map_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from validate_frozen(new, old, ("data", "binaryData"))


def validate_frozen(new: JsonObject, old: JsonObject, fields: tuple[str, ...]) -> Iterator[FieldError]:
    """Nothing of an immutable object changes, and it stays immutable."""
    if old.get("immutable") is not True:
        return
    if new.get("immutable") is not True:
        yield forbidden("immutable", _FROZEN)
    for name in fields:
        if mapping(new, name) != mapping(old, name):
            yield forbidden(name, _FROZEN)


def validate_config_map(obj: JsonObject) -> Iterator[FieldError]:
    data, binary = mapping(obj, "data"), mapping(obj, "binaryData")
    for key in sorted(data):
        yield from each(f"data[{key}]", key, names.config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _validate_keys("binaryData", binary)
    yield from config_map_too_long(obj)


def secret_too_long(obj: JsonObject) -> Iterator[FieldError]:
    if sum(len(_decoded(value)) for value in mapping(obj, "data").values()) > _LIMIT:
        yield too_long("data", _LIMIT)


def config_map_too_long(obj: JsonObject) -> Iterator[FieldError]:
    size = sum(len(str(value).encode()) for value in mapping(obj, "data").values())
    if size + sum(len(_decoded(value)) for value in mapping(obj, "binaryData").values()) > _LIMIT:
        yield too_long("[]", _LIMIT)


def _validate_keys(field: str, data: JsonObject) -> Iterator[FieldError]:
    for key in sorted(data):
        yield from each(f"{field}[{key}]", key, names.config_key(key))


def _validate_config(field: str, value: Any) -> Iterator[FieldError]:
    if value is None:
        yield required(field)
        return
    try:
        found = parse(_decoded(value))
    except JsonError as error:
        yield invalid(field, _REDACTED, str(error))
        return
    if not isinstance(found, dict) and found is not None:
        said = f"json: cannot unmarshal {json_type(found)} into Go value of type map[string]interface {{}}"
        yield invalid(field, _REDACTED, said)


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value or "")
    except (binascii.Error, TypeError, ValueError):
        return b""
