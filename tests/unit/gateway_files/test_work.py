"""From files to Envoy's resources: one changed file costs one, and a refused plugin closes its routes."""

from pathlib import Path

import pytest

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.settings import EnvoyOptions
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.work import Work
from crossfade.install.gateway import gateway_crd
from crossfade_kube.meta import JsonObject, Resource
from tests.unit.gateway_files.manifests import INGRESS, PLUGIN, SERVICE


@pytest.fixture
def work(tmp_path: Path) -> Work:
    (tmp_path / "web.yaml").write_text(SERVICE)
    return Work(tmp_path, CompileSettings(), EnvoyOptions(), Schemas(gateway_crd))


@pytest.mark.parametrize(
    "wrong", [PLUGIN % "0", PLUGIN % 3 + "disabled: perhaps\n", PLUGIN % 3 + "run_on: 5\nprotocols: [carrier-pigeon]\n"]
)
def test_a_refused_plugin_closes_the_routes_that_use_it(tmp_path: Path, work: Work, wrong: str) -> None:
    (tmp_path / "all.yaml").write_text(f"{wrong}---\n{INGRESS % '/x'}")
    outcome = work.first()
    closed = [item for item in outcome.built.diagnostics if item.code == "plugin.refused-here"]
    assert [str(item.ref) for item in closed] == ["Ingress default/web"]
    assert "answered 503" in closed[0].effect


def test_a_step_without_change_gives_nothing(work: Work) -> None:
    work.first()
    assert work.step(None) is None
    assert work.step({"web.yaml", "never.yaml"}) is None


def test_what_did_not_change_is_the_very_same_resource(tmp_path: Path, work: Work) -> None:
    (tmp_path / "all.yaml").write_text(f"{PLUGIN % 3}---\n{INGRESS % '/x'}")
    before = work.first().built.resources
    (tmp_path / "web.yaml").write_text(SERVICE.replace("9080", "9081"))
    outcome = work.step({"web.yaml"})
    assert outcome is not None
    assert [ref.name for ref in outcome.changed] == ["web-1"]
    different = {
        kind
        for kind in ResourceType
        for name, resource in outcome.built.resources.of(kind).items()
        if before.of(kind).get(name) is not resource
    }
    assert different <= {ResourceType.ENDPOINTS, ResourceType.CLUSTER}
    assert different


def test_schemas_are_compiled_when_a_kind_is_first_seen(tmp_path: Path) -> None:
    asked: list[str] = []

    def load(kind: Resource) -> JsonObject | None:
        asked.append(kind.kind)
        return gateway_crd(kind)

    (tmp_path / "all.yaml").write_text(f"{PLUGIN % 3}---\n{PLUGIN % 4}---\n{SERVICE}")
    Work(tmp_path, CompileSettings(), EnvoyOptions(), Schemas(load)).first()
    assert asked == ["KongPlugin", "Service", "EndpointSlice"]
