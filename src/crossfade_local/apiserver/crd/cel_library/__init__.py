"""The functions that Kubernetes adds to CEL (kubernetes.io, "CEL in Kubernetes", CEL community libraries)."""

from collections.abc import Callable
from typing import Any, Final

from cel.stdlib import EXTENSIONS

from crossfade_local.apiserver.crd.cel_library import (
    authorization,
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
from crossfade_local.apiserver.crd.cel_library.values import text, text_of

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
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{name: EXTENSIONS["strings"][name] for name in _STRINGS},
    "bool": EXTENSIONS["core"]["bool"],
    **EXTENSIONS["sets"],
    **authorization.FUNCTIONS,
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
    "jsonpatch.escapeKey": lambda key: text(key).replace("~", "~0").replace("/", "~1"),
}
