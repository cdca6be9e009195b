"""Envoy's message classes, from the descriptor set generated for the Envoy we ship with.

They live in a pool of their own, so that no other package's idea of Envoy's messages can meet them. A name such as
`cluster_v3` stands for a proto package; a class is made when it is first asked for.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any as AnyObject

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.struct_pb2 import Struct
    from google.protobuf.wrappers_pb2 import BoolValue, StringValue, UInt32Value, UInt64Value

    from crossfade._generated.envoy.stubs.envoy.config.accesslog import v3 as accesslog_v3
    from crossfade._generated.envoy.stubs.envoy.config.cluster import v3 as cluster_v3
    from crossfade._generated.envoy.stubs.envoy.config.core import v3 as core_v3
    from crossfade._generated.envoy.stubs.envoy.config.endpoint import v3 as endpoint_v3
    from crossfade._generated.envoy.stubs.envoy.config.listener import v3 as listener_v3
    from crossfade._generated.envoy.stubs.envoy.config.route import v3 as route_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.dynamic_modules import v3 as dynamic_log_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.file import v3 as file_log_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.filters.process_ratelimit import (
        v3 as log_rate_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.open_telemetry import v3 as otlp_log_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.stats import v3 as stats_log_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.access_loggers.stream import v3 as stream_log_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.clusters.dns import v3 as dns_cluster_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.clusters.dynamic_forward_proxy import v3 as dfp_cluster_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.common.dynamic_forward_proxy import v3 as dfp_common_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.dynamic_modules import v3 as dynamic_modules_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.common.fault import v3 as fault_common_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.buffer import v3 as buffer_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.custom_response import v3 as custom_response_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.dynamic_forward_proxy import v3 as dfp_filter_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.dynamic_modules import (
        v3 as dynamic_module_filter_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.fault import v3 as fault_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.filter_chain import v3 as filter_chain_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.grpc_web import v3 as grpc_web_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.local_ratelimit import v3 as local_ratelimit_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.http.router import v3 as router_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.listener.original_dst import v3 as original_dst_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.listener.proxy_protocol import (
        v3 as proxy_protocol_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.listener.tls_inspector import v3 as tls_inspector_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.network.dynamic_modules import (
        v3 as dynamic_module_network_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.network.sni_dynamic_forward_proxy import (
        v3 as sni_dfp_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.network.tcp_proxy import v3 as tcp_proxy_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.filters.udp.udp_proxy import v3 as udp_proxy_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.http.custom_response.local_response_policy import (
        v3 as local_response_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.http.early_header_mutation.dynamic_modules import (
        v3 as dynamic_module_early_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.http.header_formatters.preserve_case import (
        v3 as preserve_case_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.load_balancing_policies.least_request import (
        v3 as least_request_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.matching.actions.transform_stat import (
        v3 as transform_stat_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.matching.common_inputs.network import v3 as network_inputs_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.matching.common_inputs.stats import v3 as stat_inputs_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.matching.http.dynamic_modules import (
        v3 as dynamic_module_input_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.request_id.uuid import v3 as uuid_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.retry.host.previous_hosts import v3 as previous_hosts_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.router.cluster_specifiers.dynamic_modules import (
        v3 as dynamic_module_specifier_v3,
    )
    from crossfade._generated.envoy.stubs.envoy.extensions.transport_sockets.raw_buffer import v3 as raw_buffer_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.transport_sockets.tls import v3 as tls_v3
    from crossfade._generated.envoy.stubs.envoy.extensions.upstreams.http import v3 as upstream_http_v3
    from crossfade._generated.envoy.stubs.envoy.service.discovery import v3 as discovery_v3
    from crossfade._generated.envoy.stubs.envoy.service.load_stats import v3 as load_stats_v3
    from crossfade._generated.envoy.stubs.envoy.type import v3 as type_v3
    from crossfade._generated.envoy.stubs.envoy.type.matcher import v3 as matcher_v3
    from crossfade._generated.envoy.stubs.opentelemetry.proto.collector.logs import v1 as logs_service_v1
    from crossfade._generated.envoy.stubs.opentelemetry.proto.common import v1 as otlp_common_v1
    from crossfade._generated.envoy.stubs.opentelemetry.proto.logs import v1 as otlp_logs_v1
    from crossfade._generated.envoy.stubs.xds.core import v3 as xds_core_v3
    from crossfade._generated.envoy.stubs.xds.type.matcher import v3 as xds_matcher_v3

__all__ = [
    "TYPE_PREFIX",
    "Any",
    "BoolValue",
    "DescriptorsMissingError",
    "Duration",
    "StringValue",
    "Struct",
    "UInt32Value",
    "UInt64Value",
    "accesslog_v3",
    "buffer_v3",
    "cluster_v3",
    "core_v3",
    "custom_response_v3",
    "dfp_cluster_v3",
    "dfp_common_v3",
    "dfp_filter_v3",
    "discovery_v3",
    "dns_cluster_v3",
    "duration",
    "dynamic_log_v3",
    "dynamic_module_early_v3",
    "dynamic_module_filter_v3",
    "dynamic_module_input_v3",
    "dynamic_module_network_v3",
    "dynamic_module_specifier_v3",
    "dynamic_modules_v3",
    "endpoint_v3",
    "fault_common_v3",
    "fault_v3",
    "file_log_v3",
    "filter_chain_v3",
    "grpc_web_v3",
    "hcm_v3",
    "least_request_v3",
    "listener_v3",
    "load_stats_v3",
    "local_ratelimit_v3",
    "local_response_v3",
    "log_rate_v3",
    "logs_service_v1",
    "matcher_v3",
    "message_class",
    "network_inputs_v3",
    "original_dst_v3",
    "otlp_common_v1",
    "otlp_log_v3",
    "otlp_logs_v1",
    "packed",
    "pool",
    "preserve_case_v3",
    "previous_hosts_v3",
    "proxy_protocol_v3",
    "raw_buffer_v3",
    "route_v3",
    "router_v3",
    "sni_dfp_v3",
    "stat_inputs_v3",
    "stats_log_v3",
    "stream_log_v3",
    "tcp_proxy_v3",
    "tls_inspector_v3",
    "tls_v3",
    "transform_stat_v3",
    "type_url",
    "type_v3",
    "udp_proxy_v3",
    "upstream_http_v3",
    "uuid_v3",
    "xds_core_v3",
    "xds_matcher_v3",
]

DESCRIPTORS = Path(__file__).resolve().parent.parent / "_generated" / "envoy" / "descriptors.binpb"
TYPE_PREFIX = "type.googleapis.com/"


class DescriptorsMissingError(RuntimeError):
    """The generated files are not there."""


@cache
def pool() -> DescriptorPool:
    """All definitions; read once per process."""
    if not DESCRIPTORS.is_file():
        raise DescriptorsMissingError(f"{DESCRIPTORS} is missing; run `python -m generate` in the source tree")
    loaded = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        loaded.Add(file)
    return loaded


@cache
def message_class(full_name: str) -> type[Message]:
    """`KeyError` if this Envoy does not know the message."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


