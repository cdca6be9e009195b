"""What expressions make for patches, as JSON."""

import base64
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from crossfade_local.apiserver.cel_engine import engine

MESSAGE_TYPE: Final = "\0type"
_MESSAGE: Final = "type"
_MOST_EXACT: Final = 2**53 - 1
"""Kubernetes makes texts of integers that a double does not hold."""
_NAMES: Final = {"cidr": "CIDR", "ip": "IP", "quantity": "Quantity", "semver": "Semver", "url": "URL"}
_INFINITE: Final = {math.inf: "+Inf", -math.inf: "-Inf"}


class NoJsonError(Exception):
    """The text says why, in Kubernetes' words."""


def patch_value(value: Any) -> Any:
    """Of an operation of a JSON patch. Raises NoJsonError."""
    if isinstance(value, int) and abs(value) > _MOST_EXACT:
        return str(value)
    if _is_nothing(value):
        raise NoJsonError("optional.none() dereference")
    if isinstance(value, float) and not math.isfinite(value):
        said = f"proto: google.protobuf.Value.number_value: invalid {_INFINITE.get(value, 'NaN')} value"
        raise NoJsonError(f"json: error calling MarshalJSON for type *structpb.Value: {said}")
    return _value(value, patch_value)


def applied_value(value: Any) -> Any:
    """Of a configuration that is applied: a field is left out whose value is optional and not there."""
    if isinstance(value, float) and not math.isfinite(value):
        raise NoJsonError(f"json: unsupported value: {_INFINITE.get(value, 'NaN')}")
    if isinstance(value, dict):
        value = {key: one for key, one in value.items() if not _is_nothing(one)}
    return _value(value, applied_value)


def _is_nothing(value: Any) -> bool:
    return isinstance(value, engine().OptionalValue) and not value.has_value()


def _value(value: Any, inner: Callable[[Any], Any]) -> Any:
    """`inner` is for what is in it. Raises NoJsonError."""
    # Later than the engine, of which the library is a part.
    from crossfade_local.apiserver.crd.cel_library.values import kind_of, text_of

    match value:
        case datetime() | timedelta():
            return text_of(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [inner(item) for item in value]
        case dict():
            if (kind := kind_of(value)) not in ("", _MESSAGE):
                raise NoJsonError(f"type conversion error from '{_NAMES.get(kind, kind)}' to '*structpb.Value'")
            return {_key(key): inner(part) for key, part in value.items() if key != MESSAGE_TYPE}
        case None | bool() | int() | float() | str():
            return value
        case _ if isinstance(value, engine().OptionalValue) and value.has_value():
            return inner(value.value())
    raise NoJsonError("unsupported type")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        raise NoJsonError("type conversion error from bool to 'string'")
    raise NoJsonError("unsupported type conversion from 'int' to string")
