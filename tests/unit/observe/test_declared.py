"""Whom the objects of a mesh let call whom."""

import io

from crossfade.check.mesh import compiled_mesh
from crossfade.gateway_files.given import GivenFiles
from crossfade.observe.declared import Declared, declared_in
from crossfade.observe.traffic import Hop
from tests.support.documentation import ROOT

CASES = ROOT / "tests/translation/cases/mesh"


def declared(case: str) -> dict[Hop, Declared]:
    model, _ = compiled_mesh(GivenFiles([str(CASES / case / "in.yaml")], stdin=io.StringIO(), is_deep=False))
    return declared_in(model)


def test_weights_are_shares() -> None:
    found = declared("djapp-canary")
    weights = {(hop.source, hop.target): round(one.weight or 0, 3) for hop, one in found.items() if hop.source == "dj"}
    assert weights[("dj", "jazz-v1")] + weights[("dj", "jazz-v2")] == 1
    assert not any(one.is_mutual or one.is_tcp for one in found.values())
    assert {hop.service for hop in found if hop.target == "jazz-v1"} == {"jazz.prod.svc.cluster.local"}
    assert {one.port for one in found.values()} == {9080}


def test_mutual_tls_is_told() -> None:
    assert {one.is_mutual for one in declared("walkthrough-mtls-files").values()} == {True}
    assert {one.is_mutual for one in declared("walkthrough-tls-files").values()} == {False}


def test_tcp_is_no_request() -> None:
    assert any(one.is_tcp for one in declared("tcp").values())
