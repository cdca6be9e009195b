"""The functions that Kubernetes adds to CEL (kubernetes.io, "CEL in Kubernetes", CEL community libraries)."""

from collections.abc import Callable
from typing import Any, Final

from cel.stdlib import EXTENSIONS

from crossfade_local.apiserver.crd.cel_language.translation import Names
from crossfade_local.apiserver.crd.cel_library import (
    formats,
    formatting,
    lists,
    networks,
    optionals,
    quantities,
    regex,
    urls,
    versions,
)
from crossfade_local.apiserver.crd.cel_library.values import text_of

_STRINGS: Final = (
    "charAt",
    "join",
    "lowerAscii",
    "replace",
    "split",
    "strings.quote",
    "substring",
    "trim",
    "upperAscii",
)
_BUILT_IN_MEMBERS: Final = frozenset(
    (
        *("size", "contains", "startsWith", "endsWith", "matches"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds", "hasValue", "value", "or", "orValue"),
    )
)
_FREE: Final = frozenset(
    (
        *("size", "matches", "type", "dyn", "bool", "int", "uint", "double", "string", "bytes"),
        *("duration", "timestamp", "optional.of", "optional.none", "optional.ofNonZeroValue"),
        *("quantity", "isQuantity", "sign", "url", "isURL", "ip", "isIP", "cidr", "isCIDR", "semver", "isSemver"),
    )
)
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{name: EXTENSIONS["strings"][name] for name in _STRINGS},
    "bool": EXTENSIONS["core"]["bool"],
    **EXTENSIONS["sets"],
    **lists.FUNCTIONS,
    **formats.FUNCTIONS,
    **formatting.FUNCTIONS,
    **networks.FUNCTIONS,
    **optionals.FUNCTIONS,
    **quantities.FUNCTIONS,
    **regex.FUNCTIONS,
    **urls.FUNCTIONS,
    **versions.FUNCTIONS,
    "celText": text_of,
}
_DOTTED: Final = frozenset(name for name in FUNCTIONS if "." in name)
_MEMBERS: Final = frozenset(name for name in FUNCTIONS if not name.startswith("cel")) - _FREE - _DOTTED | {"ip"}
_TYPES: Final = frozenset(("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"))
NAMES: Final = Names(
    free=_FREE | _DOTTED,
    members=_MEMBERS | _BUILT_IN_MEMBERS,
    variables=_TYPES | {"self", "oldSelf"},
)
_REQUEST: Final = frozenset(
    (
        *("kind", "resource", "subResource", "requestKind", "requestResource", "requestSubResource"),
        *("name", "namespace", "operation", "userInfo", "dryRun", "options"),
    )
)
NAMES_OF_CONDITIONS: Final = NAMES._replace(
    variables=_TYPES | {"object", "oldObject", "request", "namespaceObject"},
    fields={"request": _REQUEST},
    lacking={
        "authorizer": "the embedded API server has none for conditions; compare request.userInfo, or let the webhook"
        " ask by a SubjectAccessReview",
    },
)
