"""When Envoy gets the library that counts a mesh's requests."""

from pathlib import Path

import pytest

from crossfade.proxy.counting import SEARCH_VARIABLE, counting
from crossfade.proxy.run import settings_from_environment


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    folder = tmp_path / "generated"
    folder.mkdir()
    (folder / "libcrossfade_counts-0123.so").touch()
    return folder


def test_envoy_finds_it_by_one_name(generated: Path, tmp_path: Path) -> None:
    link = tmp_path / "libcrossfade_counts.so"
    for _ in range(2):
        assert counting({}, tmp_path, generated=generated) == {SEARCH_VARIABLE: str(tmp_path)}
        assert link.readlink() == generated / "libcrossfade_counts-0123.so"


def test_whoever_has_modules_elsewhere_keeps_them(generated: Path, tmp_path: Path) -> None:
    assert counting({SEARCH_VARIABLE: "/opt/modules"}, tmp_path, generated=generated) == {}


def test_an_installation_without_it(tmp_path: Path) -> None:
    assert counting({}, tmp_path, generated=tmp_path) == {}


@pytest.mark.parametrize(
    ("environment", "counts"),
    [
        ({"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualNode/jazz_prod"}, True),
        ({"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualNode/jazz_prod", "CROSSFADE_MESH_METRICS": "off"}, False),
        ({}, False),
    ],
)
def test_only_proxies_of_a_mesh_count_for_it(environment: dict[str, str], counts: bool) -> None:
    address = {"CROSSFADE_ADS_ADDRESS": "127.0.0.1:1"}
    assert settings_from_environment({**address, **environment}, is_gateway=False).counts_for_mesh is counts
