"""When Envoy is preloaded with what asks for huge pages."""

from pathlib import Path

import pytest

from crossfade.proxy.huge_pages import huge_pages


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    (tmp_path / "libcrossfade_pages-0123.so").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "is_asked"),
    [("always [madvise] never\n", True), ("[always] madvise never\n", False), ("always madvise [never]\n", False)],
)
def test_the_kernel_is_asked_where_it_gives_them_to_who_asks(mode: str, is_asked: bool, generated: Path) -> None:
    enabled = generated / "enabled"
    enabled.write_text(mode)
    found = huge_pages({}, generated=generated, enabled=enabled)
    assert found == ({"LD_PRELOAD": str(generated / "libcrossfade_pages-0123.so")} if is_asked else {})


def test_others_to_preload_stay(generated: Path) -> None:
    enabled = generated / "enabled"
    enabled.write_text("always [madvise] never\n")
    found = huge_pages({"LD_PRELOAD": "/lib/other.so"}, generated=generated, enabled=enabled)
    assert found == {"LD_PRELOAD": f"{generated / 'libcrossfade_pages-0123.so'}:/lib/other.so"}
    asked = huge_pages({"CROSSFADE_HUGE_PAGES": "all"}, generated=generated, enabled=enabled)
    assert asked["CROSSFADE_HUGE_PROGRAM"] == "1"
    assert huge_pages({"CROSSFADE_HUGE_PAGES": "off"}, generated=generated, enabled=enabled) == {}


def test_a_kernel_without_them_and_an_installation_without_the_library(tmp_path: Path) -> None:
    enabled = tmp_path / "enabled"
    assert huge_pages({}, generated=tmp_path, enabled=enabled) == {}
    enabled.write_text("always [madvise] never\n")
    assert huge_pages({}, generated=tmp_path, enabled=enabled) == {}
