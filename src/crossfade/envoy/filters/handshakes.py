"""An application that answers a WebSocket handshake with 200 refuses it (RFC 6455 §4.1); to HTTP/2 that is consent.

A caller's proxy would tell its client 101 (RFC 8441 §5).
"""

from typing import Final

from crossfade.envoy.proto import custom_response_v3, hcm_v3, local_response_v3, matcher_v3, packed, xds_core_v3

_REFUSAL: Final = 502


def refused_handshakes() -> hcm_v3.HttpFilter:
    """For upgrades only: an answer of 2xx becomes 502."""
    config = custom_response_v3.CustomResponse()
    tree = config.custom_response_matcher.matcher_tree
    kind = matcher_v3.HttpResponseStatusCodeClassMatchInput()
    tree.input.CopyFrom(xds_core_v3.TypedExtensionConfig(name="class of status", typed_config=packed(kind)))
    answer = local_response_v3.LocalResponsePolicy()
    answer.status_code.value = _REFUSAL
    action = xds_core_v3.TypedExtensionConfig(name="refused", typed_config=packed(answer))
    tree.exact_match_map.map["2xx"].action.CopyFrom(action)
    return hcm_v3.HttpFilter(name="refused_handshakes", typed_config=packed(config))
