"""Judges access log formats as Envoy 1.40 does, which refuses a whole listener for one wrong operator.

`%COMMAND(PARAMETERS):LENGTH%`, and `%%` for a percent sign. Operators that need an expression of their own (CEL,
COALESCE) and those of extensions are not listed, so they count as unknown.
"""

import re
from collections.abc import Callable
from typing import Final

from crossfade.api.bounds import Bounds, Misfit, encodable, header_name

_COMMAND: Final = re.compile(r"%(?P<name>[A-Z0-9_]+)(?:\((?P<given>.*?)\))?(?::(?P<length>[0-9]+))?%")
_LENGTH: Final = Bounds(0, (1 << 64) - 1)
_SHOWN: Final = 40


def log_format(text: str) -> str | Misfit:
    """The text itself, or what is wrong with it."""
    if isinstance(checked := encodable(text), Misfit):
        return checked
    position = 0
    while (start := text.find("%", position)) != -1:
        if text.startswith("%%", start):
            position = start + 2
            continue
        found = _COMMAND.match(text, start)
        if found is None:
            return Misfit(f"{text[start : start + _SHOWN]!r} is not an operator (write %% for a percent sign)")
        if problem := _problem(found["name"], found["given"] or "", found["length"]):
            return Misfit(f"operator {found['name']} {problem}")
        position = found.end()
    return text


def _problem(name: str, given: str, length: str | None) -> str:
    """Empty where nothing is wrong."""
    if length is not None and isinstance(_LENGTH.parse(length), Misfit):
        return "has a length out of range"
    if name in _PLAIN or name in _OPTIONAL:
        if given and name in _PLAIN:
            return "takes no parameters"
        return "" if length is None else "takes no length"
    if (judge := _JUDGED.get(name)) is None:
        return "is unknown"
    if length is not None and name in _WITHOUT_LENGTH:
        return "takes no length"
    return judge(given)


# --- parameters ------------------------------------------------------------------------------------------------


def _anything(given: str) -> str:
    return "" if given else "needs a parameter"


def _headers(given: str) -> str:
    """`NAME` or `NAME?ALTERNATIVE`, either may be empty; pseudo-headers too."""
    names = given.split("?")
    if not given or len(names) > 2:
        return "needs the name of a header and at most one alternative"
    wrong = next((name for name in names if name and isinstance(header_name(name.removeprefix(":")), Misfit)), None)
    return "" if wrong is None else f"has {wrong!a}, which is not the name of a header"


def _filter_state(given: str) -> str:
    """`KEY`, `KEY:PLAIN`, `KEY:TYPED` or `KEY:FIELD:NAME`."""
    match given.split(":"):
        case [key] | [key, "PLAIN" | "TYPED"] | [key, "FIELD", _] if key:
            return ""
    return "needs a key, and after it PLAIN, TYPED or FIELD with a name"


def _path(given: str) -> str:
    match given.split(":"):
        case [""] | ["WQ" | "NQ"] | ["WQ" | "NQ", "ORIG" | "PATH" | "ORIG_OR_PATH"]:
            return ""
    return "takes WQ or NQ, and after it ORIG, PATH or ORIG_OR_PATH"


def _query(given: str) -> str:
    return "" if given in ("", "ORIG", "DECODED") else "takes ORIG or DECODED"


_JUDGED: Final[dict[str, Callable[[str], str]]] = {
    "CLUSTER_METADATA": _anything,
    "DYNAMIC_METADATA": _anything,
    "ENVIRONMENT": _anything,
    "FILTER_STATE": _filter_state,
    "PATH": _path,
    "QUERY_PARAM": _anything,
    "QUERY_PARAMS": _query,
    "REQ": _headers,
    "REQUEST_HEADER": _headers,
    "RESP": _headers,
    "RESPONSE_HEADER": _headers,
    "RESPONSE_TRAILER": _headers,
    "STREAM_INFO_REQ": _headers,
    "TRAILER": _headers,
    "UPSTREAM_FILTER_STATE": _filter_state,
    "UPSTREAM_METADATA": _anything,
}
_WITHOUT_LENGTH: Final = frozenset({"CLUSTER_METADATA", "UPSTREAM_METADATA"})
_OPTIONAL: Final = frozenset(
    """
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT
    DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_CERT_V_START
    DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT EMIT_TIME EMIT_TIME_LOCAL RESPONSE_CODE_DETAILS START_TIME
    START_TIME_LOCAL UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START
    UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
    """.split()  # noqa: SIM905 - one name a line would fill pages
)
_PLAIN: Final = frozenset(
    """
    ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
    CUSTOM_FLAGS DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
    DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED
    DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
    DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
    DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256
    DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN
    DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN
    DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL
    DOWNSTREAM_PEER_OTHERNAME_SAN DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN
    DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP
    DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION DOWNSTREAM_TRANSPORT_FAILURE_REASON
    DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS
    GRPC_STATUS_NUMBER HOSTNAME LOCAL_REPLY_BODY PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION
    REQUEST_HEADERS_BYTES REQUEST_TX_DURATION RESPONSE_CODE RESPONSE_DURATION RESPONSE_FLAGS
    RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION ROUNDTRIP_DURATION
    ROUTE_NAME SPAN_ID STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID UPSTREAM_CLUSTER
    UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED
    UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_HEADER_BYTES_RECEIVED
    UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN
    UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN
    UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN UPSTREAM_PROTOCOL
    UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_REMOTE_PORT
    UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP
    UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON
    UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
    """.split()  # noqa: SIM905 - as above
)
