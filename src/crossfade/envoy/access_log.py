"""Access log to a file or a standard stream."""

from crossfade.compile.model import AccessLog
from crossfade.envoy import names
from crossfade.envoy.proto import Struct, accesslog_v3, core_v3, file_log_v3, packed


def access_logs(log: AccessLog | None) -> list[accesslog_v3.AccessLog]:
    """What the field `access_log` of a connection manager or TCP proxy takes."""
    if log is None:
        return []
    file = file_log_v3.FileAccessLog(path=log.path)
    if log.json:
        layout = Struct()
        for key, value in log.json:
            layout.fields[key].string_value = value
        file.log_format.json_format.CopyFrom(layout)
    elif log.text is not None:
        file.log_format.CopyFrom(
            core_v3.SubstitutionFormatString(text_format_source=core_v3.DataSource(inline_string=log.text))
        )
    return [accesslog_v3.AccessLog(name=names.FILE_ACCESS_LOG, typed_config=packed(file))]
