"""A resource set as plain data for people and golden files; private keys are left out."""

import json
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from crossfade.envoy.proto import pool
from crossfade.envoy.resource_set import ResourceSet, ResourceType, decoded

SECRET_FIELDS: Final = frozenset({"private_key", "password", "generic_secret"})
STRING_TYPE: Final = "type.googleapis.com/google.protobuf.StringValue"


def plain_resources(resources: ResourceSet) -> dict[str, dict[str, Any]]:
    """Type (`cluster`, `routes`, …) to name to content; the policy module's JSON is shown as data, not as text."""
    return {
        kind.name.lower(): {name: _readable(plain(decoded(one))) for name, one in resources.of(kind).items()}
        for kind in ResourceType
        if resources.of(kind)
    }


def plain(message: Message) -> Any:
    """Field names as in Envoy's documentation."""
    return MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool())


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("@type") == STRING_TYPE and str(value.get("value", "")).startswith("{"):
        return {"json": json.loads(value["value"])}
    return {key: "***" if key in SECRET_FIELDS else _readable(item) for key, item in value.items()}
