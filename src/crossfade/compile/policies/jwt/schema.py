"""Schema of jwt's configuration (kong.md §5.5)."""

from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject


def _verifies_what_it_limits(config: JsonObject) -> Problems:
    claims = config["claims_to_verify"]
    if config["maximum_expiration"] <= 0 or claims is None or "exp" in claims:
        return {}
    return {
        ENTITY: ["failed conditional validation given value of field 'config.maximum_expiration'"],
        "claims_to_verify": "expected to contain: exp",
    }


SCHEMA: Final = Schema(
    {
        "uri_param_names": Field("set", ["jwt"], elements=Field("string")),
        "cookie_names": Field("set", [], elements=Field("string")),
        "key_claim_name": Field("string", "iss"),
        "secret_is_base64": Field("boolean", default=False, required=True),
        "claims_to_verify": Field("set", elements=Field("string", one_of=("exp", "nbf"))),
        "anonymous": Field("string"),
        "run_on_preflight": Field("boolean", default=True, required=True),
        "maximum_expiration": Field("number", 0, between=(0, 31_536_000)),
        "header_names": Field("set", ["authorization"], elements=Field("string")),
        "realm": Field("string", check=header_value),
    },
    checks=(_verifies_what_it_limits,),
)
