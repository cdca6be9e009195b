"""Which form of an answer a client accepts: the object itself, its metadata alone, or a table; as JSON or YAML."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.wire.status import not_acceptable

JSON: Final = "application/json"
YAML: Final = "application/yaml"
AVAILABLE: Final = (JSON, YAML, "application/vnd.kubernetes.protobuf")
_ENCODINGS: Final = {JSON: JSON, YAML: YAML, "*/*": JSON, "application/*": JSON}
_META_VERSIONS: Final = ("v1", "v1beta1")
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_PEOPLES_AGENTS: Final = ("curl", "Wget", "Mozilla/5.0")
_FORMS: Final = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class Form:
    """`convert` is one of `_FORMS` or empty; `version` is meta.k8s.io's, or that of aggregated discovery."""

    encoding: str = JSON
    convert: str = ""
    version: str = ""
    pretty: bool = False

    @property
    def content_type(self) -> str:
        if not self.convert:
            return self.encoding
        return f"{self.encoding};as={self.convert};g=meta.k8s.io;v={self.version}"


def media_ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Media types of an Accept header with their parameters, the preferred ones first."""
    found: list[tuple[float, int, str, dict[str, str]]] = []
    for position, part in enumerate(accept.split(",")):
        name, *pairs = (piece.strip() for piece in part.split(";"))
        parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if name:
            found.append((-quality, position, name.lower(), parameters))
    for _, _, name, parameters in sorted(found, key=lambda item: item[:2]):
        yield name, parameters


def wants_pretty(asked: str, agent: str) -> bool:
    """Whether JSON is to be indented, by the query's `pretty`, or else by who reads it."""
    return asked in _TRUE if asked else agent.startswith(_PEOPLES_AGENTS)


def negotiate(accept: str, *, pretty: bool = False) -> Form:
    """The first acceptable form; raises StatusError 406."""
    if not accept or accept == JSON:
        return Form(pretty=pretty)
    for name, parameters in media_ranges(accept):
        encoding = _ENCODINGS.get(name)
        if encoding is None:
            continue
        convert = parameters.get("as", "")
        if not convert:
            return Form(encoding, pretty=pretty)
        if convert in _FORMS and parameters.get("g") == "meta.k8s.io" and parameters.get("v") in _META_VERSIONS:
            return Form(encoding, convert, parameters["v"], pretty)
    raise not_acceptable(AVAILABLE)


def partial(obj: JsonObject, version: str, *, with_kind: bool = True) -> JsonObject:
    """An object's metadata as PartialObjectMetadata."""
    head = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"} if with_kind else {}
    return {**head, "metadata": obj.get("metadata", {})}
