"""Definitions and structs agree: what can be written is read, or is listed here with the reason why not."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest
from generate.reference.field_notes import reason

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.custom_entity import KongCustomEntity
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.install.gateway import gateway_api_crds, gateway_crds
from crossfade.install.mesh import mesh_crds
from crossfade_kube.meta import JsonObject
from tests.support.schema_agreement import disagreements, unread

KINDS: Final[tuple[Any, ...]] = (
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
    BackendGroup,
    KongPlugin,
    KongClusterPlugin,
    KongConsumer,
    KongConsumerGroup,
    KongVault,
    KongCustomEntity,
    ReferenceGrant,
    KongIngress,
    KongUpstreamPolicy,
    KongServiceFacade,
    TcpIngress,
    UdpIngress,
    IngressClassParameters,
)
# Patterns of paths, with the reason.
SHARED_STRUCTS: Final = {
    r"metadata": "has the server's own schema",
    r"status\.conditions\[\]\.observedGeneration": "conditions of other kinds have it",
    r"spec\.listeners\[\]\.connectionPool\.\w+\.max\w+": "one struct for the limits of all protocols",
    r"spec\.listeners\[\]\.connectionPool\.tcp": "virtual gateways know no tcp",
    r"spec\.routes\[\]\.http2?Route\.retryPolicy\.grpcRetryEvents": "one struct for all retry policies",
    r"spec\.grpcRoute\.action\.rewrite\.(prefix|path)": "one struct for all rewrites",
    r"config(From|Patches\[\]\.valueFrom)\.secretKeyRef\.namespace": "KongClusterPlugin has it",
}
# Beside what the page docs/reference/supported.md says to have no effect.
UNREAD: Final = {
    r"apiVersion|kind": "known before the object is read",
    r"status": "a BackendGroup has none",
}


def unlisted(paths: Iterable[str], listed: Mapping[str, str]) -> list[str]:
    return [path for path in paths if not any(re.fullmatch(pattern, path) for pattern in listed)]


def untold(kind: Any) -> list[str]:
    """Paths that no struct holds and of which users are not told so."""
    return [path for path in unread(kind, schema_of(kind)) if reason(kind.RESOURCE.kind, path) is None]


def schema_of(kind: Any) -> JsonObject:
    resource = kind.RESOURCE
    (crd,) = (
        crd
        for crd in (*mesh_crds(), *gateway_crds(), *gateway_api_crds())
        if crd["spec"]["names"]["kind"] == resource.kind
    )
    (version,) = (one for one in crd["spec"]["versions"] if one["name"] == resource.version)
    schema: JsonObject = version["schema"]["openAPIV3Schema"]
    return {**schema, "properties": {name: part for name, part in schema["properties"].items() if name != "metadata"}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_a_struct_can_be_written(kind: Any) -> None:
    lines = list(disagreements(kind, schema_of(kind)))
    missing = [line.removesuffix(": not in the schema") for line in lines if line.endswith(": not in the schema")]
    assert unlisted(missing, SHARED_STRUCTS) == []
    assert [line for line in lines if not line.endswith(": not in the schema")] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_can_be_written_is_read_or_listed(kind: Any) -> None:
    assert unlisted(untold(kind), UNREAD) == []


def test_no_reason_is_out_of_date() -> None:
    lacking = [line.partition(":")[0] for kind in KINDS for line in disagreements(kind, schema_of(kind))]
    ignored = [path for kind in KINDS for path in untold(kind)]
    for listed, found in ((SHARED_STRUCTS, lacking), (UNREAD, ignored)):
        for pattern in listed:
            assert any(re.fullmatch(pattern, path) for path in found), pattern


def test_a_disagreement_is_found() -> None:
    schema = schema_of(Mesh)
    properties = {**schema["properties"], "spec": {"type": "object", "properties": {"awsName": {"type": "integer"}}}}
    lines = set(disagreements(Mesh, {**schema, "properties": properties}))
    assert {
        "spec.awsName: string in the struct, integer in the schema",
        "spec.egressFilter: not in the schema",
    } <= lines
