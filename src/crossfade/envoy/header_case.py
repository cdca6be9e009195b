"""How names of headers are written in HTTP/1; Envoy's own way is lower case."""

from crossfade.compile.model import HeaderCase
from crossfade.envoy import names
from crossfade.envoy.proto import core_v3, packed, preserve_case_v3


def fill_header_case(message: core_v3.Http1ProtocolOptions.HeaderKeyFormat, case: HeaderCase) -> None:
    match case:
        case HeaderCase.PROPER:
            message.proper_case_words.SetInParent()
        case HeaderCase.PRESERVE:
            message.stateful_formatter.name = names.PRESERVE_CASE
            message.stateful_formatter.typed_config.CopyFrom(packed(preserve_case_v3.PreserveCaseFormatterConfig()))
