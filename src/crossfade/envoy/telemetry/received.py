"""What a proxy has sent by the access log of `telemetry.records`, read again."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from google.protobuf.message import DecodeError

from crossfade.envoy.proto import logs_service_v1, otlp_logs_v1


class Told(NamedTuple):
    """`began_ns` is since 1970, `trace` empty unless the proxy traces; `texts` are `-` for nothing."""

    began_ns: int
    trace: str
    texts: Mapping[str, str]


def logs_in(call: bytes) -> Iterator[bytes]:
    """The single logs of one call, each as it came. Raises ValueError."""
    try:
        request = logs_service_v1.ExportLogsServiceRequest.FromString(call)
    except DecodeError as error:
        raise ValueError("no call of OTLP") from error
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for log in scope.log_records:
                yield log.SerializeToString()


def told_in(log: bytes) -> Told:
    """Raises ValueError."""
    try:
        read = otlp_logs_v1.LogRecord.FromString(log)
    except DecodeError as error:
        raise ValueError("no log of OTLP") from error
    return Told(read.time_unix_nano, read.trace_id.hex(), {one.key: one.value.string_value for one in read.attributes})
