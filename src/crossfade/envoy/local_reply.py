"""What Envoy's own errors look like: in the Kong dialect (kong.md §3.9, table G2), and what sidecars add to them.

Each mapper asks for one of Envoy's response flags, or a status that the policy module never answers with; so the
module's own answers pass untouched. Where it sees such a reply on its way out it may still replace the body (format by
`Accept`, request id).
"""

from functools import cache
from typing import Final, NamedTuple

from crossfade.compile.routing.retry import MARK_HEADER, NOT_RETRIED_HEADER, UNANSWERED, UNDELIVERED
from crossfade.envoy import names
from crossfade.envoy.proto import BoolValue, accesslog_v3, core_v3, hcm_v3, matcher_v3

JSON_TYPE: Final = "application/json; charset=utf-8"


class Reply(NamedTuple):
    """Fits when one of `flags` is set and `status` is Envoy's, each if given; the first that fits wins."""

    flags: tuple[str, ...]
    new_status: int
    message: str
    status: int | None = None


REPLIES: Final = (
    Reply(("NR",), 404, "no Route matched with those values"),
    Reply(("UH", "NC"), 503, "failure to get a peer from the ring-balancer"),
    Reply(("UT", "SI"), 504, "The upstream server is timing out", status=504),
    Reply(("UF", "UC", "UR", "URX", "LR", "UPE"), 502, "An invalid response was received from the upstream server"),
    Reply(("UO",), 503, "The upstream server is currently unavailable"),
    Reply(("SI", "DT"), 408, "Request timeout", status=408),
    Reply((), 400, "Request header or cookie too large", status=431),
    Reply(("DPE",), 400, "Bad request", status=400),
)


def kong_local_replies(server_token: str) -> hcm_v3.LocalReplyConfig:
    return hcm_v3.LocalReplyConfig(mappers=[_as_it_is(), *(_mapper(reply, server_token) for reply in REPLIES)])


def _as_it_is() -> hcm_v3.ResponseMapper:
    """For a request on its way through a mesh: a sidecar would answer in Envoy's words, and Kong hand that on."""
    namespace, key = names.MESH_NOTE
    matcher = matcher_v3.MetadataMatcher(filter=namespace)
    matcher.path.add(key=key)
    matcher.value.string_match.exact = "true"
    noted = accesslog_v3.MetadataFilter(matcher=matcher, match_if_key_not_found=BoolValue(value=False))
    return hcm_v3.ResponseMapper(filter=accesslog_v3.AccessLogFilter(metadata_filter=noted))


def _mapper(reply: Reply, server_token: str) -> hcm_v3.ResponseMapper:
    body = f'{{\n  "message":"{reply.message}"\n}}'
    mapper = hcm_v3.ResponseMapper(filter=_filter(reply))
    mapper.status_code.value = reply.new_status
    mapper.body_format_override.text_format_source.inline_string = body
    mapper.body_format_override.content_type = JSON_TYPE
    mapper.headers_to_add.add(
        header=core_v3.HeaderValue(key="server", value=server_token),
        append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return mapper


@cache
def sidecar_local_replies() -> hcm_v3.LocalReplyConfig:
    """What a sidecar adds to its own answers for those that called its application.

    UF: connecting failed, so the application has seen nothing of the request. UC, UR: the connection or the stream
    ended before the answer's first byte. UO: there are too many already, which asking again would make worse.
    Not to be changed: it is one message for all.
    """
    said = (
        (("UF",), MARK_HEADER, UNDELIVERED),
        (("UC", "UR"), MARK_HEADER, UNANSWERED),
        (("UO",), NOT_RETRIED_HEADER, "true"),
    )
    return hcm_v3.LocalReplyConfig(mappers=[_saying(*one) for one in said])


def _saying(flags: tuple[str, ...], header: str, value: str) -> hcm_v3.ResponseMapper:
    filtered = accesslog_v3.AccessLogFilter(response_flag_filter=accesslog_v3.ResponseFlagFilter(flags=flags))
    mapper = hcm_v3.ResponseMapper(filter=filtered)
    mapper.headers_to_add.add(
        header=core_v3.HeaderValue(key=header, value=value),
        append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return mapper


def _filter(reply: Reply) -> accesslog_v3.AccessLogFilter:
    flags = accesslog_v3.AccessLogFilter(response_flag_filter=accesslog_v3.ResponseFlagFilter(flags=reply.flags))
    if reply.status is None:
        return flags
    if not reply.flags:
        return _status_is(reply.status)
    both = accesslog_v3.AccessLogFilter()
    both.and_filter.filters.extend([flags, _status_is(reply.status)])
    return both


def _status_is(status: int) -> accesslog_v3.AccessLogFilter:
    message = accesslog_v3.AccessLogFilter()
    comparison = message.status_code_filter.comparison
    comparison.op = accesslog_v3.ComparisonFilter.EQ
    comparison.value.default_value = status
    comparison.value.runtime_key = "crossfade.unset"
    return message
