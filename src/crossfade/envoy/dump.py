"""A resource set as plain data for people and golden files; private keys are left out."""

import json
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from crossfade.envoy.proto import pool
from crossfade.envoy.resource_set import ResourceSet, ResourceType, decoded

SECRET_FIELDS: Final = frozenset({"private_key", "password", "generic_secret"})
TABLE_TYPE: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.GenericSecret"
# Members of the policy module's tables in which secrets can stand, whatever the plugin.
SECRET_MEMBERS: Final = frozenset({"salt", "credentials", "config"})


def plain_resources(resources: ResourceSet) -> dict[str, dict[str, Any]]:
    """Type (`cluster`, `routes`, …) to name to content; the policy module's tables are shown as data, not as text."""
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
    if value.get("@type") == TABLE_TYPE:
        return {"table": _without(SECRET_MEMBERS, json.loads(value["secret"]["inline_string"]))}
    return {key: "***" if key in SECRET_FIELDS else _readable(item) for key, item in value.items()}


def _without(secret: frozenset[str], value: Any) -> Any:
    if isinstance(value, list):
        return [_without(secret, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: "***" if key in secret and item else _without(secret, item) for key, item in value.items()}
