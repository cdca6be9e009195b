"""Where Envoy fetches a resource from: always the one ADS stream."""

from crossfade.envoy.proto import core_v3


def ads() -> core_v3.ConfigSource:
    return core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
