"""Access log to a file or a standard stream."""

from google.protobuf.message import Message

from crossfade.compile.model import AccessLog
from crossfade.envoy import names
from crossfade.envoy.proto import Struct, accesslog_v3, core_v3, file_log_v3, packed, stream_log_v3


def access_logs(log: AccessLog | None) -> list[accesslog_v3.AccessLog]:
    """What the field `access_log` of a connection manager or TCP proxy takes."""
    if log is None:
        return []
    name, message = _sink(log)
    return [accesslog_v3.AccessLog(name=name, typed_config=packed(message))]


def _sink(log: AccessLog) -> tuple[str, Message]:
    """Standard streams are written to as they are: opening `/dev/stdout` fails where another user made the pipe."""
    log_format = _format(log)
    if log.path == "/dev/stdout":
        return names.STDOUT_ACCESS_LOG, stream_log_v3.StdoutAccessLog(log_format=log_format)
    if log.path == "/dev/stderr":
        return names.STDERR_ACCESS_LOG, stream_log_v3.StderrAccessLog(log_format=log_format)
    return names.FILE_ACCESS_LOG, file_log_v3.FileAccessLog(path=log.path, log_format=log_format)


def _format(log: AccessLog) -> core_v3.SubstitutionFormatString | None:
    if log.json:
        layout = Struct()
        for key, value in log.json:
            layout.fields[key].string_value = value
        return core_v3.SubstitutionFormatString(json_format=layout)
    if log.text is not None:
        return core_v3.SubstitutionFormatString(text_format_source=core_v3.DataSource(inline_string=log.text))
    return None
