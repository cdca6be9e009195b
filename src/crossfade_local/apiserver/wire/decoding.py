"""Request bodies in JSON, YAML or protobuf become objects; refusals carry Kubernetes' words."""

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values import gojson
from crossfade_local.apiserver.wire import protobuf
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, unsupported_body

JSON: Final = "application/json"
YAML: Final = "application/yaml"
MEDIA_TYPES: Final = (JSON, YAML, protobuf.MEDIA_TYPE)
_SHOWN: Final = 30
"""Characters of a broken body that are quoted in the message."""


@dataclass(frozen=True)
class Body:
    """A decoded body, with the paths of the fields that were given twice."""

    object: JsonObject
    duplicates: tuple[str, ...] = ()


def media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def decode(call: Call, kind: str) -> Body:
    """The object that a request carries; raises StatusError. `kind` is what should be there, for the message."""
    content = media_type(call.headers.get("Content-Type", "")) or JSON
    if content == protobuf.MEDIA_TYPE:
        try:
            return Body(protobuf.decode(call.body))
        except protobuf.ProtobufError as error:
            raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {error}") from error
    if content == JSON:
        return _json(call, kind)
    if content == YAML:
        return Body(_object(yaml_value(call.body), kind, call.body))
    raise unsupported_body(MEDIA_TYPES)


def patch(body: bytes, prefix: str = "") -> Any:
    """The value of a patch in JSON; raises StatusError, whose words begin with `prefix`."""
    try:
        return gojson.parse(body)
    except gojson.JsonError as error:
        raise bad_request(f"{prefix}{error}") from error


def yaml_value(body: bytes) -> Any:
    """The value of a YAML (or JSON) body; raises StatusError."""
    if body.lstrip().startswith(b"{"):
        with contextlib.suppress(gojson.JsonError):
            return gojson.parse(body)
    from crossfade_local.apiserver.wire import yaml_text

    return yaml_text.parse(body)


def _json(call: Call, kind: str) -> Body:
    try:
        value = gojson.parse(call.body)
    except gojson.JsonError as error:
        raise _unrecognised(
            kind, f"couldn't get version/kind; json parse error: {error}", call.body.decode(errors="replace")
        ) from error
    strict = call.query.get("fieldValidation") in ("Strict", "Warn")
    return Body(_object(value, kind, call.body), tuple(gojson.duplicates(call.body)) if strict else ())


def _object(value: Any, kind: str, body: bytes) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        why = (
            "couldn't get version/kind; json parse error: json: cannot unmarshal"
            f" {_json_type(value)} into Go value of type struct"
            ' { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        raise _unrecognised(kind, why, body.hex())
    return value


def _json_type(value: Any) -> str:
    return {list: "array", str: "string", bool: "bool", int: "number", float: "number"}.get(type(value), "null")


def _unrecognised(kind: str, why: str, text: str) -> StatusError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({shown or '<empty>'})")
