"""Words to write structural schemas with, and what the App Mesh kinds share (appmesh.md §1.2)."""

from typing import Any, Final

from crossfade.api import bounds
from crossfade.api.appmesh.values import CHECK_INTERVAL, CHECK_THRESHOLD, CHECK_TIMEOUT
from crossfade.api.bounds import Bounds
from crossfade_kube.meta import JsonObject

BOOLEAN: Final[JsonObject] = {"type": "boolean"}
STRING: Final[JsonObject] = {"type": "string"}


def text(least: int | None = None, most: int | None = None) -> JsonObject:
    return STRING | _bounds("minLength", least) | _bounds("maxLength", most)


def choice(*words: str) -> JsonObject:
    return {"type": "string", "enum": list(words)}


def integer(least: int | None = None, most: int | None = None) -> JsonObject:
    return {"type": "integer", "format": "int64"} | _bounds("minimum", least) | _bounds("maximum", most)


def within(bounds: Bounds) -> JsonObject:
    return integer(bounds.least, bounds.most)


def array(items: JsonObject, least: int | None = None, most: int | None = None) -> JsonObject:
    return {"type": "array", "items": items} | _bounds("minItems", least) | _bounds("maxItems", most)


def obj(properties: dict[str, JsonObject], *required: str) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


def mapping(values: JsonObject) -> JsonObject:
    return {"type": "object", "additionalProperties": values}


def described(schema: JsonObject, description: str) -> JsonObject:
    return {"description": description, **schema}


def _bounds(word: str, bound: int | None) -> dict[str, Any]:
    return {} if bound is None else {word: bound}


# A schema cannot make the bound depend on the unit: too many seconds end in the object's condition.
DURATION: Final = obj({"unit": choice("s", "ms"), "value": within(bounds.MILLISECONDS)}, "unit", "value")
PORT: Final = within(bounds.PORT)
ANY_PORT: Final = within(bounds.ANY_PORT)
LIMIT: Final = within(bounds.POSITIVE_COUNT)
PRIORITY: Final = integer(0, 1000)
AWS_NAME: Final = described(STRING, "Name of the object in the mesh; cannot be changed.")

# Whoever applies one on the server's side owns it as a whole.
_ATOMIC_LIST: Final[JsonObject] = {"x-kubernetes-list-type": "atomic"}
_EXPRESSION: Final = obj({"key": STRING, "operator": STRING, "values": array(STRING) | _ATOMIC_LIST}, "key", "operator")
LABEL_SELECTOR: Final = obj({"matchLabels": mapping(STRING), "matchExpressions": array(_EXPRESSION) | _ATOMIC_LIST}) | {
    "x-kubernetes-map-type": "atomic"
}

REFERENCE: Final = obj({"namespace": STRING, "name": STRING}, "name")
MESH_REFERENCE: Final = described(
    obj({"name": STRING, "uid": STRING}, "name", "uid"), "The mesh it belongs to; set at creation, read only."
)

