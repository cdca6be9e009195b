"""Where Envoy fetches a resource from: always the one ADS stream."""

from crossfade.envoy.proto import core_v3, duration


def ads(*, waits_for_ever: bool = False) -> core_v3.ConfigSource:
    """Else Envoy goes on without the resource after 15 s."""
    source = core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
    if waits_for_ever:
        source.initial_fetch_timeout.CopyFrom(duration(0))
    return source
