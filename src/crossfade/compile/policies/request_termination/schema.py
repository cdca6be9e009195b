"""Schema of request-termination's configuration (kong.md §5.15)."""

from typing import Final

from crossfade.compile.policies.checks import final_status, header_name, header_value
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject


def _one_source(config: JsonObject) -> Problems:
    message, body, content_type = config["message"], config["body"], config["content_type"]
    if message and (content_type or body):
        return {ENTITY: ["config: message cannot be used with content_type or body"]}
    if content_type and not body:
        return {ENTITY: ["config: content_type requires a body"]}
    if config["echo"] and body:
        return {ENTITY: ["config: echo cannot be used with content_type and body"]}
    return {}


SCHEMA: Final = Schema(
    {
        "status_code": Field("integer", default=503, required=True, between=(100, 599), check=final_status),
        "message": Field("string"),
        "content_type": Field("string", check=header_value),
        "body": Field("string"),
        "echo": Field("boolean", default=False, required=True),
        "trigger": Field("string", check=header_name),
    },
    (_one_source,),
)
