"""Asks Envoy whether it would take a resource set: `envoy --mode validate` on a bootstrap with all of it inside."""

import json
import subprocess
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import Message

from crossfade.envoy import names
from crossfade.envoy.binary import envoy_binary
from crossfade.envoy.dump import plain
from crossfade.envoy.proto import cluster_v3, core_v3, endpoint_v3, hcm_v3, listener_v3, packed, route_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, decoded

TIMEOUT_S = 60
_STREAM = {"envoy_grpc": {"cluster_name": names.SDS_CLUSTER}}
_AGENT = {
    "api_config_source": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [_STREAM]},
    "resource_api_version": "V3",
}
M = TypeVar("M", bound=Message)


class InvalidConfigurationError(Exception):
    """Envoy refused; the text is Envoy's."""


def validate(resources: ResourceSet, *, workdir: Path) -> None:
    """Raises `InvalidConfigurationError`. Runs Envoy, which takes a tenth of a second and more."""
    path = workdir / "validate.json"
    path.write_text(json.dumps(static_bootstrap(resources)))
    arguments = [str(envoy_binary()), "--mode", "validate", "-c", str(path), "--log-level", "error"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise InvalidConfigurationError((done.stderr + done.stdout).strip())


def static_bootstrap(resources: ResourceSet) -> dict[str, Any]:
    """What would come in several resources stands in one place: routes in listeners, endpoints in clusters."""
    clusters = [_with_endpoints(one, resources) for one in _decoded(resources, ResourceType.CLUSTER)]
    listeners = [_with_routes(one, resources) for one in _decoded(resources, ResourceType.LISTENER)]
    agent = {"name": names.SDS_CLUSTER, "type": "STATIC"}
    return {
        "node": {"id": "check", "cluster": "check"},
        "static_resources": {
            "clusters": [*(_with_agent(plain(cluster)) for cluster in clusters), agent],
            "listeners": [_with_agent(plain(listener)) for listener in listeners],
        },
        "layered_runtime": {
            "layers": [{"name": "limits", "static_layer": {"re2.max_program_size.error_level": 32768}}]
        },
    }


def _with_agent(value: Any) -> Any:
    """All secrets from the agent: with its own stream Envoy does not only check, and their files are not here."""
    if isinstance(value, list):
        return [_with_agent(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _AGENT if key == "sds_config" else _with_agent(item) for key, item in value.items()}


def _decoded(resources: ResourceSet, kind: ResourceType) -> list[Any]:
    return [decoded(one) for one in resources.of(kind).values()]


def _with_endpoints(cluster: cluster_v3.Cluster, resources: ResourceSet) -> cluster_v3.Cluster:
    if cluster.HasField("eds_cluster_config"):
        cluster.ClearField("eds_cluster_config")
        cluster.type = cluster_v3.Cluster.STATIC
        found = resources.of(ResourceType.ENDPOINTS).get(cluster.name)
        # Endpoints that proxies share come from elsewhere.
        none = endpoint_v3.ClusterLoadAssignment(cluster_name=cluster.name)
        cluster.load_assignment.CopyFrom(
            none if found is None else _typed(decoded(found), endpoint_v3.ClusterLoadAssignment)
        )
    return cluster


def _with_routes(listener: listener_v3.Listener, resources: ResourceSet) -> listener_v3.Listener:
    for chain in [*listener.filter_chains, listener.default_filter_chain]:
        for network_filter in chain.filters:
            if network_filter.name == names.HTTP_CONNECTION_MANAGER:
                manager = hcm_v3.HttpConnectionManager.FromString(network_filter.typed_config.value)
                _inline(manager, resources)
                network_filter.typed_config.CopyFrom(packed(manager))
    if not listener.default_filter_chain.filters:
        listener.ClearField("default_filter_chain")
    return listener


def _inline(manager: hcm_v3.HttpConnectionManager, resources: ResourceSet) -> None:
    if manager.HasField("rds"):
        table = resources.of(ResourceType.ROUTES)[manager.rds.route_config_name]
        manager.route_config.CopyFrom(_typed(decoded(table), route_v3.RouteConfiguration))
    for http_filter in manager.http_filters:
        if not http_filter.HasField("config_discovery"):
            continue
        found = resources.of(ResourceType.EXTENSION).get(http_filter.name)
        if found is not None:
            extension = _typed(decoded(found), core_v3.TypedExtensionConfig)
            http_filter.typed_config.CopyFrom(extension.typed_config)
        else:
            http_filter.typed_config.CopyFrom(http_filter.config_discovery.default_config)


def _typed(message: Message, expected: type[M]) -> M:
    if not isinstance(message, expected):
        raise TypeError(f"{message.DESCRIPTOR.full_name} where {expected} belongs")
    return message
