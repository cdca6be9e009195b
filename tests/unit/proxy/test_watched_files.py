"""What the kubelet writes becomes what Envoy watches; the last good text counts."""

import json
from pathlib import Path

import pytest

from crossfade.proxy.watched_files import ControlPlaneFiles, UnreadableError, control_plane_files


def files(folder: Path, ca_pem: str | None = "OLD") -> ControlPlaneFiles:
    return control_plane_files(folder, ca_pem=ca_pem, ca_file=folder / "ca.crt", token=folder / "token")


def trusted(folder: Path) -> str:
    (secret,) = json.loads((folder / "authority.json").read_text())["resources"]
    found: str = secret["validation_context"]["trusted_ca"]["inline_string"]
    return found


def test_who_is_trusted_is_what_the_pod_was_told_until_the_file_tells_more(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    found = files(tmp_path)
    for content, expected in ((None, "OLD"), ("", "OLD"), ("NEW\n", "NEW"), (" ", "NEW"), (None, "NEW"), ("3", "3")):
        if content is None:
            (tmp_path / "ca.crt").unlink(missing_ok=True)
        else:
            (tmp_path / "ca.crt").write_text(content)
        found.refresh()
        assert trusted(tmp_path) == expected, content
    assert found.targets == (str(tmp_path / "authority.json"), str(tmp_path / "token.json"))


def test_nothing_is_written_anew_without_a_change(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    found = files(tmp_path)
    found.refresh()
    before = [Path(str(target)).stat().st_ino for target in found.targets]
    found.refresh()
    assert [Path(str(target)).stat().st_ino for target in found.targets] == before
    assert {Path(str(target)).stat().st_mode & 0o777 for target in found.targets} == {0o600}


def test_a_plain_connection_trusts_nobody(tmp_path: Path) -> None:
    assert files(tmp_path, ca_pem=None).targets[0] is None


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"\xff", "no text")])
def test_a_token_that_was_never_there_is_an_error(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        files(tmp_path).refresh()
