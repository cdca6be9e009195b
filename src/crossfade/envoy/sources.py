"""Where Envoy fetches a resource from: the one ADS stream, and for few secrets another control plane."""

from typing import Final

from crossfade.envoy import names
from crossfade.envoy.proto import core_v3, duration

# As long as a gateway's first configuration waits for its identity, if the mesh's controller is away.
_IDENTITY_WAIT_S: Final = 3.0


def ads(*, waits_for_ever: bool = False) -> core_v3.ConfigSource:
    """Else Envoy goes on without the resource after 15 s."""
    source = core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
    if waits_for_ever:
        source.initial_fetch_timeout.CopyFrom(duration(0))
    return source


def mesh_identities() -> core_v3.ConfigSource:
    """While there is no identity a cluster that needs one connects to nobody; it never does without TLS."""
    source = core_v3.ConfigSource(resource_api_version=core_v3.ApiVersion.V3)
    source.api_config_source.api_type = core_v3.ApiConfigSource.DELTA_GRPC
    source.api_config_source.transport_api_version = core_v3.ApiVersion.V3
    source.api_config_source.set_node_on_first_message_only = True
    service = source.api_config_source.grpc_services.add().envoy_grpc
    service.cluster_name = names.IDENTITIES_CLUSTER
    service.retry_policy.retry_back_off.base_interval.CopyFrom(duration(0.1))
    service.retry_policy.retry_back_off.max_interval.CopyFrom(duration(1))
    source.initial_fetch_timeout.CopyFrom(duration(_IDENTITY_WAIT_S))
    return source
