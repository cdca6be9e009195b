"""The config maps and secrets that containers take variables from, and what is in such objects."""

import base64
import contextlib
from typing import Any

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import CONFIG_MAP, SECRET
from crossfade_local.kubelet.environment import DataSources, sources_named


async def fetch_sources(client: Client, pod: JsonObject) -> DataSources:
    """What is missing is left out: the container that needs it says so. Raises KubeError."""
    namespace, (config_maps, secrets) = pod["metadata"]["namespace"], sources_named(pod["spec"])
    found: tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]] = ({}, {})
    wanted = ((CONFIG_MAP, config_maps, config_map_data), (SECRET, secrets, secret_data))
    for target, (resource, names, decode) in zip(found, wanted, strict=True):
        for name in sorted(names):
            with contextlib.suppress(NotFound):
                data = decode(await client.get(resource, name, namespace=namespace))
                target[name] = {key: value.decode(errors="surrogateescape") for key, value in data.items()}
    return DataSources(*found)


def config_map_data(config_map: JsonObject) -> dict[str, bytes]:
    data = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    return data | _decoded(config_map.get("binaryData"))


def secret_data(secret: JsonObject) -> dict[str, bytes]:
    return _decoded(secret.get("data"))


def _decoded(data: dict[str, Any] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value or "") for key, value in (data or {}).items()}
