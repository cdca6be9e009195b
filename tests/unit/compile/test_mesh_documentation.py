"""The manifests of the page on annotations of a mesh: admitted, compiled, and nothing in them without effect."""

import re
from pathlib import Path

import pytest
import yaml

from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.review import AdmissionRequest
from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode

PAGE = Path(__file__).parents[3] / "docs/how-to/ask-more-of-a-mesh.md"
KINDS = {
    kind.RESOURCE.kind: kind
    for kind in (BackendGroup, GatewayRoute, Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService)
}
FOUND = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MESH = {"metadata": {"name": "dj-app"}, "spec": {"namespaceSelector": {"matchLabels": {"mesh": "dj-app"}}}}


@pytest.mark.parametrize("documents", [list(yaml.safe_load_all(text)) for text in FOUND])
def test_examples_do_what_the_page_says(documents: list[JsonObject]) -> None:
    for document in documents:
        check_object(AdmissionRequest("u", document["kind"], "CREATE", object=document))
    objects = [decode(document, KINDS[document["kind"]]) for document in documents]
    namespace = decode({"metadata": {"name": "prod", "labels": {"mesh": "dj-app"}}}, Namespace)
    known = {type(one) for one in objects}
    more = [] if Mesh in known else [decode(MESH, Mesh)]
    model = compile_mesh(Snapshot.of([namespace, *objects, *more]), ArnScope())
    # The node that gets copies is not on the page.
    told = [one for one in model.diagnostics if one.field.startswith("metadata.annotations")]
    assert {one.code for one in told} <= {"service.mirror"}
