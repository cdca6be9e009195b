"""Schema of aws-lambda's configuration (kong.md §5.22)."""

from collections.abc import Callable
from typing import Final

from crossfade.compile.policies.checks import header_value, host, reply_status
from crossfade.compile.policies.schema import Field, Schema

_LONGEST_MS: Final = 2_147_483_646


def _refused(reason: str) -> Callable[[str], str]:
    def never(value: str) -> str:
        del value
        return reason

    return never


REFUSED: Final[dict[str, Field]] = {
    "aws_assume_role_arn": Field(
        "string", check=_refused("the gateway assumes no roles: give a key and secret that may invoke")
    ),
    "aws_sts_endpoint_url": Field("string", check=_refused("the gateway assumes no roles, so it asks no STS")),
    "proxy_url": Field("string", check=_refused("the gateway calls AWS directly; name a forwarding host in host")),
}


def _flag(*, default: bool = False) -> Field:
    return Field("boolean", default=default)


SCHEMA: Final = Schema(
    {
        "timeout": Field("number", default=60_000, required=True, between=(0, _LONGEST_MS)),
        "keepalive": Field("number", default=60_000, required=True, between=(0, _LONGEST_MS)),
        # Kong also asks its environment and AWS' metadata services, which is not done here.
        "aws_key": Field("string", required=True, referenceable=True, check=header_value),
        "aws_secret": Field("string", required=True, referenceable=True, check=header_value),
        "aws_region": Field("string", required=True, check=host),
        "aws_role_session_name": Field("string", default="kong"),
        "function_name": Field("string", required=True, check=header_value),
        "qualifier": Field("string", check=header_value),
        "invocation_type": Field(
            "string", default="RequestResponse", required=True, one_of=("RequestResponse", "Event", "DryRun")
        ),
        "log_type": Field("string", default="Tail", required=True, one_of=("Tail", "None")),
        "host": Field("string", check=host),
        "port": Field("integer", default=443, between=(0, 65535)),
        "disable_https": _flag(),
        "unhandled_status": Field("integer", between=(100, 999), check=reply_status),
        "forward_request_method": _flag(),
        "forward_request_uri": _flag(),
        "forward_request_headers": _flag(),
        "forward_request_body": _flag(),
        "is_proxy_integration": _flag(),
        "awsgateway_compatible": _flag(),
        "skip_large_bodies": _flag(default=True),
        "base64_encode_body": _flag(default=True),
        "aws_imds_protocol_version": Field("string", default="v1", required=True, one_of=("v1", "v2")),
        "empty_arrays_mode": Field("string", default="legacy", required=True, one_of=("legacy", "correct")),
        **REFUSED,
    }
)