VALUE_MATCH: Final = obj(
    {
        "exact": text(1, 255),
        "prefix": text(1, 255),
        "suffix": text(1, 255),
        "regex": text(1, 255),
        "range": obj({"start": integer(), "end": integer()}, "start", "end"),
    }
)
HEADERS: Final = array(obj({"name": text(1, 50), "match": VALUE_MATCH, "invert": BOOLEAN}, "name"), 1, 10)
PATH_MATCH: Final = obj({"exact": text(1, 255), "regex": text(1, 255)})
QUERY_PARAMETERS: Final = array(obj({"name": STRING, "match": obj({"exact": STRING})}, "name"), 1, 10)
METHOD: Final = choice("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

REQUEST_TIMEOUT: Final = obj({"perRequest": DURATION, "idle": DURATION})
TCP_TIMEOUT: Final = obj({"idle": DURATION})


def port_mapping(*protocols: str) -> JsonObject:
    return obj({"port": PORT, "protocol": choice(*protocols)}, "port", "protocol")


def health_check(*protocols: str, required: tuple[str, ...] = ()) -> JsonObject:
    """`required` beside what every health check needs."""
    return obj(
        {
            "healthyThreshold": within(CHECK_THRESHOLD),
            "unhealthyThreshold": within(CHECK_THRESHOLD),
            "intervalMillis": within(CHECK_INTERVAL),
            "timeoutMillis": within(CHECK_TIMEOUT),
            "path": STRING,
            "port": PORT,
            "protocol": choice(*protocols),
        },
        "intervalMillis",
        "protocol",
        "timeoutMillis",
        "unhealthyThreshold",
        *required,
    )


CONNECTIONS: Final = obj({"maxConnections": LIMIT}, "maxConnections")
HTTP_CONNECTIONS: Final = obj({"maxConnections": LIMIT, "maxPendingRequests": LIMIT}, "maxConnections")
REQUESTS: Final = obj({"maxRequests": LIMIT}, "maxRequests")

ACCESS_LOG: Final = obj(
    {
        "accessLog": obj(
            {
                "file": obj(
                    {
                        "path": text(1, 255),
                        "format": obj(
                            {"text": STRING, "json": array(obj({"key": text(1), "value": text(1)}, "key", "value"))}
                        ),
                    },
                    "path",
                )
            }
        )
    }
)

_FILE_TRUST: Final = obj({"certificateChain": text(1, 255)}, "certificateChain")
_SDS: Final = obj({"secretName": STRING}, "secretName")
_FILE_CERTIFICATE: Final = obj(
    {"certificateChain": text(1, 255), "privateKey": text(1, 255)}, "certificateChain", "privateKey"
)
_NAMES: Final = obj({"match": obj({"exact": array(STRING)}, "exact")}, "match")

_ACM_TRUST: Final = obj({"certificateAuthorityARNs": array(STRING, 1, 3)}, "certificateAuthorityARNs")
_TRUST: Final[dict[str, JsonObject]] = {"file": _FILE_TRUST, "sds": _SDS}
_TRUST_OR_ACM: Final = obj({"acm": _ACM_TRUST, **_TRUST})


def _listener_tls(trust: JsonObject) -> JsonObject:
    acm = obj({"certificateARN": STRING}, "certificateARN")
    return obj(
        {
            "mode": choice("DISABLED", "PERMISSIVE", "STRICT"),
            "certificate": obj({"acm": acm, "file": _FILE_CERTIFICATE, "sds": _SDS}),
            "validation": obj({"trust": trust, "subjectAlternativeNames": _NAMES}, "trust"),
        },
        "certificate",
        "mode",
    )


LISTENER_TLS: Final = _listener_tls(obj(_TRUST))
GATEWAY_LISTENER_TLS: Final = _listener_tls(_TRUST_OR_ACM)
CLIENT_POLICY: Final = obj(
    {
        "tls": obj(
            {
                "enforce": BOOLEAN,
                "ports": array(PORT),
                "certificate": obj({"file": _FILE_CERTIFICATE, "sds": _SDS}),
                "validation": obj(
                    {"trust": _TRUST_OR_ACM, "subjectAlternativeNames": _NAMES},
                    "trust",
                ),
            },
            "validation",
        )
    }
)
BACKEND_DEFAULTS: Final = obj({"clientPolicy": CLIENT_POLICY})
VIRTUAL_SERVICE_TARGET: Final[dict[str, JsonObject]] = {"virtualServiceRef": REFERENCE, "virtualServiceARN": STRING}
VIRTUAL_NODE_TARGET: Final[dict[str, JsonObject]] = {"virtualNodeRef": REFERENCE, "virtualNodeARN": STRING}


def status(arn_field: str, **more: JsonObject) -> JsonObject:
    condition = obj(
        {
            "type": STRING,
            "status": STRING,
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "reason": STRING,
            "message": STRING,
        },
        "status",
        "type",
    )
    return obj({arn_field: STRING, "conditions": array(condition), "observedGeneration": integer(), **more})
