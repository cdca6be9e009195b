from pathlib import Path

import pytest

from crossfade_local.local_volumes import LocalVolumes


def test_a_volume_keeps_what_is_in_it_until_it_is_removed(tmp_path: Path) -> None:
    volumes = LocalVolumes(tmp_path / "volumes")
    (volumes.make("pvc-1") / "tape").write_text("a", encoding="utf-8")
    assert (volumes.make("pvc-1") / "tape").read_text(encoding="utf-8") == "a"
    assert (volumes.path("pvc-1").stat().st_mode & 0o777, (tmp_path / "volumes").stat().st_mode & 0o777) == (
        0o777,
        0o700,
    )
    for _ in range(2):
        volumes.remove("pvc-1")
    assert not volumes.path("pvc-1").exists()


@pytest.mark.parametrize("handle", ["", "..", ".", "../pki", "a/b", "/etc", "a..b", "A", "a\n", "-a", "x" * 254])
def test_no_handle_leads_out(tmp_path: Path, handle: str) -> None:
    with pytest.raises(ValueError, match="volume handle"):
        LocalVolumes(tmp_path).make(handle)