class _Package:
    """Stands for a proto package: messages and enums by name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> AnyObject:
        full_name = f"{self._name}.{name}"
        try:
            value: AnyObject = message_class(full_name)
        except KeyError:
            value = _EnumView(pool().FindEnumTypeByName(full_name).values_by_name)
        setattr(self, name, value)
        return value


class _EnumView:
    """The numbers of an enum as attributes."""

    def __init__(self, values: AnyObject) -> None:
        for name, value in values.items():
            setattr(self, name, value.number)


if not TYPE_CHECKING:
    _well_known = _Package("google.protobuf")

    def __getattr__(name: str) -> AnyObject:
        if name in WELL_KNOWN:
            return getattr(_well_known, name)
        if name in PACKAGES:
            package = globals()[name] = _Package(PACKAGES[name])
            return package
        raise AttributeError(name)


WELL_KNOWN = frozenset({"Any", "BoolValue", "Duration", "StringValue", "Struct", "UInt32Value", "UInt64Value"})
PACKAGES = {
    "buffer_v3": "envoy.extensions.filters.http.buffer.v3",
    "dfp_filter_v3": "envoy.extensions.filters.http.dynamic_forward_proxy.v3",
    "fault_v3": "envoy.extensions.filters.http.fault.v3",
    "local_ratelimit_v3": "envoy.extensions.filters.http.local_ratelimit.v3",
    "sni_dfp_v3": "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3",
    "dfp_cluster_v3": "envoy.extensions.clusters.dynamic_forward_proxy.v3",
    "dfp_common_v3": "envoy.extensions.common.dynamic_forward_proxy.v3",
    "fault_common_v3": "envoy.extensions.filters.common.fault.v3",
    "preserve_case_v3": "envoy.extensions.http.header_formatters.preserve_case.v3",
    "accesslog_v3": "envoy.config.accesslog.v3",
    "cluster_v3": "envoy.config.cluster.v3",
    "core_v3": "envoy.config.core.v3",
    "custom_response_v3": "envoy.extensions.filters.http.custom_response.v3",
    "discovery_v3": "envoy.service.discovery.v3",
    "dns_cluster_v3": "envoy.extensions.clusters.dns.v3",
    "dynamic_log_v3": "envoy.extensions.access_loggers.dynamic_modules.v3",
    "dynamic_module_early_v3": "envoy.extensions.http.early_header_mutation.dynamic_modules.v3",
    "dynamic_modules_v3": "envoy.extensions.dynamic_modules.v3",
    "dynamic_module_filter_v3": "envoy.extensions.filters.http.dynamic_modules.v3",
    "dynamic_module_input_v3": "envoy.extensions.matching.http.dynamic_modules.v3",
    "dynamic_module_network_v3": "envoy.extensions.filters.network.dynamic_modules.v3",
    "dynamic_module_specifier_v3": "envoy.extensions.router.cluster_specifiers.dynamic_modules.v3",
    "endpoint_v3": "envoy.config.endpoint.v3",
    "file_log_v3": "envoy.extensions.access_loggers.file.v3",
    "grpc_web_v3": "envoy.extensions.filters.http.grpc_web.v3",
    "filter_chain_v3": "envoy.extensions.filters.http.filter_chain.v3",
    "hcm_v3": "envoy.extensions.filters.network.http_connection_manager.v3",
    "least_request_v3": "envoy.extensions.load_balancing_policies.least_request.v3",
    "listener_v3": "envoy.config.listener.v3",
    "load_stats_v3": "envoy.service.load_stats.v3",
    "local_response_v3": "envoy.extensions.http.custom_response.local_response_policy.v3",
    "log_rate_v3": "envoy.extensions.access_loggers.filters.process_ratelimit.v3",
    "logs_service_v1": "opentelemetry.proto.collector.logs.v1",
    "matcher_v3": "envoy.type.matcher.v3",
    "network_inputs_v3": "envoy.extensions.matching.common_inputs.network.v3",
    "original_dst_v3": "envoy.extensions.filters.listener.original_dst.v3",
    "otlp_common_v1": "opentelemetry.proto.common.v1",
    "otlp_log_v3": "envoy.extensions.access_loggers.open_telemetry.v3",
    "otlp_logs_v1": "opentelemetry.proto.logs.v1",
    "previous_hosts_v3": "envoy.extensions.retry.host.previous_hosts.v3",
    "raw_buffer_v3": "envoy.extensions.transport_sockets.raw_buffer.v3",
    "route_v3": "envoy.config.route.v3",
    "stat_inputs_v3": "envoy.extensions.matching.common_inputs.stats.v3",
    "stats_log_v3": "envoy.extensions.access_loggers.stats.v3",
    "stream_log_v3": "envoy.extensions.access_loggers.stream.v3",
    "router_v3": "envoy.extensions.filters.http.router.v3",
    "tcp_proxy_v3": "envoy.extensions.filters.network.tcp_proxy.v3",
    "proxy_protocol_v3": "envoy.extensions.filters.listener.proxy_protocol.v3",
    "tls_inspector_v3": "envoy.extensions.filters.listener.tls_inspector.v3",
    "tls_v3": "envoy.extensions.transport_sockets.tls.v3",
    "transform_stat_v3": "envoy.extensions.matching.actions.transform_stat.v3",
    "type_v3": "envoy.type.v3",
    "udp_proxy_v3": "envoy.extensions.filters.udp.udp_proxy.v3",
    "upstream_http_v3": "envoy.extensions.upstreams.http.v3",
    "uuid_v3": "envoy.extensions.request_id.uuid.v3",
    "xds_core_v3": "xds.core.v3",
    "xds_matcher_v3": "xds.type.matcher.v3",
}


def packed(message: Message) -> "Any":
    """Deterministic: equal messages give equal bytes (maps are sorted)."""
    return _any_class()(type_url=type_url(message), value=message.SerializeToString(deterministic=True))


def type_url(message: Message) -> str:
    return TYPE_PREFIX + message.DESCRIPTOR.full_name


def duration(seconds: float) -> "Duration":
    """Exact to the nanosecond that the float gives."""
    nanos = round(seconds * 1_000_000_000)
    return _duration_class()(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


@cache
def _any_class() -> "type[Any]":
    return message_class("google.protobuf.Any")  # type: ignore[return-value]  # the stub stands for the pool's class


@cache
def _duration_class() -> "type[Duration]":
    return message_class("google.protobuf.Duration")  # type: ignore[return-value]  # as above
