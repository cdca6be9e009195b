"""The variables of expressions of admission: of an object nothing is known, of the request and its namespace all."""

from collections.abc import Mapping
from typing import Final

from crossfade_local.apiserver.crd.cel_types.types import (
    BOOL,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Kind,
    Type,
    list_of,
    map_of,
)


def _object(name: str, /, **fields: Type) -> Type:
    return Type(f"kubernetes.{name}", Kind.OBJECT, field_named=fields.get)


_TEXTS: Final = list_of(STRING)
_LABELS: Final = map_of(STRING, STRING)
_KIND: Final = _object("GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE: Final = _object("GroupVersionResource", group=STRING, version=STRING, resource=STRING)
_USER: Final = _object("UserInfo", username=STRING, uid=STRING, groups=_TEXTS, extra=map_of(STRING, _TEXTS))
_REQUEST: Final = _object(
    "AdmissionRequest",
    kind=_KIND,
    resource=_RESOURCE,
    subResource=STRING,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER,
    dryRun=BOOL,
    options=DYN,
)
_METADATA: Final = _object(
    "NamespaceMetadata",
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=_LABELS,
    annotations=_LABELS,
    UID=STRING,
    creationTimestamp=TIMESTAMP,
    deletionGracePeriodSeconds=INT,
    deletionTimestamp=TIMESTAMP,
    generation=INT,
    resourceVersion=STRING,
    finalizers=_TEXTS,
)
_CONDITION: Final = _object(
    "NamespaceCondition", status=STRING, type=STRING, lastTransitionTime=TIMESTAMP, message=STRING, reason=STRING
)
_STATUS: Final = _object("NamespaceStatus", conditions=list_of(_CONDITION), phase=STRING)
_NAMESPACE: Final = _object(
    "Namespace", metadata=_METADATA, spec=_object("NamespaceSpec", finalizers=_TEXTS), status=_STATUS
)
VARIABLES: Final[Mapping[str, Type]] = {
    "object": DYN,
    "oldObject": DYN,
    "request": _REQUEST,
    "namespaceObject": _NAMESPACE,
}
AUTHORIZER: Final[Mapping[str, Type]] = {
    "authorizer": Type("kubernetes.authorization.Authorizer", Kind.OBJECT),
    "authorizer.requestResource": Type("kubernetes.authorization.ResourceCheck", Kind.OBJECT),
}
