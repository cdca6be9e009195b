"""What Envoy is preloaded with."""

from pathlib import Path

import pytest

from crossfade.proxy.preload import preload

MADVISE = "always [madvise] never\n"


@pytest.fixture
def enabled(tmp_path: Path) -> Path:
    (tmp_path / "enabled").write_text(MADVISE)
    return tmp_path / "enabled"


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    (tmp_path / "libcrossfade_pages-0123.so").touch()
    (tmp_path / "libcrossfade_reads-0123.so").touch()
    return tmp_path


def names(environment: dict[str, str]) -> list[str]:
    return [Path(library).name for library in environment["LD_PRELOAD"].split(":")]


@pytest.mark.parametrize(
    ("mode", "is_asked"),
    [(MADVISE, True), ("[always] madvise never\n", False), ("always madvise [never]\n", False)],
)
def test_the_kernel_is_asked_for_huge_pages_where_it_gives_them_to_who_asks(
    mode: str, is_asked: bool, generated: Path, enabled: Path
) -> None:
    enabled.write_text(mode)
    found = names(preload({}, generated=generated, enabled=enabled))
    assert found == [*(["libcrossfade_pages-0123.so"] if is_asked else []), "libcrossfade_reads-0123.so"]


def test_each_is_switched_off_by_itself(generated: Path, enabled: Path) -> None:
    without_pages, without_reads = {"CROSSFADE_HUGE_PAGES": "off"}, {"CROSSFADE_SPARE_READS": "off"}
    assert names(preload(without_pages, generated=generated, enabled=enabled)) == ["libcrossfade_reads-0123.so"]
    assert names(preload(without_reads, generated=generated, enabled=enabled)) == ["libcrossfade_pages-0123.so"]
    assert preload(without_pages | without_reads, generated=generated, enabled=enabled) == {}


def test_others_to_preload_stay(generated: Path, enabled: Path) -> None:
    found = preload({"LD_PRELOAD": "/lib/other.so"}, generated=generated, enabled=enabled)
    assert names(found) == ["libcrossfade_pages-0123.so", "libcrossfade_reads-0123.so", "other.so"]


def test_the_program_is_on_huge_pages_where_that_is_asked_for(generated: Path, enabled: Path) -> None:
    asked = preload({"CROSSFADE_HUGE_PAGES": "all"}, generated=generated, enabled=enabled)
    assert asked["CROSSFADE_HUGE_PROGRAM"] == "1"
    assert "CROSSFADE_HUGE_PROGRAM" not in preload({}, generated=generated, enabled=enabled)


def test_a_kernel_without_huge_pages_and_an_installation_without_the_libraries(tmp_path: Path, enabled: Path) -> None:
    assert preload({}, generated=tmp_path, enabled=tmp_path / "missing") == {}
    assert preload({}, generated=tmp_path, enabled=enabled) == {}
