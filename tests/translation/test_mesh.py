"""App Mesh manifests → models, states and diagnostics; every folder of `cases/mesh` is one case."""

import random
from pathlib import Path

import pytest

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.mesh import ArnScope, MeshModel, compile_mesh
from crossfade.compile.model import ProxyModel
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import validate
from crossfade.store.snapshot import Snapshot
from crossfade_kube import yaml_texts
from crossfade_kube.core import EndpointSlice, Namespace, Pod, Secret, Service
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import TypedObject, decode_known, kinds_by_gvk
from tests.support.model_golden import assert_golden, dumped, dumped_diagnostics

CASES = Path(__file__).parent / "cases" / "mesh"
KINDS: tuple[type[TypedObject], ...] = (
    Namespace,
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
    BackendGroup,
    Service,
    EndpointSlice,
    Pod,
    Secret,
)
NAMES = sorted(folder.name for folder in CASES.iterdir())


def documents(case: str) -> list[JsonObject]:
    return [document for document in yaml_texts.load_all((CASES / case / "in.yaml").read_text()) if document]


def compiled(items: list[JsonObject]) -> MeshModel:
    known = kinds_by_gvk(KINDS)
    objects = [found for item in items if (found := decode_known(item, known)) is not None]
    return compile_mesh(Snapshot.of(objects), ArnScope())


def described(model: MeshModel) -> str:
    endpoints = {"endpoints": model.endpoints} if model.endpoints else {}
    certificates = {"certificates": model.certificates} if model.certificates else {}
    return dumped({"proxies": model.proxies, "states": model.states, **endpoints, **certificates})


@pytest.mark.parametrize("case", NAMES)
def test_manifests_compile_to_the_expected_model(case: str, update_golden: bool) -> None:
    model = compiled(documents(case))
    assert_golden(described(model), CASES / case / "model.yaml", update=update_golden)
    assert_golden(dumped_diagnostics(model.diagnostics), CASES / case / "diagnostics.yaml", update=update_golden)


@pytest.mark.parametrize("case", NAMES)
def test_the_order_of_documents_changes_nothing(case: str) -> None:
    items = documents(case)
    expected = compiled(items)
    for seed in range(3):
        shuffled = random.Random(seed).sample(items, len(items))
        assert compiled(shuffled) == expected


def test_every_case_is_complete() -> None:
    for folder in CASES.iterdir():
        assert {path.name for path in folder.iterdir()} == {"in.yaml", "model.yaml", "diagnostics.yaml"}


@pytest.mark.envoy
@pytest.mark.parametrize("case", NAMES)
def test_envoy_accepts_the_richest_proxy_of_every_case(case: str, tmp_path: Path) -> None:
    model = compiled(documents(case))
    richest = max(model.proxies.values(), key=lambda proxy: len(dumped(proxy)), default=ProxyModel())
    validate(resources_from_model(richest, options=EnvoyOptions()), workdir=tmp_path)
